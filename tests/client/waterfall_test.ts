import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { dial } from "../../lib/client/dial.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import type { Resolve } from "../../lib/client/eyeballs.ts";
import { type Bar, waterfall } from "../../lib/client/waterfall.ts";
import { seededWorld } from "../../lib/world.ts";
import { fakeConnect } from "./_sockets.ts";

/** A bar from `started` to `ended`. */
function bar(started: number, ended: number, rest: Partial<Bar> = {}): Bar {
  return { label: "x", started, ended, end: "✓", ...rest };
}

type Extent = [number, number];
type Four = [Extent, Extent, Extent, Extent];

/** The part of a line that is bar, by its columns. */
function extent(line: string): Extent {
  return [line.search(/[━✓]/), line.indexOf("✓")];
}

Deno.test("waterfall() draws to one scale, from the first start to the last end", () => {
  const lines = waterfall([bar(100, 150), bar(150, 200), bar(100, 200), bar(200, 200)]).split("\n");
  const [[from, middle], [start, to], whole, end] = lines.map(extent) as Four;
  assertEquals(start, middle);
  assertEquals(whole, [from, to]);
  assertEquals(end, [to, to]);
  assertEquals(Math.round((from + to) / 2), middle);
});

Deno.test("waterfall() draws nothing as nothing, and what took no time as its end", () => {
  assertEquals(waterfall([]), "");
  assertEquals(waterfall([bar(7, 7, { note: "at once" })]).split(/ +/), [
    "x",
    "✓",
    "0",
    "ms",
    "at",
    "once",
  ]);
});

Deno.test("waterfall() says times with as many digits as help", () => {
  const said = (ms: number) => /[\d.]+ m?s/.exec(waterfall([bar(0, ms)]))![0];
  assertEquals([0, 0.123, 0.994, 0.996, 9.94, 9.96, 9999.4, 9999.6, 123456].map(said), [
    ...["0 ms", "0.12 ms", "0.99 ms", "1.0 ms", "9.9 ms", "10 ms", "9999 ms", "10.0 s"],
    "123.5 s",
  ]);
});

Deno.test("waterfall() cuts what is too long: labels in the middle, notes at their end", () => {
  const label = "2001:db8:1111:2222:3333:4444:5555:6666";
  const text = "a heading longer than forty columns is cut as well";
  const drawing = waterfall([bar(0, 1, { label, note: "No route to host" }), text], { width: 40 });
  const [line, heading] = drawing.split("\n");
  assert(line!.startsWith("2001:d…:6666 "), line);
  assert(line!.endsWith(" ms No route to…"), line);
  assertEquals(heading, "a heading longer than forty columns is …");
});

Deno.test("waterfall() refuses a width in which nothing could be seen", () => {
  for (const width of [39, NaN, -1]) {
    assertThrows(() => waterfall([], { width }), RangeError, "'width' must be >= 40: current");
  }
});

Deno.test("waterfall() keeps its width, and each bar its place, whatever the times", () => {
  const time = fc.double({ min: 0, max: 1e7, noNaN: true });
  const bars = fc.array(
    fc.record({ label: fc.string(), note: fc.string(), at: fc.tuple(time, time) }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(fc.property(bars, fc.integer({ min: 40, max: 200 }), (bars, width) => {
    const rows = bars.map(({ label, note, at: [a, b] }) => {
      const printable = (text: string) => text.replaceAll(/[^a-z]/g, "");
      const texts = { label: printable(label), note: printable(note) };
      return bar(Math.min(a, b), Math.max(a, b), texts);
    });
    const lines = waterfall(rows, { width }).split("\n");
    const places = lines.map(extent);
    for (const line of lines) assert([...line].length <= width, line);
    for (const [i, one] of rows.entries()) {
      for (const [j, other] of rows.entries()) {
        if (one.started < other.started) assert(places[i]![0] <= places[j]![0]);
        if (one.ended < other.ended) assert(places[i]![1] <= places[j]![1]);
      }
    }
  }));
});

Deno.test("DialError.waterfall() shows lookups, addresses and waits of every attempt", async () => {
  const world = seededWorld(1);
  using _connect = fakeConnect(async (_, { hostname }) => {
    await world.sleep(hostname === "::1" ? 40 : 1_000);
    throw new Deno.errors.ConnectionRefused("no");
  });
  const resolve: Resolve = async (_, family) => {
    await world.sleep(20);
    if (family === 4) return ["192.0.2.1"];
    if (world.now() > 300) throw new Error("SERVFAIL");
    return ["::1"];
  };
  const options = { world, resolve, attempts: 2, jitter: "none" as const, backoff: 100 };
  const dialing = assertRejects(() => dial("h:1", { ...options, timeout: 200 }), DialError);
  await world.advance(500);
  const error = await dialing;
  assertEquals(error.waterfall(), DRAWN);
});

const DRAWN = `attempt 1
AAAA of h ━━✓                                            20 ms 1 address
A of h    ━━✓                                            20 ms 1 address
::1         ━━━✗                                         40 ms ConnectionRefused
192.0.2.1      ━━━━━━━━━━━━┄                            140 ms no answer
attempt 2
AAAA of h                          ━━✗                   20 ms failed
A of h                             ━━✓                   20 ms 1 address
192.0.2.1                            ━━━━━━━━━━━━━━━┄   180 ms no answer`;
