import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type EyeballsOptions, EyeballsPlan } from "../../lib/client/eyeballs_plan.ts";
import { race } from "../../lib/client/eyeballs.ts";
import { realWorld, seededWorld } from "../../lib/world.ts";
import { type Course, FakeConn, type Happening, runRace, type Script, starts } from "./_race.ts";

const HANGS = { after: Infinity, connects: false };

/** A name with these addresses, all known at once, all silent. */
function silent(six: string[], four: string[], options: EyeballsOptions = {}): Script {
  return {
    lookups: { 6: { at: 0, gives: six }, 4: { at: 0, gives: four } },
    hosts: Object.fromEntries([...six, ...four].map((address) => [address, HANGS])),
    options,
  };
}

Deno.test("race() lets the families take turns, IPv6 first, one attempt each 250 ms", async () => {
  const course = await runRace({ ...silent(["a6", "b6"], ["a4", "b4", "c4"]), abortAt: 9_999 });
  assertEquals(starts(course), ["0 a6", "250 a4", "500 b6", "750 b4", "1000 c4"]);
});

Deno.test("race() tries as many of the preferred family first as it is told", async () => {
  const options: EyeballsOptions = { firstFamilyCount: 2, prefer: 4, attemptDelay: 10 };
  const course = await runRace({
    ...silent(["a6", "b6"], ["a4", "b4", "c4"], options),
    abortAt: 9_999,
  });
  assertEquals(starts(course), ["0 a4", "10 b4", "20 a6", "30 c4", "40 b6"]);
});

Deno.test("race() with an endless delay tries one address after another", async () => {
  const script = silent(["a6"], ["a4"], { attemptDelay: Infinity });
  script.hosts.a6 = { after: 3_000, connects: false };
  const course = await runRace({ ...script, abortAt: 99_999 });
  assertEquals(starts(course), ["0 a6", "3000 a4"]);
});

const FIRST: Record<string, [Script["lookups"], string]> = {
  "AAAA at once, though A has not come": [
    { 6: { at: 5, gives: ["a6"] }, 4: { at: 100, gives: ["a4"] } },
    "5 a6",
  ],
  "AAAA which comes in the 50 ms that A waits": [
    { 6: { at: 54, gives: ["a6"] }, 4: { at: 5, gives: ["a4"] } },
    "54 a6",
  ],
  "A after 50 ms without AAAA": [
    { 6: { at: 56, gives: ["a6"] }, 4: { at: 5, gives: ["a4"] } },
    "55 a4",
  ],
  "A as soon as AAAA is known not to exist": [
    { 6: { at: 20, gives: [] }, 4: { at: 5, gives: ["a4"] } },
    "20 a4",
  ],
  "A as soon as AAAA has failed": [
    { 6: { at: 20, gives: new Error("SERVFAIL") }, 4: { at: 5, gives: ["a4"] } },
    "20 a4",
  ],
  "A at once, where AAAA was known not to exist": [
    { 6: { at: 5, gives: [] }, 4: { at: 400, gives: ["a4"] } },
    "400 a4",
  ],
};

for (const [what, [lookups, first]] of Object.entries(FIRST)) {
  Deno.test(`race() starts with ${what}`, async () => {
    const hosts = { a6: HANGS, a4: HANGS };
    assertEquals(starts(await runRace({ lookups, hosts, abortAt: 9_999 }))[0], first);
  });
}

Deno.test("race() gives AAAA that comes late its turn, and lets what runs go on", async () => {
  const course = await runRace({
    lookups: { 6: { at: 350, gives: ["a6"] }, 4: { at: 0, gives: ["a4", "b4", "c4"] } },
    hosts: { a4: HANGS, b4: { after: 400, connects: true }, c4: HANGS, a6: HANGS },
  });
  assertEquals(starts(course), ["50 a4", "300 b4", "550 a6"]);
  assertEquals(course.result.conn?.address, "b4");
});

Deno.test("race() gives AAAA its turn as well if only one A was tried before it came", async () => {
  const course = await runRace({
    lookups: { 6: { at: 200, gives: ["a6"] }, 4: { at: 0, gives: ["a4", "b4"] } },
    hosts: { a4: HANGS, b4: HANGS, a6: HANGS },
    abortAt: 9_999,
  });
  assertEquals(starts(course), ["50 a4", "300 a6", "550 b4"]);
});

