import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  blameHealth,
  type CheckResult,
  firstHealth,
  type HealthPolicy,
  type HealthState,
  healthText,
  nextCheck,
  stepHealth,
} from "../../lib/proxy/health_state.ts";

const OK: CheckResult = { ok: true, status: "L4OK", detail: "", duration: 1 };
const BAD: CheckResult = { ok: false, status: "L4CON", detail: "refused", duration: 1 };

/** What becomes of a server under `policy` as `+` and `-` come: `U` or `D` after each. */
function flow(results: string, policy: HealthPolicy = {}): string {
  let state = firstHealth(policy, 0);
  return [...results].map((result, at) => {
    state = stepHealth(state, result === "+" ? OK : BAD, at);
    return state.up ? "U" : "D";
  }).join("");
}

Deno.test("health: only failures in a row bring down, only successes in a row bring up", () => {
  assertEquals(flow("+--+--+---+-++", {}), "UUUUUUUUUDDDDU");
  assertEquals(flow("+-+-++", { rise: 1, fall: 1 }), "UDUDUU");
  assertEquals(flow("-----+++++", { rise: 4, fall: 5, initial: "fully-up" }), "UUUUDDDDUU");
});

Deno.test("health: a check that could not be made here counts neither way", () => {
  const ours: CheckResult = { ...BAD, status: "SOCKERR", ours: true };
  let state = firstHealth({ fall: 2, initial: "fully-up" }, 0);
  for (const result of [BAD, ours, ours, ours]) state = stepHealth(state, result, 1);
  assertEquals([state.up, state.against, state.last], [true, 1, ours]);
  assertEquals(stepHealth(state, BAD, 2).up, false);
});

Deno.test("health: where it begins, and how much it takes to leave that", () => {
  assertEquals(flow("--", { initial: "up" }), "DD");
  assertEquals(flow("+---", { initial: "up" }), "UUUD");
  assertEquals(flow("---", { initial: "fully-up" }), "UUD");
  assertEquals(flow("+", { initial: "down" }), "U");
  assertEquals(flow("-++", { initial: "down" }), "DDU");
  assertEquals(flow("++", { initial: "fully-down" }), "DU");
});

Deno.test("health: a change keeps its time, its count and its reason", () => {
  let state = firstHealth({ initial: "fully-up", fall: 2 }, 5);
  assertEquals([state.changedAt, state.reason, state.changes], [5, "initially", 0]);
  state = stepHealth(state, BAD, 10);
  assertEquals(healthText(state), "up 1/2 (initially)");
  state = stepHealth(state, BAD, 20);
  assertEquals([state.changedAt, state.reason, state.changes], [20, "2/2 L4CON: refused", 1]);
  state = stepHealth(state, OK, 30);
  assertEquals([state.changedAt, state.checkedAt, state.last], [20, 30, OK]);
  assertEquals(healthText(state), "down 1/2 (2/2 L4CON: refused)");
  state = stepHealth(state, OK, 40);
  assertEquals([state.up, state.changedAt, state.reason], [true, 40, "2/2 L4OK"]);
});

Deno.test("health: it is up or down if the last results in a row say so, whatever came before", () => {
  const results = fc.array(fc.boolean(), { maxLength: 60 });
  const count = fc.integer({ min: 1, max: 6 });
  fc.assert(fc.property(results, count, count, (results, rise, fall) => {
    let state = firstHealth({ rise, fall, initial: "fully-up" }, 0);
    let expected = true;
    for (const [i, ok] of results.entries()) {
      state = stepHealth(state, ok ? OK : BAD, i);
      const last = (n: number) => i + 1 >= n ? results.slice(i + 1 - n, i + 1) : [];
      const run = last(expected ? fall : rise);
      if (run.length > 0 && run.every((ok) => ok !== expected)) expected = !expected;
      assertEquals(state.up, expected);
      assert(state.against < state.needed);
    }
  }));
});

Deno.test("health: it is asked faster when in doubt, and as often as it says when down", () => {
  const policy = { interval: 1000, fastInterval: 100, downInterval: 5000, jitter: 0.1, fall: 2 };
  let state: HealthState = firstHealth({ ...policy, initial: "fully-up" }, 0);
  const next = () => nextCheck(state, 0.5);
  const seen = [next()];
  for (const result of [OK, BAD, BAD, OK, BAD, OK, OK]) {
    state = stepHealth(state, result, 0);
    seen.push(next());
  }
  assertEquals(seen, [100, 1000, 100, 5000, 100, 5000, 100, 1000]);
  assertEquals([nextCheck(state, 0), nextCheck(state, 1)], [900, 1100]);
});

Deno.test("health: real traffic that fails counts as much as it is told to", () => {
  const up = firstHealth({ initial: "fully-up" }, 0);
  const blamed = (onError: Parameters<typeof blameHealth>[1], state = up) => {
    const { up, against, changedAt } = blameHealth(state, onError, "10 errors", 7);
    return [up, against, changedAt];
  };
  assertEquals(blamed("fast-check"), [true, 0, 0]);
  assertEquals(blamed("fail-check"), [true, 1, 0]);
  assertEquals(blamed("sudden-death"), [true, 2, 0]);
  assertEquals(blamed("mark-down"), [false, 0, 7]);
  const dying = blameHealth(up, "sudden-death", "10 errors", 7);
  assertEquals(stepHealth(dying, BAD, 8).reason, "3/3 L4CON: refused");
  assertEquals(stepHealth(dying, OK, 8).against, 0);
  const down = firstHealth({ initial: "down" }, 0);
  assertEquals(blamed("mark-down", down), [false, 0, 0]);
  assertEquals(blameHealth(up, "mark-down", "10 errors", 7).reason, "3/3 PASSIVE: 10 errors");
});

Deno.test("health: it refuses a policy that is none", () => {
  const wrong: HealthPolicy[] = [{ rise: 0 }, { fall: 1.5 }, { interval: 0 }, { jitter: 0.6 }];
  wrong.push({ fastInterval: -1 }, { downInterval: Infinity }, { jitter: -1 });
  for (const policy of wrong) assertThrows(() => firstHealth(policy, 0), RangeError);
});
