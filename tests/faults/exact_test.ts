/** Each fault, in virtual time: exactly what comes out, when, and what was waited for. */

import { assertEquals, assertThrows } from "@std/assert";
import { bandwidth } from "../../lib/faults/bandwidth.ts";
import { corrupt } from "../../lib/faults/corrupt.ts";
import { delayFin } from "../../lib/faults/delay_fin.ts";
import { drop } from "../../lib/faults/drop.ts";
import { duplicate } from "../../lib/faults/duplicate.ts";
import type { Fault } from "../../lib/faults/fault.ts";
import { finEarly } from "../../lib/faults/fin_early.ts";
import { latency } from "../../lib/faults/latency.ts";
import { limit } from "../../lib/faults/limit.ts";
import { refuse } from "../../lib/faults/refuse.ts";
import { reorder } from "../../lib/faults/reorder.ts";
import { reset } from "../../lib/faults/reset.ts";
import { rstAfterFin } from "../../lib/faults/rst_after_fin.ts";
import { slicer } from "../../lib/faults/slicer.ts";
import { slowClose } from "../../lib/faults/slow_close.ts";
import { stall } from "../../lib/faults/stall.ts";
import { swallowFin } from "../../lib/faults/swallow_fin.ts";
import { blackhole, timeout } from "../../lib/faults/timeout.ts";
import { faultWorld } from "../../lib/faults/fault_world.ts";
import type { World } from "../../lib/world.ts";
import { pattern, run } from "./_stream.ts";

Deno.test("latency() delivers everything later by the same time, FIN too, and does not throttle", async () => {
  const { seen, sleeps } = await run(latency(100), [[0, "a"], [30, "b"], [30, "c"], [0, "FIN"]]);
  assertEquals(seen, [[100, "a"], [130, "b"], [160, "c"], [160, "FIN"]]);
  assertEquals(sleeps, [100, 30, 30]);
});

Deno.test("latency() with jitter keeps the order, and its delays depend on the place alone", async () => {
  for (const spread of ["uniform", "normal", "pareto"] as const) {
    const fault = latency(100, { jitter: 50, spread });
    const first = await run(fault, [[0, "a"], [1, "b"], [1, "c"], [400, "d"], [0, "FIN"]]);
    const again = await run(fault, [[0, "a"], [1, "b"], [1, "c"], [400, "d"], [0, "FIN"]]);
    assertEquals(first, again);
    assertEquals(first.seen.map(([, what]) => what), ["a", "b", "c", "d", "FIN"]);
    if (spread !== "uniform") continue;
    for (const [at] of first.seen.slice(0, 3)) assertEquals(at >= 50 && at <= 152, true);
  }
});

Deno.test("latency() spreads its delays as it is told: mean and deviation", async () => {
  const deviations = { uniform: 20 / Math.sqrt(3), normal: 20, pareto: 20 };
  for (const spread of ["uniform", "normal", "pareto"] as const) {
    const n = 4000;
    const delays: number[] = [];
    // A clock that stands still, so that each sleep is a whole delay.
    const still: World = {
      now: () => 0,
      random: () => 0,
      sleep(ms) {
        delays.push(ms);
        return Promise.resolve();
      },
    };
    const script = async function* () {
      for (let i = 0; i < n - 1; i++) yield new Uint8Array(1);
    };
    const fault = latency(1000, { jitter: 20, spread });
    await Array.fromAsync(fault(script(), faultWorld(still, { seed: 3 })));
    assertEquals(delays.length, n);
    const mean = delays.reduce((sum, delay) => sum + delay, 0) / n;
    const deviation = Math.sqrt(delays.reduce((sum, d) => sum + (d - mean) ** 2, 0) / n);
    assertEquals(Math.abs(mean - 1000) < 1.5, true, `${spread}: mean ${mean}`);
    const off = Math.abs(deviation / deviations[spread] - 1);
    assertEquals(off < (spread === "pareto" ? 0.15 : 0.03), true, `${spread}: ${deviation}`);
  }
});

Deno.test("latency() passes a RST after the bytes that came before it", async () => {
  const { seen } = await run(latency(100), [[0, "a"], [10, "RST"]]);
  assertEquals(seen, [[100, "a"], [100, "RST"]]);
});

Deno.test("latency() that is removed gives what it holds at once, in order", async () => {
  const { seen } = await run(latency(1000), [[0, "a"], [10, "b"]], { removeAt: 50 });
  assertEquals(seen, [[50, "a"], [50, "b"], [50, "returned"]]);
});

Deno.test("bandwidth() lets so many kilobytes pass in a second, in slices of 10 ms", async () => {
  const { seen, sleeps } = await run(bandwidth(1), [[0, "0123456789abcde"], [0, "FIN"]]);
  assertEquals(seen, [[10, "0123456789"], [15, "abcde"], [15, "FIN"]]);
  assertEquals(sleeps, [10, 5]);
});