Deno.test("race() leaves nothing behind: no timer, and no ear on its caller's signal", async () => {
  const world = seededWorld(1);
  const { signal } = new AbortController();
  let listening = 0;
  for (const [name, change] of [["addEventListener", 1], ["removeEventListener", -1]] as const) {
    const original = signal[name].bind(signal);
    signal[name] = (...args: [string, EventListener]) => {
      listening += change;
      original(...args);
    };
  }
  const result = await race("name", {
    ...{ world, signal },
    resolve: (_, family) => Promise.resolve(family === 4 ? [] : ["a", "b"]),
    connect: async (address) => {
      // The lookups end, and the timer for the second address is set.
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      assertEquals(world.sleepers, 1);
      return new FakeConn(address, () => {});
    },
  });
  assertEquals(result.conn?.address, "a");
  await world.advance(0);
  assertEquals([world.sleepers, listening], [0, 0]);
});

Deno.test("race() starts the next attempt at once when one fails", async () => {
  const script = silent(["a6", "b6"], ["a4"]);
  script.hosts.a6 = { after: 3, connects: false };
  script.hosts.a4 = { after: 4, connects: false };
  script.hosts.b6 = { after: 5, connects: true };
  const { log, result } = await runRace(script);
  const tries = log.filter(({ what }) => what !== "lookup");
  assertEquals(tries.map(({ at, what, who }) => `${at} ${what} ${who}`), [
    "0 start a6",
    "3 failed a6",
    "3 start a4",
    "7 failed a4",
    "7 start b6",
    "12 connected b6",
  ]);
  assertEquals(result.connects.map(({ error, ...rest }) => [rest, String(error)]), [
    [{ hostname: "a6", started: 0, ended: 3, outcome: "failed" }, "Error: a6 fails"],
    [{ hostname: "a4", started: 3, ended: 7, outcome: "failed" }, "Error: a4 fails"],
    [{ hostname: "b6", started: 7, ended: 12, outcome: "connected" }, "undefined"],
  ]);
});

Deno.test("race() aborts the losers, and closes one that connects nevertheless", async () => {
  const script = silent(["a6"], ["a4"]);
  script.hosts.a6 = { after: 400, connects: true, deaf: true };
  script.hosts.a4 = { after: 10, connects: true };
  const { log, result, ended } = await runRace(script);
  assertEquals(log.slice(-3).map(({ at, what, who }) => `${at} ${what} ${who}`), [
    "260 connected a4",
    "400 connected a6",
    "400 closed a6",
  ]);
  assertEquals([ended, result.conn?.address, result.conn?.closed], [260, "a4", false]);
  assertEquals(result.connects, [
    { hostname: "a6", started: 0, ended: 260, outcome: "dropped" },
    { hostname: "a4", started: 250, ended: 260, outcome: "connected" },
  ]);
});

Deno.test("race() records lookups: what came, what failed, what it did not wait for", async () => {
  const failure = new Error("SERVFAIL");
  const one = await runRace({
    lookups: { 6: { at: 7, gives: failure }, 4: { at: 5, gives: ["a4"] } },
    hosts: { a4: { after: 1, connects: true } },
  });
  assertEquals(one.result.lookups, [
    { family: 6, started: 0, ended: 7, outcome: "failed", addresses: [], error: failure },
    { family: 4, started: 0, ended: 5, outcome: "answered", addresses: ["a4"] },
  ]);
  const other = await runRace({
    lookups: { 6: { at: 7, gives: ["a6"] }, 4: { at: Infinity, gives: [] } },
    hosts: { a6: { after: 1, connects: true } },
  });
  assertEquals(other.result.lookups, [
    { family: 6, started: 0, ended: 7, outcome: "answered", addresses: ["a6"] },
    { family: 4, started: 0, ended: 8, outcome: "dropped", addresses: [] },
  ]);
});

