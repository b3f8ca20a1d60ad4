import { assertEquals } from "@std/assert";
import { ProgressBar, progressLine, sizeText, timeText } from "../../cmd/_progress.ts";
import type { Progress } from "../../lib/transfer/progress.ts";

const HALF: Progress = { name: "a", size: 4000, done: 2000, resumed: 0 };

for (
  const [running, rate, line] of [
    [[HALF], 1000, '"a" == 50 % of 4.00 kB, 1.00 kB/s, 0:02 left'],
    [[HALF], 0, '"a" == 50 % of 4.00 kB, 0 B/s, some time left'],
    [[{ ...HALF, name: undefined }], 1000, "== 50 % of 4.00 kB, 1.00 kB/s, 0:02 left"],
    [[HALF, { ...HALF, done: 0 }], 1000, "2 files == 25 % of 8.00 kB, 1.00 kB/s, 0:06 left"],
    [[{ ...HALF, size: undefined }], 1000, '"a" 2.00 kB, 1.00 kB/s'],
    [[{ ...HALF, size: 0, done: 0 }], 1000, '"a" == 100 % of 0 B, 1.00 kB/s, 0:00 left'],
    [[{ ...HALF, done: 3999 }], 1000, '"a" == 99 % of 4.00 kB, 1.00 kB/s, 0:01 left'],
    [
      [{ ...HALF, name: "\x1b[2J" }],
      0,
      String.raw`"\u001b[2J" == 50 % of 4.00 kB, 0 B/s, some time left`,
    ],
  ] as const
) {
  Deno.test(`progressLine() says ${line}`, () => {
    assertEquals(progressLine(running, "==", rate), line);
  });
}

Deno.test("sizeText() has three digits", () => {
  const sizes = [0, 999, 1000, 9_994, 9_995, 99_949, 99_950, 999_499, 999_500, 2 ** 31, 5e15];
  const texts = ["0 B", "999 B", "1.00 kB", "9.99 kB", "10.0 kB", "99.9 kB", "100 kB", "999 kB"];
  assertEquals(sizes.map(sizeText), [...texts, "1.00 MB", "2.15 GB", "5000 TB"]);
});

Deno.test("timeText() shows a time as a clock does, rounded up", () => {
  assertEquals([0, 0.1, 7, 60, 754, 3600, 36_061].map(timeText), [
    ...["0:00", "0:01", "0:07", "1:00", "12:34", "1:00:00", "10:01:01"],
  ]);
});

Deno.test("ProgressBar shows nothing in a pipe, and leaves no timer", () => {
  using bar = new ProgressBar();
  const lines: string[] = [];
  const tell = (line: string) => void lines.push(line);
  const log = bar.around({ info: tell, warn: tell, error: tell });
  bar.show(1, HALF);
  log.info("one");
  bar.show(2, HALF);
  log.warn("two");
  bar.end(1);
  bar.end(2);
  log.error("three");
  assertEquals(lines, ["one", "two", "three"]);
});