Deno.test("bandwidth() gives no credit for a pause", async () => {
  const { seen } = await run(bandwidth(1), [[0, "01234"], [100, "56789"], [0, "FIN"]]);
  assertEquals(seen, [[5, "01234"], [105, "56789"], [105, "FIN"]]);
});

Deno.test("bandwidth(0) lets nothing pass until it is removed", async () => {
  const stuck = await run(bandwidth(0), [[0, "a"], [0, "FIN"]]);
  assertEquals(stuck.seen, []);
});

Deno.test("slicer() cuts at the same places however the bytes come, and waits before each piece", async () => {
  const { seen, sleeps } = await run(slicer(4, { delay: 2000 }), [[0, "abcdefghij"], [0, "FIN"]]);
  assertEquals(seen, [[2, "abcd"], [4, "efgh"], [6, "ij"], [6, "FIN"]]);
  assertEquals(sleeps, [2, 2, 2]);
  const short = await run(slicer(1, { delay: 500 }), [[0, "abcdef"], [0, "FIN"]]);
  assertEquals(short.sleeps, [1, 1, 1], "what is shorter than a timer can be is saved up");
  const cuts = async (...parts: string[]) => {
    const script = parts.map((part): [number, string] => [0, part]);
    const ran = await run(slicer(4, { variation: 3 }), [...script, [0, "FIN"]]);
    let at = 0;
    return ran.seen.slice(0, -1).map(([, what]) => at += what.length);
  };
  const whole = await cuts("abcdefghijklmnopqrstuvwxyz");
  const pieces = await cuts("abcdefg", "hijklmnopqrs", "tuvwxyz");
  assertEquals(
    pieces.filter((cut) => cut !== 7 && cut !== 19),
    whole.filter((c) => c !== 7 && c !== 19),
  );
  assertEquals(whole.some((cut) => cut % 4 !== 0), true);
});

Deno.test("limit() closes as soon as so many bytes have passed", async () => {
  const { seen, notes } = await run(limit(5), [[0, "abc"], [10, "defg"], [10, "h"]]);
  assertEquals(seen, [[0, "abc"], [10, "de"], [10, "CLOSE"], [10, "FIN"]]);
  assertEquals(notes, ["close at 5"]);
  const exact = await run(limit(3, { then: "rst" }), [[0, "abc"]]);
  assertEquals(exact.seen, [[0, "abc"], [0, "RST"], [0, "FIN"]]);
});

Deno.test("limit() counts on when it is changed: from where it was added", async () => {
  const { seen } = await run(limit(10), [[0, "abcdef"]], { origin: 0, offset: 6 });
  assertEquals(seen, [[0, "abcd"], [0, "CLOSE"], [0, "FIN"]]);
});

Deno.test("timeout() drops all and closes when the time is up; FIN passes", async () => {
  const { seen, sleeps } = await run(timeout(50), [[0, "a"], [10, "b"], [100, "c"]]);
  assertEquals(seen, [[50, "CLOSE"], [50, "FIN"]]);
  assertEquals(sleeps, [50]);
  assertEquals((await run(timeout(0), [[0, "a"], [10, "FIN"]])).seen, [[10, "FIN"]]);
});

Deno.test("timeout() that is removed closes if it dropped bytes, and only then", async () => {
  const dropped = await run(timeout(0), [[0, "a"]], { removeAt: 30 });
  assertEquals(dropped.seen, [[30, "CLOSE"], [30, "returned"]]);
  assertEquals((await run(timeout(0), [], { removeAt: 30 })).seen, [[30, "returned"]]);
});

Deno.test("blackhole() swallows bytes, FIN and RST", async () => {
  assertEquals((await run(blackhole(), [[0, "a"], [0, "FIN"]])).seen, []);
  assertEquals((await run(blackhole(), [[0, "a"], [0, "RST"]])).seen, []);
  const removed = await run(blackhole(), [[0, "a"], [0, "FIN"]], { removeAt: 5 });
  assertEquals(removed.seen, [[5, "CLOSE"], [5, "returned"]]);
});

Deno.test("slowClose() holds FIN and RST back, but no byte", async () => {
  assertEquals((await run(slowClose(40), [[0, "a"], [1, "FIN"]])).seen, [[0, "a"], [41, "FIN"]]);
  assertEquals((await run(slowClose(40), [[0, "a"], [1, "RST"]])).seen, [[0, "a"], [41, "RST"]]);
});

