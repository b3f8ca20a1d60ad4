import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Algorithm, ALGORITHMS } from "../../lib/proxy/balance_algorithms.ts";
import type { ServerSettings } from "../../lib/proxy/balance_server.ts";
import { Balancer, type BalancerOptions } from "../../lib/proxy/balancer.ts";
import { fairness, fairnessTable } from "../../lib/proxy/fairness.ts";
import { dice } from "../../lib/world.ts";

/** A clock that is set by hand, and dice. */
class Clock {
  time = 0;
  readonly random = dice(7);
  now = () => this.time;
}

function balancing(
  servers: Record<string, ServerSettings>,
  options: BalancerOptions = {},
): Balancer<string> {
  const balancer = new Balancer<string>({ world: new Clock(), ...options });
  for (const [id, settings] of Object.entries(servers)) {
    balancer.add(id, id.toUpperCase(), settings);
  }
  return balancer;
}

/** Who is picked, one after the other, with every connection kept. */
function picks(balancer: Balancer<string>, count: number, key?: string): string {
  return Array.from(
    { length: count },
    () => balancer.pick(key === undefined ? {} : { key }).lease?.id ?? "-",
  ).join("");
}

function verdicts(balancer: Balancer<string>, tried: string[] = []): Record<string, string> {
  const { lease, explain } = balancer.pick({ tried });
  lease?.release();
  return Object.fromEntries(explain.candidates.map(({ id, verdict }) => [id, verdict]));
}

Deno.test("round robin is smooth: the heavy one does not come in bursts", () => {
  assertEquals(picks(balancing({ a: { weight: 5 }, b: {}, c: {} }), 14), "aabacaaaabacaa");
  assertEquals(picks(balancing({ a: {}, b: {}, c: {} }), 7), "abcabca");
});

Deno.test("round robin gives each its exact part of each round, whatever the weights", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(weights, (weights) => {
    const servers = weights.map((weight, i) => [`${i}`, { weight }] as const);
    const balancer = balancing(Object.fromEntries(servers));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let round = 1; round <= 2; round++) {
      for (let i = 0; i < total; i++) balancer.pick();
      assertEquals(balancer.servers.map(({ active }) => active), weights.map((w) => w * round));
    }
  }));
});

Deno.test("least connections chooses who has the fewest for its weight", () => {
  const balancer = balancing({ a: { weight: 2 }, b: {} }, { algorithm: "least-conns" });
  assertEquals(picks(balancer, 6), "ababaa");
  assertEquals(balancer.servers.map(({ active }) => active), [4, 2]);
});

Deno.test("least connections never leaves a server that is lighter aside", () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 60 });
  const weights = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 5 });
  fc.assert(fc.property(steps, weights, (steps, weights) => {
    const servers = weights.map((weight, i) => [`${i}`, { weight }] as const);
    const balancer = balancing(Object.fromEntries(servers), { algorithm: "least-conns" });
    const leases = [];
    for (const [more, which] of steps) {
      if (!more && leases.length > 0) {
        leases.splice(which % leases.length, 1)[0]?.release();
        continue;
      }
      const before = balancer.servers;
      const { lease } = balancer.pick();
      const load = ({ active, weight }: { active: number; weight: number }) => active / weight;
      const chosen = before.find(({ id }) => id === lease?.id)!;
      assert(before.every((server) => load(server) >= load(chosen)));
      leases.push(lease);
    }
  }));
});

Deno.test("random of two looks at two only, and takes the better", () => {
  const rolls = [0.1, 0.9, 0.9, 0.1];
  const world = { now: () => 0, random: () => rolls.shift()! };
  const balancer = balancing({ a: {}, b: {}, c: {} }, { algorithm: "random", world });
  assertEquals(picks(balancer, 1), "a"); // a and c are equal: the first of them
  assertEquals(picks(balancer, 1), "c"); // c, then a, which has one
});

Deno.test("first fills one server after the other", () => {
  const balancer = balancing({ a: { maxConns: 2 }, b: { maxConns: 1 } }, { algorithm: "first" });
  assertEquals(picks(balancer, 4), "aab-");
});

