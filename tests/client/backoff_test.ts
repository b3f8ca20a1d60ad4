import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { backoffDelay, type Jitter } from "../../lib/client/backoff.ts";

Deno.test("backoffDelay() doubles from its base up to its cap", () => {
  const most = (failures: number) => backoffDelay(failures, 1, { base: 10, cap: 50 });
  assertEquals([1, 2, 3, 4, 5, 1000, 1e9].map(most), [10, 20, 40, 50, 50, 50, 50]);
});

Deno.test("backoffDelay() starts at 100 ms and ends at 10 s by default", () => {
  assertEquals(backoffDelay(1, 1), 100);
  assertEquals(backoffDelay(1e9, 1), 10_000);
});

Deno.test("backoffDelay() leaves it to the dice where between half a step and a whole one", () => {
  assertEquals([0, 0.5, 1].map((random) => backoffDelay(1, random)), [50, 75, 100]);
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const ms = fc.nat({ max: 1e6 });
  fc.assert(fc.property(fc.integer({ min: 1 }), random, ms, ms, (failures, random, base, cap) => {
    const step = backoffDelay(failures, 1, { base, cap });
    const delay = backoffDelay(failures, random, { base, cap });
    assert(step / 2 <= delay && delay <= step && step <= cap, `${step / 2} <= ${delay} <= ${step}`);
  }));
});

Deno.test("backoffDelay() is 0 with a base of 0, however many failures", () => {
  assertEquals([1, 100, 1e9].map((failures) => backoffDelay(failures, 0.5, { base: 0 })), [
    0,
    0,
    0,
  ]);
});

Deno.test("backoffDelay() without a cap still knows an end to doubling", () => {
  assert(Number.isFinite(backoffDelay(1e9, 1, { cap: Infinity })));
});

Deno.test("backoffDelay() scatters as its jitter says", () => {
  const delays = (jitter: Jitter) =>
    [0, 0.5, 1].map((random) => backoffDelay(3, random, { base: 10, jitter, previous: 30 }));
  assertEquals(delays("equal"), [20, 30, 40]);
  assertEquals(delays("full"), [0, 20, 40]);
  assertEquals(delays("none"), [40, 40, 40]);
  assertEquals(delays("decorrelated"), [10, 50, 90]);
});

Deno.test("backoffDelay() never exceeds its cap, whatever the jitter, and decorrelated keeps its base", () => {
  const jitters = fc.constantFrom<Jitter>("equal", "full", "decorrelated", "none");
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  const ms = fc.nat({ max: 1e5 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1 }),
      random,
      ms,
      ms,
      ms,
      jitters,
      (failures, random, ...rest) => {
        const [base, cap, previous, jitter] = rest;
        const delay = backoffDelay(failures, random, { base, cap, previous, jitter });
        assert(delay >= 0 && delay <= cap);
        if (jitter === "decorrelated") assert(delay >= Math.min(base, cap));
      },
    ),
  );
});
