import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { dial, type DialOptions } from "../../lib/client/dial.ts";
import { RetryPlan } from "../../lib/client/dial_retry.ts";
import type { Resolve } from "../../lib/client/eyeballs.ts";
import type { RaceRecord } from "../../lib/client/race_record.ts";
import { seededWorld } from "../../lib/world.ts";
import { fakeConnect } from "./_sockets.ts";

/** A round in which these addresses were known, and those of them failed. */
function round(known: string[], failed: Record<string, number>): RaceRecord {
  const lookup = { family: 4, started: 0, ended: 0, outcome: "answered" } as const;
  const connects = Object.entries(failed).map(([hostname, ended]) => {
    return { hostname, started: 0, ended, outcome: "failed" } as const;
  });
  return { lookups: [{ ...lookup, addresses: known }], connects };
}

/** Which of them may be tried. */
function ready(plan: RetryPlan, addresses: string[], now: number): string[] {
  return addresses.filter((one) => plan.mayTry(one, now));
}

const NEVER = () => 0;

Deno.test("RetryPlan makes the addresses wait together, unless told otherwise", () => {
  const plan = new RetryPlan({ jitter: "none", backoff: 100 }, NEVER);
  plan.failed(round(["a", "b"], { a: 10, b: 20 }), 20);
  assertEquals([plan.wait(20), plan.wait(70), plan.wait(500)], [100, 50, 0]);
  assertEquals(ready(plan, ["a", "b"], 20), ["a", "b"]);
  plan.failed(round(["a", "b"], { a: 120 }), 120);
  assertEquals(plan.wait(120), 200);
});

Deno.test("RetryPlan waits for the turn-around of an address, whatever the dice say", () => {
  const plan = new RetryPlan({ jitter: "full", turnAround: 1_000, maxBackoff: 50 }, NEVER);
  plan.failed(round(["a"], { a: 0 }), 0);
  assertEquals(plan.wait(0), 1_000);
});

Deno.test("RetryPlan makes each address wait for itself, if told to", () => {
  const plan = new RetryPlan({ perAddress: true, jitter: "none", backoff: 100 }, NEVER);
  plan.failed(round(["a", "b"], { a: 10, b: 50 }), 50);
  assertEquals(plan.wait(50), 60); // for a
  assertEquals(ready(plan, ["b", "a", "new"], 110), ["a", "new"]);
  plan.failed(round(["a", "b"], { a: 110 }), 110);
  assertEquals(plan.wait(110), 40); // for b, as a has failed twice
  assertEquals(ready(plan, ["a", "b"], 150), ["b"]);
});

Deno.test("RetryPlan waits for nothing while a known address was not tried", () => {
  const plan = new RetryPlan({ perAddress: true }, NEVER);
  plan.failed(round(["a", "b"], { a: 10 }), 10);
  assertEquals(plan.wait(10), 0);
  assertEquals(ready(plan, ["a", "b"], 10), ["b"]);
});

Deno.test("RetryPlan forgets an address that the name has lost", () => {
  const plan = new RetryPlan({ perAddress: true, jitter: "none" }, NEVER);
  plan.failed(round(["a", "b"], { a: 0, b: 0 }), 0);
  plan.failed(round(["b"], { b: 100 }), 100);
  assertEquals(plan.wait(100), 200); // not for a, which would be ready at once
  plan.failed(round(["a", "b"], { a: 300 }), 300);
  assertEquals(ready(plan, ["a"], 400), ["a"]); // its first failure again
});

Deno.test("RetryPlan waits for an address that it did not let be tried", () => {
  const plan = new RetryPlan({ perAddress: true, jitter: "none" }, NEVER);
  plan.failed(round(["a"], { a: 0 }), 0);
  assertEquals(ready(plan, ["a"], 1), []);
  plan.failed(round(["a"], {}), 1);
  assertEquals(plan.wait(1), 99);
});

Deno.test("RetryPlan makes a name that does not resolve wait as a whole", () => {
  const plan = new RetryPlan({ perAddress: true, jitter: "none" }, NEVER);
  plan.failed({ lookups: [], connects: [] }, 0);
  assertEquals(plan.wait(0), 100);
  plan.failed({ lookups: [], connects: [] }, 100);
  assertEquals(plan.wait(100), 200);
});

Deno.test("RetryPlan remembers the wait before for decorrelated jitter", () => {
  const plan = new RetryPlan({ jitter: "decorrelated", backoff: 10 }, () => 0.5);
  const waits: number[] = [];
  for (let now = 0; waits.length < 3; now += waits.at(-1)!) {
    plan.failed(round(["a"], { a: now }), now);
    waits.push(plan.wait(now));
  }
  assertEquals(waits, [20, 35, 57.5]); // 10 + (3 × the one before - 10) / 2, from 10
});

Deno.test("RetryPlan never lets an address be tried before its turn-around", () => {
  const rounds = fc.array(
    fc.record({
      known: fc.subarray(["a", "b", "c", "d"], { minLength: 1 }),
      tries: fc.nat(3),
      lasts: fc.nat(400),
    }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(fc.property(rounds, fc.nat(500), (rounds, turnAround) => {
    const plan = new RetryPlan({ perAddress: true, turnAround, backoff: 50 }, () => 0.5);
    const last = new Map<string, number>();
    let now = 0;
    for (const { known, tries, lasts } of rounds) {
      const tried = ready(plan, known, now);
      for (const one of known) {
        if (!last.has(one)) assert(tried.includes(one));
        else if (tried.includes(one)) assert(now - last.get(one)! >= turnAround);
      }
      now += lasts;
      const failed = Object.fromEntries(tried.slice(0, tries).map((one) => [one, now]));
      plan.failed(round(known, failed), now);
      for (const one of Object.keys(failed)) last.set(one, now);
      // What the name has lost starts anew, as the plan has forgotten it.
      for (const one of last.keys()) if (!known.includes(one)) last.delete(one);
      const wait = plan.wait(now);
      assert(wait >= 0 && wait < Infinity);
      assert(ready(plan, known, now + wait).length > 0);
      if (wait > 0) assertEquals(ready(plan, known, now + wait / 2), []);
      now += wait;
    }
  }));
});

Deno.test("dial() with 'perAddress' tries those addresses whose wait is over", async () => {
  const world = seededWorld(1);
  using _connect = fakeConnect(async (_, { hostname }) => {
    if (hostname === "::2") await world.sleep(60);
    throw new Error("down");
  });
  const resolve: Resolve = (_, family) => Promise.resolve(family === 6 ? ["::1", "::2"] : []);
  const options: DialOptions = {
    ...{ world, resolve, attempts: 4, timeout: Infinity },
    ...{ perAddress: true, jitter: "none", backoff: 100, turnAround: 100 },
  };
  const seen: string[] = [];
  const dialing = dial("h:1", {
    ...options,
    onAttempt: ({ connects }) =>
      void seen.push(connects.map(({ hostname, started }) => `${started} ${hostname}`).join()),
  }).catch(() => {});
  await world.advance(10_000);
  await dialing;
  // ::1 fails at 0, 100 and 300, ::2 at 60 and 220.
  assertEquals(seen, ["0 ::1,0 ::2", "100 ::1", "160 ::2", "300 ::1"]);
});