Deno.test("race() without an address ends with the errors of the lookups", async () => {
  const failure = new Error("SERVFAIL");
  const lookups = { 6: { at: 7, gives: failure }, 4: { at: 5, gives: [] } };
  const { result, ended } = await runRace({ lookups, hosts: {} });
  assertEquals([ended, result.conn], [7, undefined]);
  assert(!result.conn);
  assertEquals(result.errors, [failure]);
});

Deno.test("race() takes what a resolver should not give for a failed lookup", async () => {
  const lookups = { 6: { at: 0, gives: 7 as unknown as string[] }, 4: { at: 5, gives: [] } };
  const { result } = await runRace({ lookups, hosts: {} });
  assert(!result.conn);
  assertEquals(result.lookups[0]?.outcome, "failed");
  assert(result.errors[0] instanceof TypeError);
});

Deno.test("race() that is called off before it starts connects to nobody", async () => {
  const reason = new Error("enough");
  const result = await race<FakeConn>("name", {
    world: realWorld,
    signal: AbortSignal.abort(reason),
    resolve: () => Promise.resolve(["a"]),
    connect: () => Promise.reject(new Error("tried")),
  });
  assert(!result.conn);
  assertStrictEquals(result.errors[0], reason);
  assertEquals(result.connects, []);
});

Deno.test("EyeballsPlan refuses delays that RFC 8305 forbids, and what is no number", () => {
  const refused: [EyeballsOptions, string][] = [
    [{ attemptDelay: 9 }, "'attemptDelay' must be >= 10: current value is 9"],
    [{ attemptDelay: NaN }, "'attemptDelay' must be >= 10: current value is NaN"],
    [{ resolutionDelay: -1 }, "'resolutionDelay' must be >= 0: current value is -1"],
    [{ firstFamilyCount: 0 }, "'firstFamilyCount' must be >= 1: current value is 0"],
    [{ prefer: 5 as 4 }, "'prefer' must be 4 or 6: current value is 5"],
  ];
  for (const [options, says] of refused) {
    assertThrows(() => new EyeballsPlan(options), RangeError, `Cannot dial as ${says}`);
  }
});

const NAMES = ["six0", "six1", "six2", "six3", "four0", "four1", "four2", "four3", "both"];

/** Any network of up to four addresses in each family, known or not to both. */
const scripts: fc.Arbitrary<Script> = fc.record({
  lookups: fc.record({ 6: lookup("six"), 4: lookup("four") }),
  hosts: fc.array(
    fc.record({
      after: fc.oneof(fc.nat(600), fc.constant(Infinity)),
      connects: fc.oneof({ weight: 1, arbitrary: fc.boolean() }, {
        weight: 3,
        arbitrary: fc.constant(false),
      }),
      deaf: fc.boolean(),
    }),
    { minLength: 9, maxLength: 9 },
  ).map((behaviours) => Object.fromEntries(NAMES.map((name, i) => [name, behaviours[i]!]))),
  options: fc.record({
    attemptDelay: fc.integer({ min: 10, max: 300 }),
    resolutionDelay: fc.nat(80),
    firstFamilyCount: fc.integer({ min: 1, max: 3 }),
    prefer: fc.constantFrom(4 as const, 6 as const),
  }),
  abortAt: fc.oneof(fc.constant(5_000), fc.nat(800)),
});

function lookup(kind: string) {
  const own = NAMES.filter((name) => name.startsWith(kind));
  return fc.record({
    at: fc.oneof(fc.nat(400), fc.constant(Infinity)),
    gives: fc.oneof(
      { weight: 4, arbitrary: fc.array(fc.constantFrom(...own, "both"), { maxLength: 5 }) },
      { weight: 1, arbitrary: fc.constant(new Error("SERVFAIL")) },
    ),
  });
}

Deno.test("race() keeps the rules of RFC 8305 in any network", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async (script) => checkRules(script, await runRace(script))),
    { numRuns: 300 },
  );
});

