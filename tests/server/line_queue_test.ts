import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LineQueue } from "../../lib/server/_line_queue.ts";

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What comes out, write by write. */
function taken(queue: LineQueue): string[] {
  const writes: string[] = [];
  for (let next; (next = queue.take()) !== undefined; queue.done()) {
    writes.push(new TextDecoder().decode(next));
  }
  return writes;
}

Deno.test("LineQueue gives lines in order, joined for a write up to half its limit", () => {
  const queue = new LineQueue(20, "newest");
  for (const line of ["one\n", "two\n", "3333\n"]) assertEquals(queue.push(bytes(line)), true);
  assertEquals(queue.held, 13);
  assertEquals(taken(queue), ["one\ntwo\n", "3333\n"]);
  assertEquals([queue.held, queue.take()], [0, undefined]);
});

Deno.test("LineQueue joins no more than 16 KiB, but gives a longer line whole", () => {
  const queue = new LineQueue(1 << 20, "newest");
  for (const length of [10_000, 10_000, 20_000, 1]) queue.push(new Uint8Array(length));
  assertEquals(taken(queue).map((write) => write.length), [10_000, 10_000, 20_000, 1]);
});

Deno.test("LineQueue counts what was taken until it is done", () => {
  const queue = new LineQueue(8, "newest");
  queue.push(bytes("one\n"));
  queue.take();
  assertEquals(queue.held, 4);
  assertEquals(queue.push(bytes("two\n")), true);
  assertEquals(queue.push(bytes("three\n")), false);
  queue.done();
  assertEquals(queue.held, 4);
});

Deno.test("LineQueue that loses the newest keeps what it has, and takes more when that is read", () => {
  const queue = new LineQueue(10, "newest");
  assertEquals(["one\n", "two\n", "three\n", "4\n"].map((line) => queue.push(bytes(line))), [
    ...[true, true],
    ...[false, false], // although the last would fit: it would stand in the middle of a gap
  ]);
  assertEquals(taken(queue), ["one\n", "two\n… 2 lines were dropped\n"]);
  assertEquals(queue.push(bytes("five\n")), true);
  assertEquals(taken(queue), ["five\n"]);
});

Deno.test("LineQueue that loses the oldest has the newest, and says first what is missing", () => {
  const queue = new LineQueue(10, "oldest");
  assertEquals(["one\n", "two\n", "3\n", "4\n"].map((line) => queue.push(bytes(line))), [
    ...[true, true, true, true],
  ]);
  assertEquals(taken(queue), ["… 1 line was dropped\ntwo\n", "3\n4\n"]);
});

Deno.test("LineQueue that loses the oldest does not lose what was taken", () => {
  const queue = new LineQueue(10, "oldest");
  queue.push(bytes("12345678\n"));
  assertEquals(queue.take(), bytes("12345678\n"));
  assertEquals(queue.push(bytes("two\n")), false);
  queue.done();
  assertEquals(taken(queue), ["… 1 line was dropped\n"]);
});

Deno.test("LineQueue forgets what waits and what was lost, not what was taken", () => {
  const queue = new LineQueue(10, "newest");
  queue.push(bytes("one\n"));
  queue.take();
  for (const line of ["two\n", "three\n"]) queue.push(bytes(line));
  queue.clear();
  assertEquals(queue.held, 4);
  queue.done();
  assertEquals(taken(queue), []);
});

Deno.test("LineQueue takes what is forced on it after all that came before, and says what is lost", () => {
  for (const lose of ["oldest", "newest"] as const) {
    const queue = new LineQueue(10, lose);
    for (const line of ["1234\n", "5678\n", "9\n"]) queue.push(bytes(line));
    queue.force(bytes("and this\n"));
    const gap = "… 1 line was dropped\n";
    assertEquals(
      taken(queue).join(""),
      lose === "oldest" ? `${gap}5678\n9\nand this\n` : `1234\n5678\n${gap}and this\n`,
    );
  }
});

for (const lose of ["oldest", "newest"] as const) {
  Deno.test(`LineQueue that loses the ${lose} accounts for every line, and holds its limit`, () => {
    const steps = fc.oneof(fc.integer({ min: 2, max: 20 }), fc.constant("take" as const));
    fc.assert(fc.property(fc.array(steps, { maxLength: 200 }), (steps) => {
      const queue = new LineQueue(64, lose);
      let pushed = 0;
      let out = "";
      const take = () => {
        queue.done();
        out += new TextDecoder().decode(queue.take());
      };
      for (const step of steps) {
        if (step === "take") take();
        else queue.push(bytes(`${pushed++}`.padStart(step, "0").slice(-step) + "\n"));
        assertEquals(queue.held <= 64, true);
      }
      while (queue.held > 0) take();
      // Lines come in order, and each gap is as wide as it says.
      let expected = 0;
      for (const line of out.split("\n").slice(0, -1)) {
        const [, dropped] = /^… (\d+) lines? w\w+ dropped$/.exec(line) ?? [];
        if (dropped === undefined) assertEquals(Number(line) % 10, expected++ % 10);
        else expected += Number(dropped);
      }
      assertEquals(expected, pushed);
    }));
  });
}
