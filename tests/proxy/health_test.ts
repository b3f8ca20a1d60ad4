import { assertEquals, assertThrows } from "@std/assert";
import { type Probe, watchHealth, type WatchHealthOptions } from "../../lib/proxy/health.ts";
import type { CheckResult } from "../../lib/proxy/health_state.ts";
import { seededWorld } from "../../lib/world.ts";

const OK: CheckResult = { ok: true, status: "L4OK", detail: "", duration: 0 };
const BAD: CheckResult = { ok: false, status: "L4CON", detail: "refused", duration: 0 };

/** Servers by name, each with its health, under watch in a world of its own. */
function watching(
  servers: Record<string, boolean>,
  options: Partial<WatchHealthOptions<string>> = {},
) {
  const world = seededWorld(1);
  const checks: string[] = [];
  const changes: string[] = [];
  const watch = watchHealth(Object.keys(servers).map((id) => ({ id, target: id })), {
    probe: (id) => {
      checks.push(`${id}@${world.now()}`);
      return Promise.resolve(servers[id] ? OK : BAD);
    },
    onChange: (id, { up }) => changes.push(`${id} ${up ? "up" : "down"}@${world.now()}`),
    jitter: 0,
    interval: 1000,
    initial: "fully-up",
    world,
    ...options,
  });
  return { world, checks, changes, watch, servers };
}

Deno.test("watchHealth() spreads the first checks, and keeps to the interval", async () => {
  const { watch, world, checks } = watching({ a: true, b: true });
  await using _ = watch;
  await world.advance(1500);
  assertEquals(checks, ["a@0", "b@500", "a@1000", "b@1500"]);
});

Deno.test("watchHealth() tells of changes, and asks faster in between", async () => {
  const { watch, world, changes, checks, servers } = watching({ a: true }, {
    fastInterval: 100,
    downInterval: 5000,
  });
  await using _ = watch;
  await world.advance(999);
  servers.a = false;
  await world.advance(1000);
  assertEquals(checks, ["a@0", "a@1000", "a@1100", "a@1200"]);
  assertEquals(changes, ["a down@1200"]);
  servers.a = true;
  await world.advance(5000);
  assertEquals(changes, ["a down@1200", "a up@6300"]);
  assertEquals(watch.state("a")?.reason, "2/2 L4OK");
});

Deno.test("watchHealth() varies the interval by the dice", async () => {
  const { watch, world } = watching({ a: true }, { jitter: 0.1 });
  await using _ = watch;
  await world.advance(20_000);
  const waits = world.sleeps.filter((ms) => ms > 850 && ms < 1150 && ms !== 1000);
  assertEquals(new Set(waits).size, waits.length);
  assertEquals(waits.length >= 17, true);
  assertEquals(waits.every((ms) => ms >= 900 && ms <= 1100), true);
});

Deno.test("watchHealth() counts the time that a check takes as part of the interval", async () => {
  const at: number[] = [];
  const world = seededWorld(1);
  await using _ = watchHealth([{ id: "a", target: "a" }], {
    probe: async (_, { world }) => {
      at.push(world.now());
      await world.sleep(300);
      return OK;
    },
    jitter: 0,
    interval: 1000,
    world,
  });
  await world.advance(2500);
  assertEquals(at, [0, 1000, 2000]);
});

Deno.test("watchHealth() cuts off a check that takes too long, or throws: that is a failure", async () => {
  const probes: Probe<string>[] = [
    (_, { signal }) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason)),
    () => Promise.reject(new Error("a bug")),
  ];
  const details = ["No result within 200 ms", "a bug"];
  for (const [i, probe] of probes.entries()) {
    const { watch, world, changes } = watching({ a: true }, { probe, timeout: 200, fall: 1 });
    await using _ = watch;
    await world.advance(300);
    const { last } = watch.state("a")!;
    assertEquals([last?.status, last?.detail], ["SOCKERR", details[i]]);
    assertEquals(changes.length, 1);
  }
});

Deno.test("watchHealth() does not check who is under maintenance, and does at once afterwards", async () => {
  const { watch, world, checks } = watching({ a: true });
  await using _ = watch;
  await world.advance(1000);
  watch.suspend("a");
  await world.advance(10_500);
  watch.resume("a");
  await world.advance(0);
  assertEquals(checks, ["a@0", "a@1000", "a@11500"]);
});

Deno.test("watchHealth() takes servers in and out while it watches", async () => {
  const { watch, world, checks } = watching({ a: true, b: true });
  await using _ = watch;
  await world.advance(0);
  watch.remove("a");
  watch.add({ id: "c", target: "c" });
  await world.advance(700);
  assertEquals(checks, ["a@0", "c@0", "b@500"]);
  assertEquals([...watch.states.keys()], ["b", "c"]);
  assertEquals([watch.remove("a"), watch.state("a")], [false, undefined]);
  assertThrows(() => watch.add({ id: "c", target: "c" }), TypeError);
});

Deno.test("watchHealth() lets real traffic speak: so many errors in a row, and a check at once", async () => {
  const { watch, world, checks, changes, servers } = watching({ a: true }, {
    errorLimit: 3,
    onError: "sudden-death",
  });
  await using _ = watch;
  await world.advance(100);
  servers.a = false;
  for (const ok of [false, false, true, false, false]) watch.report("a", ok);
  assertEquals(watch.state("a")?.against, 0);
  watch.report("a", false, "refused");
  assertEquals(watch.state("a")?.against, 2);
  await world.advance(0);
  assertEquals([checks, changes], [["a@0", "a@100"], ["a down@100"]]);
  watch.report("nobody", false);
});

Deno.test("watchHealth() can take a server down for its traffic alone", async () => {
  const { watch, changes, world } = watching({ a: true }, { errorLimit: 1, onError: "mark-down" });
  await using _ = watch;
  await world.advance(10);
  watch.report("a", false, "reset");
  assertEquals(changes, ["a down@10"]);
  assertEquals(watch.state("a")?.reason, "3/3 PASSIVE: 1 error in a row, the last: reset");
});

Deno.test("watchHealth() ends with its signal, or before it began, and waits for its checks", async () => {
  for (const early of [true, false]) {
    const stop = new AbortController();
    if (early) stop.abort();
    const { watch, world, checks, changes } = watching({ a: true }, {
      signal: stop.signal,
      probe: (_, { signal }) =>
        new Promise((resolve) => {
          checks.push("begun");
          signal.onabort = () => resolve(BAD);
        }),
      fall: 1,
    });
    await world.advance(0);
    stop.abort();
    await watch.finished;
    await world.advance(10_000);
    assertEquals([checks, changes], [early ? [] : ["begun"], []]);
    assertEquals(world.sleepers, 0);
  }
});

Deno.test("watchHealth() refuses options that are none, before it starts anything", () => {
  const world = seededWorld(1);
  const probe = () => Promise.resolve(OK);
  for (const wrong of [{ rise: 0 }, { timeout: 0 }, { errorLimit: 0 }]) {
    assertThrows(
      () => watchHealth([{ id: "a", target: 1 }], { probe, world, ...wrong }),
      RangeError,
    );
  }
  assertEquals(world.sleeps, []);
});