Deno.test("every algorithm's share is within 5 % of the weights, on the same trace", () => {
  const random = dice(3);
  const trace = Array.from({ length: 60_000 }, (_, i) => ({
    key: `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`,
    lasts: Math.floor(random() * 200),
  }));
  const weights = { a: 5, b: 3, c: 2, d: 1 };
  const reports = ALGORITHMS.map((algorithm) => fairness(algorithm, weights, trace));
  for (const { algorithm, weighted, worst } of reports) {
    assert(!weighted || worst < 0.05, `${algorithm} is off by ${worst}`);
  }
  const table = fairnessTable(reports).split("\n");
  assertEquals(table.length, 1 + 5 * 4);
  assertEquals(table[1]!.split(/ {2,}/).slice(0, 3), ["round-robin", "a", "5"]);
});

Deno.test("fairness() of a long connection counts as long as it lasts", () => {
  const counts = (...lasting: number[]) => {
    const trace = lasting.map((lasts, i) => ({ key: `${i}`, lasts }));
    return fairness("least-conns", { a: 1, b: 1 }, trace).servers.map(({ conns }) => conns);
  };
  assertEquals([counts(9, 0, 0, 0), counts(0, 0, 0, 0)], [[1, 3], [2, 2]]);
});

/** Where each of some clients goes. */
function map(balancer: Balancer<string>, clients: number): string[] {
  return Array.from({ length: clients }, (_, i) => {
    const { lease } = balancer.pick({ key: `192.168.${i >> 8}.${i & 255}` });
    lease?.release();
    return lease!.id;
  });
}

Deno.test("source hash moves only the clients of a server that leaves, and spreads them", () => {
  for (const n of [2, 3, 5, 10]) {
    const servers = Array.from({ length: n }, (_, i) => [`10.0.0.${i}:80`, {}] as const);
    const balancer = balancing(Object.fromEntries(servers), { algorithm: "source-hash" });
    const before = map(balancer, 10_000);
    balancer.set("10.0.0.0:80", { up: false });
    const after = map(balancer, 10_000);
    const moved = before.filter((id, i) => id !== after[i]);
    assert(moved.every((id) => id === "10.0.0.0:80"));
    assert(
      moved.length / 10_000 <= 1 / n + 0.05,
      `${moved.length} of 10000 moved, of ${n} servers`,
    );
    const heirs = new Set(after.filter((_, i) => before[i] === "10.0.0.0:80"));
    assertEquals(heirs.size, n - 1);
    balancer.set("10.0.0.0:80", { up: true });
    assertEquals(map(balancer, 10_000), before);
  }
});

Deno.test("source hash moves no more clients than it must when a weight changes", () => {
  const balancer = balancing({ a: {}, b: {}, c: { weight: 2 } }, { algorithm: "source-hash" });
  const before = map(balancer, 10_000);
  balancer.set("a", { weight: 2 });
  const after = map(balancer, 10_000);
  const moved = before.filter((id, i) => id !== after[i]);
  // From a quarter to two fifths.
  assert(moved.every((id) => id !== "a") && Math.abs(moved.length / 10_000 - 0.15) < 0.05);
});

Deno.test("source hash sends the same client to the same server, next time and elsewhere", () => {
  const servers = { a: {}, b: {}, c: {} };
  const [one, other] = [1, 2].map(() => balancing(servers, { algorithm: "source-hash" }));
  assertEquals(map(one!, 100), map(other!, 100));
  assertEquals(new Set(picks(one!, 20, "me")).size, 1);
});

Deno.test("backup servers serve when no other one can, and not when those are full", () => {
  const balancer = balancing({ a: { maxConns: 1 }, b: { backup: true }, c: { backup: true } });
  assertEquals(picks(balancer, 2), "a-");
  assertEquals(verdicts(balancer), { a: "full", b: "backup", c: "backup" });
  balancer.set("a", { up: false });
  assertEquals(picks(balancer, 4), "bcbc");
  assertEquals(balancer.pick().explain.tier, "backup");
});