function checkRules(script: Script, course: Course): void {
  const { log, result, ended } = course;
  const { attemptDelay = 250, resolutionDelay = 50, prefer = 6 } = script.options ?? {};
  const started = log.filter(({ what }) => what === "start");
  const of = (what: Happening["what"]) => log.filter((one) => one.what === what);

  // No address is tried twice, or without being known.
  assertEquals(new Set(started.map(({ who }) => who)).size, started.length);
  const before = (one: Happening) => log.slice(0, log.indexOf(one));
  const known = (one: Happening) =>
    before(one).filter(({ what }) => what === "lookup").flatMap(({ who }) => {
      const { gives } = script.lookups[Number(who) as 4 | 6];
      return gives instanceof Error ? [] : gives;
    });
  for (const one of started) assert(known(one).includes(one.who), `${one.who} is unknown`);

  // Two starts keep the delay, unless there was a failure for it, one for each.
  for (const [i, one] of started.entries()) {
    const last = started[i - 1];
    if (last === undefined || one.at - last.at >= attemptDelay) continue;
    const between = log.slice(log.indexOf(last), log.indexOf(one));
    assert(between.some(({ what }) => what === "failed"), `${one.who} starts too early`);
  }
  // And when an address is known and the delay is over, or an attempt fails, one starts.
  for (const [i, one] of started.entries()) {
    const last = started[i - 1];
    if (last === undefined || !known(last).includes(one.who)) continue;
    const failed = log.slice(log.indexOf(last)).find(({ what }) => what === "failed");
    assert(one.at <= last.at + attemptDelay, `${one.who} starts too late`);
    if (failed !== undefined) assert(one.at <= failed.at, `${one.who} waits after a failure`);
  }

  // Families take turns, after as many of the first as that is told, if both are known.
  const { firstFamilyCount = 1 } = script.options ?? {};
  const families = started.map(({ who }) => who.startsWith("six") ? 6 : 4);
  for (const [i, one] of started.entries()) {
    if (started.slice(0, i + 1).concat(one).some(({ who }) => who === "both")) break; // is of either
    const untried = known(one).filter((who) => !started.slice(0, i).some((s) => s.who === who));
    const both = untried.some((who) => who.startsWith("six")) &&
      untried.some((who) => who.startsWith("four"));
    const preferred = families.slice(0, i).filter((family) => family === prefer).length;
    const others = i - preferred;
    if (!both) continue;
    if (i > 0 && !(families[i - 1] === prefer && preferred < firstFamilyCount)) {
      assert(families[i] !== families[i - 1], `${one.who} is out of turn`);
    } else if (others === 0) assertEquals(families[i], prefer);
  }

  // The preferred family is waited for, if it is the other that comes first.
  const [first] = started;
  const answers = of("lookup");
  const answer = (family: number) => answers.find(({ who }) => who === String(family));
  const [own, others] = [answer(prefer), answer(prefer === 6 ? 4 : 6)];
  if (first !== undefined && (own === undefined || log.indexOf(own) > log.indexOf(first))) {
    assertEquals(first.at, others!.at + resolutionDelay);
  }

  // The first to connect wins, at once; nothing starts after that.
  const [winner] = of("connected");
  const called = of("aborted")[0];
  if (winner !== undefined && !(called && log.indexOf(called) < log.indexOf(winner))) {
    assertEquals(result.conn?.address, winner.who);
    assertEquals(ended, winner.at);
  } else assertEquals(result.conn, undefined);
  for (const one of started) assert(one.at <= ended);

  // It gives up only when all that will ever be known has failed.
  if (!result.conn && !(called && called.at <= ended)) {
    assertEquals(answers.length, 2);
    assertEquals(of("failed").length, started.length);
    assertEquals(new Set(known(log.at(-1)!)).size, started.length);
  }

  // No connection but the winner's stays open, and no sleeper of the race is left.
  const open = of("connected").length - of("closed").length;
  assertEquals(open, result.conn ? 1 : 0);
  assertEquals(result.conn?.closed ?? false, false);

  // The record says the same as the log.
  assertEquals(result.connects.map(({ hostname, started }) => [hostname, started]), [
    ...started.map(({ who, at }) => [who, at]),
  ]);
  for (const { started, ended: stopped, outcome } of result.connects) {
    assert(started <= stopped && stopped <= ended);
    if (outcome === "dropped") assertEquals(stopped, ended);
  }
}