Deno.test("reset() before, during and after the data", async () => {
  assertEquals((await run(reset(), [[5, "abc"]])).seen, [[0, "RST"], [0, "FIN"]]);
  const during = await run(reset({ bytes: 4 }), [[0, "abc"], [5, "def"]]);
  assertEquals(during.seen, [[0, "abc"], [5, "d"], [5, "RST"], [5, "FIN"]]);
  const after = await run(reset({ onFin: true }), [[0, "abc"], [5, "FIN"]]);
  assertEquals(after.seen, [[0, "abc"], [5, "RST"], [5, "FIN"]]);
});

Deno.test("reset() after a while lets bytes pass until then, and waits for none", async () => {
  const { seen, sleeps } = await run(reset({ timeout: 30 }), [[0, "a"], [20, "b"], [20, "c"]]);
  assertEquals(seen, [[0, "a"], [20, "b"], [30, "RST now"], [40, "c"]]);
  assertEquals(sleeps, [30]);
  assertEquals((await run(reset({ timeout: 30 }), [])).seen, [[30, "RST now"]]);
});

Deno.test("reset() that is removed before its time does nothing", async () => {
  const { seen } = await run(reset({ timeout: 30 }), [[0, "a"]], { removeAt: 10 });
  assertEquals(seen, [[0, "a"], [10, "returned"]]);
});

Deno.test("corrupt() flips the same bits however the bytes come", async () => {
  const data = pattern(20_000);
  const whole = await run(corrupt(0.001), [[0, data.slice()], [0, "FIN"]]);
  const cut = [0, 1, 777, 5000, 5001, 20_000];
  const script = cut.slice(1).map((end, i): [number, Uint8Array] => [0, data.slice(cut[i], end)]);
  const pieces = await run(corrupt(0.001), [...script, [0, "FIN"]]);
  assertEquals(pieces.bytes, whole.bytes);
  assertEquals(pieces.notes, whole.notes);
  const changed = whole.bytes.filter((byte, i) => byte !== data[i]).length;
  assertEquals(changed, whole.notes.length);
  assertEquals(changed > 8 && changed < 40, true, `${changed}`);
});

Deno.test("corrupt(1) flips one bit of each byte, corrupt(0) none", async () => {
  const data = pattern(100);
  const bits = (byte: number) => byte.toString(2).replaceAll("0", "").length;
  const all = await run(corrupt(1), [[0, data.slice()], [0, "FIN"]]);
  assertEquals([...all.bytes].map((byte, i) => bits(byte ^ data[i]!)), Array(100).fill(1));
  assertEquals((await run(corrupt(0), [[0, data.slice()], [0, "FIN"]])).bytes, data);
});

Deno.test("drop() drops whole messages, by chunk, by size or by line", async () => {
  assertEquals((await run(drop(1), [[0, "ab"], [0, "c"], [0, "FIN"]])).seen, [[0, "FIN"]]);
  const lines: [number, string][] = [[0, "one\ntw"], [0, "o\nthree\nfour\nfi"], [0, "FIN"]];
  const { bytes, notes } = await run(drop(0.5, { unit: "line" }), lines, { seed: 11 });
  const left = new TextDecoder().decode(bytes);
  assertEquals(left.endsWith("fi"), true, "what is no whole message is left alone");
  assertEquals(notes.length + left.split("\n").length - 1, 4);
  const cutElsewhere = await run(drop(0.5, { unit: "line" }), [[0, "one\ntwo\nthree\nfour\nfi"], [
    0,
    "FIN",
  ]], { seed: 11 });
  assertEquals(cutElsewhere.bytes, bytes);
});

Deno.test("duplicate() sends messages twice", async () => {
  const { seen, notes } = await run(duplicate(1, { unit: 2 }), [[0, "abc"], [0, "d"], [0, "FIN"]]);
  assertEquals(seen.map(([, what]) => what), ["ab", "ab", "cd", "cd", "FIN"]);
  assertEquals(notes, ["duplicated 2 at 0", "duplicated 2 at 2"]);
});

Deno.test("reorder() lets a message be overtaken, and does not hold it for long", async () => {
  const { seen } = await run(reorder(1, { hold: 50 }), [[0, "a"], [10, "b"], [10, "c"], [
    200,
    "FIN",
  ]]);
  assertEquals(seen, [[10, "b"], [10, "a"], [70, "c"], [220, "FIN"]]);
});

Deno.test("stall() holds what comes after so many bytes, FIN too, and then goes on", async () => {
  const { seen, sleeps } = await run(stall(4, { ms: 200 }), [[0, "abc"], [10, "def"], [0, "FIN"]]);
  assertEquals(seen, [[0, "abc"], [10, "d"], [210, "ef"], [210, "FIN"]]);
  assertEquals(sleeps, [200]);
  const removed = await run(stall(0), [[0, "abc"]], { removeAt: 30 });
  assertEquals(removed.seen.at(-1), [30, "returned"]);
});