Deno.test("Balancer says of every server why it was not chosen", () => {
  const balancer = balancing({
    a: { mode: "maintenance" },
    b: { mode: "drain" },
    c: { weight: 0 },
    d: { up: false },
    e: {},
    f: { maxConns: 1 },
    g: {},
    h: { backup: true },
  }, { algorithm: "first" });
  balancer.pick({ tried: ["e", "g", "h"] });
  assertEquals(verdicts(balancer, ["e"]), {
    a: "maintenance",
    b: "draining",
    c: "weight 0",
    d: "down",
    e: "tried",
    f: "full",
    g: "chosen",
    h: "backup",
  });
  const { explain } = balancer.pick();
  assertEquals(explain.candidates[4], { id: "e", verdict: "chosen", weight: 1, active: 0 });
  assertEquals(explain.candidates[5], { id: "f", verdict: "full", limit: 1 });
  assertEquals(explain.candidates[6]?.verdict, "passed over");
});

Deno.test("Balancer says why there is no server", () => {
  const refusal = (servers: Record<string, ServerSettings>, tried: string[] = []) =>
    balancing(servers).pick({ tried }).refusal;
  assertEquals(refusal({}), "no servers");
  assertEquals(refusal({ a: { up: false }, b: { up: false } }), "all down");
  for (const settings of [{ mode: "drain" }, { mode: "maintenance" }, { weight: 0 }] as const) {
    assertEquals(refusal({ a: { up: false }, b: settings }), "none ready");
  }
  assertEquals(refusal({ a: {}, b: { up: false } }, ["a"]), "all tried");
  assertEquals(refusal({ a: { up: false } }, ["a"]), "all down");
  const full = balancing({ a: { maxConns: 1 }, b: {} });
  assertEquals([full.pick({ tried: ["b"] }).refusal, full.pick({ tried: ["b"] }).refusal], [
    undefined,
    "all full",
  ]);
});

Deno.test("Balancer may try those that are down when all are, but never who drains", () => {
  const balancer = balancing(
    { a: { up: false }, b: { up: false }, c: { mode: "drain" }, d: { mode: "maintenance" } },
    { whenAllDown: "try" },
  );
  assertEquals(picks(balancer, 4), "abab");
  assertEquals(balancer.pick().explain.tier, "down");
  assertEquals(balancer.pick({ tried: ["a", "b"] }).refusal, "all tried");
  balancer.set("a", { up: true });
  assertEquals(picks(balancer, 3), "aaa");
  // It is up, if in vain: then it is not the checks that are wrong.
  assertEquals(balancer.pick({ tried: ["a"] }).refusal, "all tried");
});

Deno.test("a server can be drained, taken away, weighted and limited while it serves", () => {
  const balancer = balancing({ a: {}, b: {} });
  const { lease } = balancer.pick();
  assertEquals(lease?.id, "a");
  balancer.set("a", { mode: "drain" });
  assertEquals(balancer.servers[0]?.active, 1);
  assertEquals(picks(balancer, 3), "bbb");
  balancer.set("a", { mode: "ready", weight: 3 });
  assertEquals(picks(balancer, 8).replaceAll("b", "").length, 6);
  balancer.set("b", { maxConns: 1 });
  assertEquals(picks(balancer, 3), "aaa");
  assertEquals([balancer.remove("a"), balancer.remove("a")], [true, false]);
  lease?.release();
  assertEquals(balancer.servers.map(({ id }) => id), ["b"]);
});

Deno.test("a lease that is released twice gives back one place", () => {
  const balancer = balancing({ a: {} });
  const { lease } = balancer.pick();
  balancer.pick();
  lease?.release();
  lease?.[Symbol.dispose]();
  assertEquals(balancer.servers[0]?.active, 1);
});

