import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { backoffDelay } from "../../lib/client/backoff.ts";

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