Deno.test("refuse() resets", async () => {
  assertEquals((await run(refuse(), [[0, "a"]])).seen, [[0, "RST"]]);
});

Deno.test("swallowFin() lets everything pass but FIN, until it is removed", async () => {
  assertEquals((await run(swallowFin(), [[0, "a"], [1, "FIN"]])).seen, [[0, "a"]]);
  const removed = await run(swallowFin(), [[0, "a"], [1, "FIN"]], { removeAt: 9 });
  assertEquals(removed.seen, [[0, "a"], [9, "returned"]]);
});

Deno.test("delayFin() holds FIN back, and a RST not", async () => {
  assertEquals((await run(delayFin(40), [[0, "a"], [1, "FIN"]])).seen, [[0, "a"], [41, "FIN"]]);
  assertEquals((await run(delayFin(40), [[0, "a"], [1, "RST"]])).seen, [[0, "a"], [1, "RST"]]);
});

Deno.test("finEarly() says FIN after so many bytes", async () => {
  const { seen } = await run(finEarly(2), [[0, "abc"], [10, "d"]]);
  assertEquals(seen, [[0, "ab"], [0, "FIN"], [0, "FIN"]]);
  assertEquals((await run(finEarly(0), [[10, "d"]])).seen, [[0, "FIN"]]);
});

Deno.test("rstAfterFin() lets FIN pass, then resets", async () => {
  const { seen, sleeps } = await run(rstAfterFin(30), [[0, "a"], [10, "FIN"]]);
  assertEquals(seen, [[0, "a"], [10, "FIN"], [40, "RST"], [40, "FIN"]]);
  assertEquals(sleeps, [30]);
});

Deno.test("each fault that waits says for how long, and the others do not wait", async () => {
  const waits: [Fault, number[]][] = [
    [latency(7), [7, 4, 4]],
    [bandwidth(0), [Infinity]],
    [bandwidth(1), [3, 3]],
    [slicer(2, { delay: 4000 }), [4, 4, 4, 4]],
    [slowClose(40), [40]],
    [delayFin(40), [40]],
    [stall(1, { ms: 20 }), [20]],
    [stall(1), [Infinity]],
    [timeout(50), [50]],
    [reset({ timeout: 30 }), [30]],
    [rstAfterFin(30), [30]],
    [reorder(1, { hold: 50 }), [50]],
    // Until they are removed.
    ...[timeout(0), blackhole(), refuse(), swallowFin()].map((fault): [Fault, number[]] => [
      fault,
      [Infinity],
    ]),
    ...[
      limit(9),
      limit(1),
      reset(),
      reset({ bytes: 2 }),
      reset({ onFin: true }),
      corrupt(1),
      drop(1),
      duplicate(1),
      finEarly(2),
    ].map((fault): [Fault, number[]] => [fault, []]),
  ];
  for (const [i, [fault, expected]] of waits.entries()) {
    const { sleeps } = await run(fault, [[0, "abc"], [4, "def"], [4, "FIN"]]);
    assertEquals(sleeps, expected, `number ${i}`);
  }
});

Deno.test("faults say which number is wrong, what it must be, and what it is", () => {
  const wrong: [() => unknown, string][] = [
    [
      () => latency(-1),
      "Cannot make fault 'latency' as 'latency' must be >= 0: current value is -1",
    ],
    [() => latency(1, { spread: "flat" as "normal" }), "as 'spread' must be one of"],
    [() => bandwidth(NaN), "as 'rate' must be >= 0: current value is NaN"],
    [() => slicer(4, { variation: 4 }), "as 'variation' must be from 0 to 3: current value is 4"],
    [() => limit(1.5), "as 'bytes' must be an integer >= 0: current value is 1.5"],
    [() => limit(1, { then: "x" as "fin" }), "as 'then' must be close, fin or rst"],
    [() => corrupt(2), "as 'rate' must be from 0 to 1: current value is 2"],
    [() => drop(0.1, { unit: 0 }), "as 'unit' must be an integer >= 1: current value is 0"],
    [() => reset({ timeout: -1 }), "as 'timeout' must be >= 0"],
    [() => stall(-1), "as 'bytes' must be an integer >= 0"],
    [() => delayFin(-1), "as 'delay' must be >= 0"],
    [() => rstAfterFin(-1), "as 'delay' must be >= 0"],
    [() => slowClose(-1), "as 'delay' must be >= 0"],
    [() => finEarly(-1), "as 'bytes' must be an integer >= 0"],
    [() => reorder(-1), "as 'rate' must be from 0 to 1"],
    [() => duplicate(-1), "as 'rate' must be from 0 to 1"],
    [() => timeout(-1), "as 'timeout' must be >= 0"],
  ];
  for (const [make, message] of wrong) assertThrows(make, RangeError, message);
});