Deno.test("slow start: weight and limit grow linearly after a failure, and only then", () => {
  const world = new Clock();
  const balancer = balancing({ a: { weight: 10, maxConns: 20 }, b: { up: false } }, {
    world,
    slowStart: 1000,
  });
  const a = () => {
    const { effectiveWeight, effectiveMaxConns } = balancer.servers[0]!;
    return [effectiveWeight, effectiveMaxConns];
  };
  assertEquals(a(), [10, 20]);
  balancer.set("b", { up: true }); // it was never up before: nothing to recover from
  assertEquals(balancer.servers[1]?.effectiveWeight, 1);
  world.time = 500;
  balancer.set("a", { up: false });
  world.time = 5000;
  balancer.set("a", { up: true });
  assertEquals(a(), [0.1, 1]);
  world.time = 5250;
  assertEquals(a(), [2.5, 5]);
  balancer.set("a", { mode: "maintenance" });
  balancer.set("a", { mode: "ready" });
  assertEquals(a(), [2.5, 5]);
  world.time = 6000;
  assertEquals(a(), [10, 20]);
});

Deno.test("a server that has come back is not flooded with the turns it missed", () => {
  const balancer = balancing({ a: {}, b: {}, c: {} });
  picks(balancer, 2);
  balancer.set("c", { up: false });
  picks(balancer, 50);
  balancer.set("c", { up: true });
  assert(!/cc/.test(picks(balancer, 9)));
});

Deno.test("Balancer refuses settings that are none, and keeps what was", () => {
  const balancer = balancing({ a: { weight: 2 } });
  for (const weight of [-1, NaN, Infinity]) {
    assertThrows(() => balancer.set("a", { weight, up: false }), RangeError);
  }
  assertThrows(() => balancer.set("a", { maxConns: 0 }), RangeError);
  assertEquals([balancer.servers[0]?.weight, balancer.servers[0]?.up], [2, true]);
  assertThrows(() => balancer.set("z", {}), TypeError);
  assertThrows(() => balancer.add("a", ""), TypeError);
  assertThrows(() => balancing({}, { slowStart: -1 }), RangeError);
});

Deno.test("Balancer never exceeds a limit, and counts every lease, whatever happens", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("pick" as const), key: fc.string({ maxLength: 2 }) }),
    fc.record({ do: fc.constant("release" as const), which: fc.nat() }),
    fc.record({
      do: fc.constant("set" as const),
      which: fc.nat(),
      settings: fc.record({
        weight: fc.integer({ min: 0, max: 4 }),
        up: fc.boolean(),
        maxConns: fc.integer({ min: 1, max: 4 }),
        mode: fc.constantFrom("ready" as const, "drain" as const, "maintenance" as const),
        backup: fc.boolean(),
      }, { requiredKeys: [] }),
    }),
  );
  const algorithm = fc.constantFrom<Algorithm>(...ALGORITHMS);
  fc.assert(fc.property(algorithm, fc.array(step, { maxLength: 80 }), (algorithm, steps) => {
    const balancer = balancing({ a: {}, b: {}, c: {} }, { algorithm });
    const leases = [];
    for (const step of steps) {
      if (step.do === "pick") {
        const before = balancer.servers;
        const { lease, refusal, explain } = balancer.pick({ key: step.key });
        assertEquals(lease === undefined, refusal !== undefined);
        const chosen = explain.candidates.filter(({ verdict }) => verdict === "chosen");
        assertEquals(chosen.map(({ id }) => id), lease === undefined ? [] : [lease.id]);
        if (lease === undefined) continue;
        const server = before.find(({ id }) => id === lease.id)!;
        assert(server.active < server.maxConns && server.weight > 0);
        assert(server.up && server.mode === "ready");
        leases.push(lease);
      } else if (step.do === "set") {
        balancer.set("abc"[step.which % 3]!, step.settings);
      } else if (leases.length > 0) {
        leases.splice(step.which % leases.length, 1)[0]!.release();
      }
      const counts = Object.fromEntries(balancer.servers.map(({ id, active }) => [id, active]));
      const held = { a: 0, b: 0, c: 0 } as Record<string, number>;
      for (const { id } of leases) held[id]!++;
      assertEquals(counts, held);
    }
  }));
});
