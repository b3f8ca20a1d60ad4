import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  createPool,
  LeaseReleasedError,
  PoolClosedError,
  type PoolEvent,
  PoolFullError,
  type PoolOptions,
  PoolTimeoutError,
} from "../../lib/client/mod.ts";
import { backoffDelay } from "../../lib/client/backoff.ts";
import { checkLimits } from "../../lib/client/pool_options.ts";
import { dice, seededWorld } from "../../lib/world.ts";
import { watchedSignal } from "../_listeners.ts";
import { Factory, settle, type Thing } from "./_things.ts";

/** A pool in a scripted world. */
function scripted(options: Partial<PoolOptions<Thing>> = {}, how: { manual?: boolean } = {}) {
  const world = seededWorld(7);
  const factory = new Factory(how);
  const events: PoolEvent[] = [];
  const pool = createPool<Thing>({
    world,
    open: factory.make,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const types = () => events.map(({ type }) => type);
  const reasons = () => events.flatMap((event) => event.type === "closed" ? [event.reason] : []);
  return { world, factory, events, pool, types, reasons };
}

Deno.test("createPool() lends what came back last, and opens only what is needed", async () => {
  const { pool, factory } = scripted();
  await using _pool = pool;
  const [a, b] = [await pool.acquire(), await pool.acquire()];
  assertEquals([a.value.number, b.value.number], [1, 2]);
  a.release();
  b.release();
  using again = await pool.acquire();
  assertEquals([again.id, again.value.number], [2, 2]);
  assertEquals(factory.things.length, 2);
});

Deno.test("a lease gives back at the end of its block, and twice is harmless", async () => {
  const { pool, factory } = scripted({ max: 1 });
  await using _pool = pool;
  const first = await pool.acquire();
  {
    using lease = first;
    assertEquals(lease.released, false);
  }
  using second = await pool.acquire();
  first.release();
  first.destroy();
  first[Symbol.dispose]();
  assertEquals([second.value.number, second.released, pool.stats.lent], [1, false, 1]);
  assertEquals(factory.open, 1);
});

Deno.test("Lease.value after release is an error that says so", async () => {
  const { pool } = scripted();
  await using _pool = pool;
  const lease = await pool.acquire();
  lease.release();
  const error = assertThrows(() => lease.value, LeaseReleasedError);
  assertEquals(error.name, "LeaseReleasedError");
  assertStringIncludes(error.message, "Cannot use what was lent as its lease is over");
});

Deno.test("Lease.destroy() closes, and the next one gets another", async () => {
  const { pool, factory, reasons } = scripted({ max: 1 });
  await using _pool = pool;
  const lease = await pool.acquire();
  const next = pool.acquire();
  lease.destroy();
  using other = await next;
  assertEquals([other.value.number, factory.things[0]!.disposed], [2, 1]);
  assertEquals(reasons(), ["destroyed"]);
});

Deno.test("Pool.use() gives back what its function returned from, and closes what it threw on", async () => {
  const { pool, reasons } = scripted();
  await using _pool = pool;
  assertEquals(await pool.use((thing) => thing.number), 1);
  assertEquals(pool.stats.idle, 1);
  const bug = new Error("bug");
  const error = await assertRejects(() => pool.use(() => Promise.reject(bug)));
  assertEquals([error, pool.stats.size, reasons()], [bug, 0, ["destroyed"]]);
});

Deno.test("reusable() decides whether what came back is lent again", async () => {
  const { pool, reasons } = scripted({ reusable: ({ number }) => number > 1 });
  await using _pool = pool;
  (await pool.acquire()).release();
  (await pool.acquire()).release();
  using lease = await pool.acquire();
  assertEquals([lease.value.number, reasons()], [2, ["unusable"]]);
});

Deno.test("acquire() serves in the order of asking, and never lends more than max", async () => {
  const { pool, factory } = scripted({ max: 2 });
  await using _pool = pool;
  const held = [await pool.acquire(), await pool.acquire()];
  const served: number[] = [];
  const all = [1, 2, 3, 4].map(async (who) => {
    const lease = await pool.acquire();
    served.push(who);
    held.push(lease);
  });
  assertEquals(pool.stats.waiting, 4);
  for (let i = 0; i < 4; i++) {
    held.shift()!.release();
    await settle();
    assertEquals(served, [1, 2, 3, 4].slice(0, i + 1));
  }
  await Promise.all(all);
  for (const lease of held) lease.release();
  assertEquals([factory.peak, pool.stats.peak], [2, 2]);
});

Deno.test("acquire() is refused at once when maxWaiting wait", async () => {
  const { pool } = scripted({ max: 1, maxWaiting: 1 });
  await using _pool = pool;
  const lease = await pool.acquire();
  const waiting = pool.acquire();
  const error = await assertRejects(() => pool.acquire(), PoolFullError);
  assertEquals([error.stats.waiting, pool.stats.refused], [1, 1]);
  assertStringIncludes(error.message, "1 of 1 are lent");
  lease.release();
  (await waiting).release();
});

Deno.test("maxWaiting counts those only for whom there is no room", async () => {
  const { pool, factory } = scripted({ max: 2, maxWaiting: 0 }, { manual: true });
  await using _pool = pool;
  const two = [pool.acquire(), pool.acquire()];
  await assertRejects(() => pool.acquire(), PoolFullError);
  for (const one of factory.waiting) one.resolve();
  for (const lease of await Promise.all(two)) lease.release();
});

Deno.test("acquire() gives up after its timeout, and says what the pool was doing", async () => {
  const { pool, world, events } = scripted({ max: 1, acquireTimeout: 500 });
  await using _pool = pool;
  const lease = await pool.acquire();
  await world.advance(20);
  const late = assertRejects(() => pool.acquire(), PoolTimeoutError);
  const patient = pool.acquire({ timeout: 501 });
  await world.advance(500);
  const error = await late;
  assertEquals([error.waited, error.stats.longestHeld, pool.stats.waiting], [500, 520, 1]);
  assertStringIncludes(
    error.message,
    "Cannot acquire within 500 ms: 1 of 1 are lent, one of them for 520 ms, 0 being opened, 2 waiting",
  );
  lease.release();
  (await patient).release();
  const left = events.find((event) => event.type === "left");
  assertEquals(left, { type: "left", ticket: 2, at: 520, waited: 500, error });
});

Deno.test("what was meant for one who gave up goes to the next in line", async () => {
  const { pool, factory, world } = scripted({ max: 1, openTimeout: 1000 }, { manual: true });
  await using _pool = pool;
  const abort = new AbortController();
  const reason = new Error("never mind");
  const first = pool.acquire({ signal: abort.signal });
  const second = pool.acquire({ timeout: 50 });
  const third = pool.acquire();
  const failures = Promise.allSettled([first, second]);
  abort.abort(reason);
  await world.advance(50);
  const [one, two] = await failures;
  assertEquals([one.status, one.status === "rejected" && one.reason], ["rejected", reason]);
  assert(two.status === "rejected" && two.reason instanceof PoolTimeoutError);
  assertEquals(factory.waiting.map(({ signal }) => signal.aborted), [false]);
  factory.waiting[0]!.resolve();
  using lease = await third;
  assertEquals([lease.value.number, factory.things.length], [1, 1]);
});

Deno.test("an opening that nobody waits for any more is kept for the next", async () => {
  const { pool, factory } = scripted({}, { manual: true });
  await using _pool = pool;
  const abort = new AbortController();
  const called = assertRejects(() => pool.acquire({ signal: abort.signal }), DOMException);
  abort.abort();
  await called;
  factory.waiting[0]!.resolve();
  await settle();
  assertEquals(pool.stats.idle, 1);
  using lease = await pool.acquire();
  assertEquals([lease.value.number, factory.waiting.length], [1, 1]);
});

Deno.test("acquire() lets go of its signal, however it ends", async () => {
  const { pool, world } = scripted({ max: 1 });
  await using _pool = pool;
  const watched = watchedSignal();
  const lease = await pool.acquire({ signal: watched.signal });
  assertEquals(watched.listeners, 0);
  const late = assertRejects(() => pool.acquire({ signal: watched.signal, timeout: 5 }));
  const served = pool.acquire({ signal: watched.signal });
  assertEquals(watched.listeners, 2);
  await world.advance(5);
  await late;
  lease.release();
  (await served).release();
  assertEquals(watched.listeners, 0);
});

Deno.test("acquire() with an aborted signal rejects with its reason and leaves nothing behind", async () => {
  const { pool } = scripted();
  await using _pool = pool;
  const reason = new Error("no");
  const error = await assertRejects(() => pool.acquire({ signal: AbortSignal.abort(reason) }));
  assertEquals([error, pool.stats.opening, pool.stats.waiting], [reason, 0, 0]);
});

Deno.test("an opening that takes too long is aborted, and what comes of it is closed", async () => {
  const { pool, factory, world } = scripted({ max: 1, openTimeout: 100 }, { manual: true });
  await using _pool = pool;
  const first = assertRejects(() => pool.acquire(), DOMException, "Cannot open within 100 ms");
  const second = pool.acquire();
  await world.advance(99);
  assertEquals(factory.waiting.map(({ signal }) => signal.aborted), [false]);
  await world.advance(1);
  await first;
  assertEquals(factory.waiting.map(({ signal }) => signal.aborted), [true, false]);
  const late = factory.waiting[0]!.resolve();
  await settle();
  assertEquals([late.disposed, pool.stats.size], [1, 0]);
  factory.waiting[1]!.resolve();
  using lease = await second;
  assertEquals(lease.value.number, 2);
});

Deno.test("one failed opening fails one who waits, and the others go on", async () => {
  const { pool, factory, events } = scripted({ max: 1 });
  await using _pool = pool;
  const refused = new Error("refused");
  factory.errors.push(refused);
  const [one, two, three] = [pool.acquire(), pool.acquire(), pool.acquire()];
  assertEquals(await assertRejects(() => one), refused);
  const lease = await two;
  lease.release();
  (await three).release();
  assertEquals(pool.stats.openFailed, 1);
  assertEquals(events.find(({ type }) => type === "openFailed"), {
    type: "openFailed",
    at: 0,
    error: refused,
  });
});

Deno.test("whenOpenFails: retry tells nobody, and tries again after a wait that doubles", async () => {
  const { pool, factory, world } = scripted({ whenOpenFails: "retry", max: 1 });
  await using _pool = pool;
  factory.errors.push("first", "second");
  let lease: Awaited<ReturnType<typeof pool.acquire>> | undefined;
  const served = pool.acquire().then((it) => lease = it);
  const roll = dice(7);
  const waits = [1, 2].map((failures) => backoffDelay(failures, roll()));
  await settle();
  await world.advance(waits[0]! - 1);
  assertEquals(pool.stats.openFailed, 1);
  await world.advance(1);
  assertEquals(pool.stats.openFailed, 2);
  await world.advance(waits[1]! - 1);
  assertEquals(lease, undefined);
  await world.advance(1);
  (await served).release();
  assertEquals(factory.things.length, 1);
});

Deno.test("openings that were begun together and fail are one failure to the wait that doubles", async () => {
  const { pool, factory, world } = scripted({ whenOpenFails: "retry", max: 50 });
  await using _pool = pool;
  factory.errors.push(...Array(50).fill("down"));
  const leases = Array.from({ length: 50 }, () => pool.acquire());
  await settle();
  assertEquals(pool.stats.openFailed, 50);
  await world.advance(backoffDelay(1, dice(7)()));
  for (const lease of await Promise.all(leases)) lease.release();
});

Deno.test("a timeout while opening fails tells the last failure", async () => {
  const { pool, factory, world } = scripted({ whenOpenFails: "retry", acquireTimeout: 60 });
  await using _pool = pool;
  factory.errors.push("down 1", "down 2", "down 3", "down 4");
  const late = assertRejects(() => pool.acquire(), PoolTimeoutError);
  await world.advance(60);
  assert(pool.stats.openFailed < 4);
  assertEquals((await late).cause, `down ${pool.stats.openFailed}`);
});

Deno.test("open() that throws at once fails like one that rejects", async () => {
  const { pool } = scripted({
    open: () => {
      throw new Error("at once");
    },
  });
  await using _pool = pool;
  await assertRejects(() => pool.acquire(), Error, "at once");
  assertEquals([pool.stats.opening, pool.stats.openFailed], [0, 1]);
});

Deno.test("min is filled in the background, again when it dies, and less eagerly after failures", async () => {
  const { pool, factory, world } = scripted({ min: 2, maxLifetime: 1000, lifetimeJitter: 0 });
  await using _pool = pool;
  await settle();
  assertEquals([pool.stats.idle, factory.things.length], [2, 2]);
  factory.errors.push("down", "down");
  await world.advance(1000);
  assertEquals([pool.stats.openFailed, pool.stats.closed], [2, { lifetime: 2 }]);
  await world.advance(200);
  assertEquals([pool.stats.idle, factory.things.length], [2, 4]);
});

Deno.test("Pool.warmUp() resolves when min are open, and rejects with the first failure", async () => {
  const { pool, factory } = scripted({ min: 2 }, { manual: true });
  await using _pool = pool;
  const warm = pool.warmUp();
  factory.waiting[0]!.resolve();
  const failed = assertRejects(() => warm, Error, "no server");
  factory.waiting[1]!.reject(new Error("no server"));
  await failed;
  const again = pool.warmUp();
  factory.waiting[2]!.resolve();
  await again;
  await pool.warmUp();
  assertEquals(pool.stats.idle, 2);
});

Deno.test("idleTimeout closes what nobody wants, down to min, the oldest first", async () => {
  const { pool, world, factory } = scripted({ min: 1, max: 3, idleTimeout: 100 });
  await using _pool = pool;
  const leases = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  for (const lease of leases) {
    lease.release();
    await world.advance(10);
  }
  await world.advance(69);
  assertEquals(pool.stats.idle, 3);
  await world.advance(1);
  assertEquals(factory.things.map(({ disposed }) => disposed), [1, 0, 0]);
  await world.advance(10);
  assertEquals(factory.things.map(({ disposed }) => disposed), [1, 1, 0]);
  await world.advance(1000);
  assertEquals([pool.stats.idle, pool.stats.closed], [1, { idle: 2 }]);
});

Deno.test("maxLifetime never cuts what is lent, and closes it when it comes back", async () => {
  const { pool, world, reasons } = scripted({ maxLifetime: 100, lifetimeJitter: 0 });
  await using _pool = pool;
  const lease = await pool.acquire();
  await world.advance(500);
  assertEquals([lease.value.disposed, reasons()], [0, []]);
  lease.release();
  assertEquals(reasons(), ["lifetime"]);
});

Deno.test("lifetimeJitter lets those that were opened together die one by one", async () => {
  const { pool, world, events } = scripted({ maxLifetime: 1000, lifetimeJitter: 0.5 });
  await using _pool = pool;
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  for (const lease of leases) lease.release();
  await world.advance(1000);
  const roll = dice(7);
  const lives = [1, 2, 3].map(() => 1000 * (1 - 0.5 * roll())).sort((a, b) => a - b);
  const deaths = events.flatMap((event) => event.type === "closed" ? [event.at] : []);
  assertEquals(deaths, lives);
});

Deno.test("what is too old is not lent, even if no timer has rung", async () => {
  let now = 0;
  const sleepless = { now: () => now, random: () => 0, sleep: () => new Promise<void>(() => {}) };
  const { pool } = scripted({ world: sleepless, idleTimeout: 100, maxLifetime: 1000 });
  (await pool.acquire()).release();
  now = 100;
  (await pool.acquire()).release();
  assertEquals(pool.stats.closed, { idle: 1 });
  now = 1100;
  (await pool.acquire()).release();
  assertEquals(pool.stats.closed, { idle: 1, lifetime: 1 });
  await pool.shutdown();
});

Deno.test("check() is asked before each lease but the first, and what fails it is closed", async () => {
  const asked: number[] = [];
  const { pool, reasons, events } = scripted({
    check: ({ number }) => {
      asked.push(number);
      if (number === 2) throw new Error("odd");
      return Promise.resolve(number > 1);
    },
  });
  await using _pool = pool;
  const leases = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
  assertEquals(asked, []);
  for (const lease of leases.reverse()) lease.release();
  const [again, other] = await Promise.all([pool.acquire(), pool.acquire()]);
  assertEquals(asked.slice(0, 3).sort(), [1, 2, 3]);
  assertEquals(again!.value.number, 3);
  assertEquals(reasons(), ["check", "check"].slice(0, reasons().length));
  const odd = events.find((event) => event.type === "closed" && event.id === 2);
  assert(odd?.type === "closed" && odd.error instanceof Error);
  again!.release();
  other!.release();
});

Deno.test("a check that takes too long closes, and does not hold up the line", async () => {
  const { pool, world, reasons } = scripted({
    max: 1,
    checkTimeout: 50,
    check: () => new Promise(() => {}),
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  const next = pool.acquire();
  await world.advance(49);
  assertEquals([pool.stats.checking, reasons()], [1, []]);
  await world.advance(1);
  using lease = await next;
  assertEquals([lease.value.number, reasons()], [2, ["check"]]);
});

Deno.test("a check is good only for those who asked before it began", async () => {
  const verdicts: ((good: boolean) => void)[] = [];
  const { pool } = scripted({
    max: 1,
    check: () => new Promise((resolve) => verdicts.push(resolve)),
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  const abort = new AbortController();
  const first = assertRejects(() => pool.acquire({ signal: abort.signal }));
  abort.abort();
  await first;
  const second = pool.acquire();
  verdicts[0]!(true);
  await settle();
  assertEquals([verdicts.length, pool.stats.checking], [2, 1]);
  verdicts[1]!(true);
  using lease = await second;
  assertEquals([lease.id, pool.stats.lent], [1, 1]);
});

Deno.test("watch() hears of what is free, and only then is it closed when it is gone", async () => {
  const gone = new Map<Thing, Parameters<NonNullable<PoolOptions<Thing>["watch"]>>[1]>();
  const { pool, reasons, events } = scripted({
    watch: (thing, tell) => void gone.set(thing, tell),
    check: () => Promise.resolve(true),
  });
  await using _pool = pool;
  const lease = await pool.acquire();
  const { value } = lease;
  lease.release();
  const next = pool.acquire();
  assertEquals(pool.stats.checking, 1);
  gone.get(value)!("reset", "why");
  using other = await next;
  assertEquals([other.value.number, reasons()], [2, ["reset"]]);
  assertEquals(events.find(({ type }) => type === "closed"), {
    type: "closed",
    id: 1,
    at: 0,
    reason: "reset",
    error: "why",
  });
  gone.get(value)!("reset");
  assertEquals(pool.stats.closed, { reset: 1 });
  const again = other.value;
  other.release();
  using third = await pool.acquire();
  gone.get(again)!("finished"); // it is lent: the borrower will see
  assertEquals([third.released, again.disposed], [false, 0]);
});

Deno.test("leakAfter tells once of a lease that is not given back, and who acquired it", async () => {
  const { pool, world, events } = scripted({ leakAfter: 100 });
  await using _pool = pool;
  async function theForgetful() {
    return await pool.acquire();
  }
  const lease = await theForgetful();
  await world.advance(99);
  assertEquals(pool.stats.leaks, 0);
  await world.advance(1);
  await world.advance(1000);
  const leaks = events.filter((event) => event.type === "leak");
  assertEquals(leaks.map(({ id, at, held }) => [id, at, held]), [[1, 100, 100]]);
  assertStringIncludes(leaks[0]!.stack, "theForgetful");
  lease.release();
  using _again = await pool.acquire();
  await world.advance(100);
  assertEquals(pool.stats.leaks, 2);
});

Deno.test("the stack of a leak begins with who called, be it acquire() or use()", async () => {
  const { pool, world, events } = scripted({ leakAfter: 100 });
  await using _pool = pool;
  async function viaAcquire() {
    using _lease = await pool.acquire();
    await world.sleep(200);
  }
  async function viaUse() {
    await pool.use(() => world.sleep(200));
  }
  const both = Promise.all([viaAcquire(), viaUse()]);
  await world.advance(200);
  await both;
  const stacks = events.flatMap((event) => event.type === "leak" ? [event.stack] : []);
  assertEquals(stacks.map((stack) => /^ +at (\w+)/.exec(stack)?.[1]), ["viaAcquire", "viaUse"]);
});

Deno.test("Pool.resize() closes what is free at once, what is lent when it comes back", async () => {
  const { pool, reasons, factory } = scripted({ max: 4 });
  await using _pool = pool;
  const leases = await Promise.all([1, 2, 3, 4].map(() => pool.acquire()));
  leases.pop()!.release();
  pool.resize({ max: 2 });
  assertEquals([reasons(), pool.stats.size], [["shrunk"], 3]);
  leases.pop()!.release();
  assertEquals([reasons(), pool.stats.size], [["shrunk", "shrunk"], 2]);
  const waiting = pool.acquire();
  await settle();
  assertEquals(pool.stats.waiting, 1);
  pool.resize({ max: 3 });
  leases.push(await waiting);
  pool.resize({ min: 3, max: 5 });
  for (const lease of leases) lease.release();
  assertEquals([factory.open, pool.stats.idle], [3, 3]);
  assertThrows(
    () => pool.resize({ max: 2 }),
    RangeError,
    "'min' must be at most 'max', which is 2",
  );
  assertEquals(pool.stats.max, 5);
});

Deno.test("Pool.shutdown() serves those in line, refuses new ones, and closes all", async () => {
  const { pool, world, factory, types } = scripted({ max: 1, min: 1 });
  const lease = await pool.acquire();
  const waiting = pool.acquire();
  const report = pool.shutdown();
  assertEquals(pool.shutdown(), report);
  await assertRejects(() => pool.acquire(), PoolClosedError);
  await assertRejects(() => pool.warmUp(), PoolClosedError);
  await world.advance(30);
  lease.release();
  const last = await waiting;
  await world.advance(12);
  last.release();
  assertEquals(await report, { duration: 42, returned: 2, cut: [], turnedAway: 0 });
  await pool.finished;
  assertEquals([factory.open, factory.things.length, world.sleepers], [0, 1, 0]);
  assertEquals(types().filter((type) => type === "draining"), ["draining"]);
});

Deno.test("Pool.shutdown() cuts and reports who is left when the patience is over", async () => {
  const { pool, world, factory, reasons } = scripted({ max: 1, leakAfter: 1e6 });
  const lease = await pool.acquire();
  const waiting = assertRejects(() => pool.acquire(), PoolClosedError);
  const report = pool.shutdown();
  await world.advance(9_999);
  assertEquals(factory.open, 1);
  await world.advance(1);
  await waiting;
  const { cut, turnedAway, duration } = await report;
  assertEquals([cut.map(({ id, held }) => [id, held]), turnedAway, duration], [
    [[1, 10_000]],
    1,
    10_000,
  ]);
  assertStringIncludes(cut[0]!.stack!, "pool_test.ts");
  assertEquals([reasons(), lease.released, factory.open], [["cut"], true, 0]);
  assertThrows(() => lease.value, LeaseReleasedError);
  lease.release();
  assertEquals(factory.things[0]!.disposed, 1);
});

Deno.test("an earlier signal shortens the patience of a shutdown", async () => {
  const { pool, factory } = scripted();
  using _lease = await pool.acquire();
  const report = pool.shutdown();
  const patience = new AbortController();
  assertEquals(pool.shutdown({ signal: patience.signal }), report);
  patience.abort();
  assertEquals((await report).cut.length, 1);
  assertEquals(factory.open, 0);
});

Deno.test("the pool's signal ends it now: line, leases and openings", async () => {
  const end = new AbortController();
  const { pool, factory, reasons, world } = scripted({ max: 2, signal: end.signal }, {
    manual: true,
  });
  const first = pool.acquire();
  factory.waiting[0]!.resolve();
  const lease = await first;
  const waiting = assertRejects(() => pool.acquire(), PoolClosedError);
  const reason = new Error("enough");
  end.abort(reason);
  assertEquals((await waiting).cause, reason);
  await pool.finished;
  assertEquals([lease.released, reasons(), factory.open], [true, ["aborted"], 0]);
  assertEquals(factory.waiting[1]!.signal.aborted, true);
  const late = factory.waiting[1]!.resolve();
  await settle();
  assertEquals([late.disposed, world.sleepers], [1, 0]);
  await assertRejects(() => pool.acquire(), PoolClosedError);
  assertEquals((await pool.shutdown()).cut, []);
});

Deno.test("a pool whose signal has aborted already opens nothing", async () => {
  const { pool, factory } = scripted({ min: 3, signal: AbortSignal.abort() });
  await pool.finished;
  assertEquals(factory.things, []);
});

Deno.test("warmUp() is told when the pool ends", async () => {
  const { pool } = scripted({ min: 1 }, { manual: true });
  const warm = assertRejects(() => pool.warmUp(), PoolClosedError);
  await pool.shutdown();
  await warm;
});

Deno.test("lend() makes what the borrower holds, and may know the lease", async () => {
  const factory = new Factory();
  await using pool = createPool<Thing, { number: number; over: () => boolean }>({
    open: factory.make,
    lend: ({ number }, lease) => ({ number, over: () => lease.released }),
  });
  const lease = await pool.acquire();
  const { value } = lease;
  assertEquals([value.number, value.over()], [1, false]);
  lease.release();
  assertEquals(value.over(), true);
});

Deno.test("lend() that throws tells the borrower, and the thing is closed", async () => {
  let fails = true;
  const factory = new Factory();
  await using pool = createPool<Thing, number>({
    max: 1,
    open: factory.make,
    lend: ({ number }) => {
      if (fails) throw new Error("not today");
      return number;
    },
  });
  await assertRejects(() => pool.acquire(), Error, "not today");
  fails = false;
  using lease = await pool.acquire();
  assertEquals([lease.value, factory.open], [2, 1]);
});

Deno.test("a pool that is told no limits keeps those that its options promise", () => {
  const { onError: _, world: __, ...limits } = checkLimits({});
  assertEquals(limits, {
    ...{ min: 0, max: 10, maxWaiting: Infinity, whenOpenFails: "fail" },
    ...{ acquireTimeout: 30_000, openTimeout: 10_000, checkTimeout: 5_000 },
    ...{ idleTimeout: 10 * 60_000, maxLifetime: 30 * 60_000, lifetimeJitter: 0.1 },
    ...{ leakAfter: Infinity, signal: undefined, onEvent: undefined },
  });
});

Deno.test("createPool() says which option is wrong", () => {
  const open = new Factory().make;
  const wrong: [Record<string, unknown>, string][] = [
    [{ open: 1 }, "'open' must be a function: current value is 1"],
    [{ min: -1 }, "'min' must be an integer >= 0: current value is -1"],
    [{ min: 11 }, "'min' must be at most 'max', which is 10: current value is 11"],
    [{ max: 0 }, "'max' must be an integer >= 1: current value is 0"],
    [{ max: "2" }, "'max' must be a number: current value is 2"],
    [{ max: Infinity }, "'max' must be an integer >= 1: current value is Infinity"],
    [{ maxWaiting: -1 }, "'maxWaiting' must be an integer >= 0: current value is -1"],
    [{ acquireTimeout: 0 }, "'acquireTimeout' must be > 0: current value is 0"],
    [{ openTimeout: NaN }, "'openTimeout' must be > 0: current value is NaN"],
    [{ idleTimeout: "1" }, "'idleTimeout' must be a number: current value is 1"],
    [{ lifetimeJitter: 1.1 }, "'lifetimeJitter' must be from 0 to 1: current value is 1.1"],
    [{ whenOpenFails: "cry" }, `'whenOpenFails' must be "fail" or "retry": current value is cry`],
  ];
  for (const [options, message] of wrong) {
    const make = () => createPool({ open, ...options } as unknown as PoolOptions<Thing>);
    assertThrows(make, Error, `Cannot pool as ${message}`);
  }
});

Deno.test("acquire() rejects a timeout that is none", async () => {
  const { pool } = scripted();
  await using _pool = pool;
  await assertRejects(() => pool.acquire({ timeout: 0 }), RangeError, "'timeout' must be > 0");
});

Deno.test("a pool in the real world keeps no timer when it has ended", async () => {
  const factory = new Factory();
  await using pool = createPool<Thing>({ open: factory.make, max: 1 });
  const lease = await pool.acquire();
  const next = pool.acquire();
  lease.release();
  (await next).release();
});

Deno.test("what throws when it is disposed is closed all the same, and onError hears of it", async () => {
  const errors: unknown[] = [];
  const end = new AbortController();
  let opened = 0;
  const { pool } = scripted({
    max: 3,
    signal: end.signal,
    onError: (error) => errors.push(error),
    open: () => {
      const number = ++opened;
      const thing = {
        number,
        disposed: 0,
        [Symbol.dispose]() {
          throw `dispose ${number}`;
        },
      };
      return thing;
    },
  });
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  const next = pool.acquire();
  leases[0]!.destroy();
  (await next).release();
  leases[1]!.release();
  end.abort();
  await pool.finished;
  assertEquals(errors.toSorted(), [1, 2, 3, 4].map((number) => `dispose ${number}`));
  assertEquals([pool.stats.size, pool.stats.lent], [0, 0]);
});

Deno.test("reusable() that throws means no, and onError hears of it", async () => {
  const errors: unknown[] = [];
  const { pool, reasons } = scripted({
    reusable: () => {
      throw "who knows";
    },
    onError: (error) => errors.push(error),
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  assertEquals([errors, reasons()], [["who knows"], ["unusable"]]);
});

Deno.test("watch() that throws closes what it should have watched", async () => {
  const { pool, reasons } = scripted({
    watch: () => {
      throw new Error("no way to watch");
    },
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  assertEquals([reasons(), pool.stats.size], [["broken"], 0]);
});

Deno.test("ten thousand that fail their check one after the other do not overflow the stack", async () => {
  const max = 10_000;
  let good = false;
  const { pool, world } = scripted({ max, check: () => good });
  await using _pool = pool;
  const leases = await Promise.all(Array.from({ length: max }, () => pool.acquire()));
  for (const lease of leases) lease.release();
  using lease = await pool.acquire();
  assertEquals([lease.id, pool.stats.closed], [max + 1, { check: max }]);
  good = true;
  assertEquals(world.now(), 0);
});

Deno.test("what an open() that never settles holds up is its place, until openTimeout", async () => {
  let calls = 0;
  const factory = new Factory();
  const { pool, world } = scripted({
    max: 1,
    openTimeout: 100,
    open: (info) => ++calls === 1 ? new Promise(() => {}) : factory.make(info),
  });
  const failed = assertRejects(() => pool.acquire(), DOMException, "Cannot open within 100 ms");
  const next = pool.acquire();
  await world.advance(100);
  await failed;
  (await next).release();
  await pool.shutdown();
  assertEquals(world.sleepers, 0);
});

Deno.test("a pool that drains does not wait for an opening that never settles", async () => {
  const { pool, factory, world } = scripted({ min: 1, openTimeout: Infinity }, { manual: true });
  assertEquals((await pool.shutdown()).duration, 0);
  assertEquals(factory.waiting.map(({ signal }) => signal.aborted), [true]);
  const late = factory.waiting[0]!.resolve();
  await settle();
  assertEquals([late.disposed, world.sleepers], [1, 0]);
});

Deno.test("at the instant when its patience ends, what comes first decides", async () => {
  const { pool, world } = scripted({ max: 1, acquireTimeout: 100 });
  await using _pool = pool;
  const lease = await pool.acquire();
  const served = pool.acquire();
  world.sleep(100).then(() => lease.release()); // its timer was set after the pool's
  const late = assertRejects(() => served, PoolTimeoutError);
  await world.advance(100);
  await late;
  assertEquals(pool.stats.idle, 1);

  const again = await pool.acquire();
  world.sleep(100).then(() => again.release()); // before the pool's
  const lucky = pool.acquire();
  await world.advance(100);
  using next = await lucky;
  assertEquals([next.id, pool.stats.left], [1, 1]);
});

Deno.test("Pool.resize() down to one while many wait serves them one by one, and up all at once", async () => {
  const { pool, factory } = scripted({ min: 2, max: 4 });
  await using _pool = pool;
  const held = await Promise.all([1, 2, 3, 4].map(() => pool.acquire()));
  const served: number[] = [];
  const waiting = [1, 2, 3, 4, 5].map(async (who) => {
    const lease = await pool.acquire();
    served.push(who);
    held.push(lease);
  });
  pool.resize({ min: 0, max: 1 });
  for (const _ of [1, 2, 3]) held.shift()!.release();
  await settle();
  assertEquals([served, factory.open], [[], 1]);
  held.shift()!.release();
  await settle();
  assertEquals([served, factory.open], [[1], 1]);
  pool.resize({ max: 5 });
  await Promise.all(waiting);
  assertEquals([served, factory.open], [[1, 2, 3, 4, 5], 5]);
  for (const lease of held) lease.release();
  assertThrows(() => pool.resize({ max: 0 }), RangeError, "'max' must be an integer >= 1");
});

Deno.test("Pool.resize() to more min is met by warmUp(), to less it has met it", async () => {
  const { pool, factory } = scripted({ min: 1 }, { manual: true });
  await using _pool = pool;
  pool.resize({ min: 3 });
  assertEquals(factory.waiting.length, 3);
  const warm = pool.warmUp();
  factory.waiting[0]!.resolve();
  await settle();
  pool.resize({ min: 1 });
  await warm;
  assertEquals(pool.stats.size, 1);
});

Deno.test("whoever acquires in onEvent gets what is watched, and does not disturb the others", async () => {
  const watched = new Set<Thing>();
  const { pool, events } = scripted({
    max: 1,
    watch: (thing) => void watched.add(thing),
    onEvent: (event) => {
      events.push(event);
      if (event.type === "idle" && events.length < 10) pool.acquire().then((it) => it.release());
    },
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  await settle();
  assertEquals([pool.stats.idle, watched.size], [1, 1]);
});

Deno.test("the pool ends in the middle of lending: the borrower is told, not handed a corpse", async () => {
  const end = new AbortController();
  const lent: number[] = [];
  const { pool, factory } = scripted({
    signal: end.signal,
    onEvent: ({ type }) => type === "lent" && end.abort(),
    lend: (thing) => {
      lent.push(thing.number);
      return thing;
    },
  });
  await assertRejects(() => pool.acquire(), PoolClosedError);
  await pool.finished;
  assertEquals([lent, factory.open, factory.things[0]!.disposed], [[], 0, 1]);
});

Deno.test("what comes back while somebody waits is checked before it is lent on", async () => {
  const { pool, reasons } = scripted({ max: 1, check: ({ number }) => number > 1 });
  await using _pool = pool;
  const lease = await pool.acquire();
  const next = pool.acquire();
  lease.release();
  using other = await next;
  assertEquals([other.value.number, reasons()], [2, ["check"]]);
});

Deno.test("fewer to keep: those that were kept are free for idleTimeout, and no longer", async () => {
  const { pool, world, reasons } = scripted({ min: 2, idleTimeout: 100 });
  await using _pool = pool;
  await world.advance(1000);
  assertEquals(reasons(), []);
  pool.resize({ min: 1 });
  await world.advance(0);
  assertEquals(reasons(), ["idle"]);
});

Deno.test("one more than must be kept ends the time of the one that is free longest", async () => {
  const { pool, factory, world, events } = scripted({ min: 1, idleTimeout: 100 }, { manual: true });
  await using _pool = pool;
  factory.waiting[0]!.resolve();
  await settle();
  const lease = await pool.acquire();
  const abort = new AbortController();
  const called = assertRejects(() => pool.acquire({ signal: abort.signal }));
  abort.abort();
  await called;
  lease.release();
  await world.advance(40);
  factory.waiting[1]!.resolve();
  await world.advance(60);
  const closed = events.filter(({ type }) => type === "closed");
  assertEquals(closed, [{ type: "closed", id: 1, at: 100, reason: "idle" }]);
  await world.advance(1000);
  assertEquals(pool.stats.idle, 1);
});

Deno.test("the minimum is tried again when the wait that doubles is over, and not before", async () => {
  const { pool, factory, world } = scripted({ min: 1, openTimeout: 1000 }, { manual: true });
  await using _pool = pool;
  const roll = dice(7);
  factory.waiting[0]!.reject("down");
  await settle();
  for (const failures of [1, 2]) {
    const wait = backoffDelay(failures, roll());
    await world.advance(wait - 1);
    assertEquals(factory.waiting.length, failures);
    await world.advance(1);
    assertEquals(factory.waiting.length, failures + 1);
    if (failures === 1) factory.waiting[1]!.reject("down");
    await settle();
  }
  // Also one that nobody waits for takes openTimeout at most.
  await world.advance(999);
  assertEquals(factory.waiting[2]!.signal.aborted, false);
  await world.advance(1);
  assertEquals(factory.waiting[2]!.signal.aborted, true);
});

Deno.test("what is gone as soon as it is open is opened again after a wait that doubles", async () => {
  const gone: ((reason: "finished") => void)[] = [];
  const { pool, factory, world } = scripted({
    min: 2,
    watch: (_, tell) => void gone.push(tell),
  });
  await using _pool = pool;
  const die = async () => {
    await settle();
    for (const tell of gone.splice(0)) tell("finished");
    await settle();
  };
  let opened = 2;
  // Both of a round are one death; the rolls between are the lifetimes of what was opened.
  const roll = dice(7);
  roll();
  for (const deaths of [1, 2, 3]) {
    roll();
    const wait = backoffDelay(deaths, roll());
    roll();
    await die();
    await world.advance(wait - 1);
    assertEquals(factory.things.length, opened);
    await world.advance(1);
    await settle();
    assertEquals(factory.things.length, opened += 2);
  }
  // Who asks does not wait for that, nor does warmUp().
  await die();
  (await pool.acquire()).destroy();
  assertEquals(factory.things.length, ++opened);
  const warm = pool.warmUp();
  await warm;
  assertEquals(factory.things.length, opened += 2);
  // What has lived for longer is replaced at once, and the next wait is the first step again.
  await world.advance(20_000);
  await die();
  assertEquals(factory.things.length, opened += 2);
  await die();
  assertEquals(factory.things.length, opened);
  await world.advance(100);
  await settle();
  assertEquals(factory.things.length, opened += 2);
});

Deno.test("what dies after somebody had it is replaced at once", async () => {
  const gone: ((reason: "finished") => void)[] = [];
  const { pool, factory } = scripted({ min: 1, watch: (_, tell) => void gone.push(tell) });
  await using _pool = pool;
  await pool.use(() => {});
  gone.at(-1)!("finished");
  await settle();
  assertEquals(factory.things.length, 2);
});

Deno.test("warmUp() is told of one that is gone as soon as it is open", async () => {
  const { pool, factory } = scripted({
    min: 2,
    watch: (_, gone) => gone("reset", "why"),
  }, { manual: true });
  await using _pool = pool;
  const failed = assertRejects(() => pool.warmUp(), Error, "as soon as it was open: reset");
  factory.waiting[0]!.resolve();
  assertEquals((await failed).cause, "why");
});

Deno.test("watch() that always throws does not make the minimum spin", async () => {
  const { pool, factory } = scripted({
    min: 1,
    watch: () => {
      throw new Error("no watch");
    },
  });
  await using _pool = pool;
  await settle();
  assertEquals(factory.things.length, 1);
});

Deno.test("what opens well ends the wait, and the next failure begins with the first step", async () => {
  const { pool, factory, world } = scripted({
    whenOpenFails: "retry",
    max: 3,
    acquireTimeout: 3000,
  }, { manual: true });
  await using _pool = pool;
  const first = pool.acquire();
  const second = pool.acquire();
  factory.waiting[0]!.reject("down");
  await settle();
  factory.waiting[1]!.resolve();
  using _one = await first;
  await settle();
  assertEquals(factory.waiting.length, 3, "there is no wait any more");
  factory.waiting[2]!.reject("down again");
  await settle();
  const roll = dice(7);
  const waits = [1, 1, 1].map((failures) => backoffDelay(failures, roll()));
  await world.advance(waits[2]! - 1); // the second roll was the lifetime
  assertEquals(factory.waiting.length, 3);
  await world.advance(1);
  assertEquals(factory.waiting.length, 4);
  factory.waiting[3]!.resolve();
  (await second).release();
  pool.resize({ max: 1 });
  const late = assertRejects(() => pool.acquire({ timeout: 10 }), PoolTimeoutError);
  await world.advance(10);
  assertEquals((await late).cause, undefined, "what went wrong is over");
});

Deno.test("what is checked and opened for nobody has its time limits too", async () => {
  const { pool, factory, world, reasons } = scripted({
    max: 2,
    checkTimeout: 500,
    openTimeout: 800,
    check: () => new Promise(() => {}),
  }, { manual: true });
  await using _pool = pool;
  const lease = pool.acquire();
  factory.waiting[0]!.resolve();
  (await lease).release();
  const abort = new AbortController();
  const called = [1, 2].map(() => assertRejects(() => pool.acquire({ signal: abort.signal })));
  abort.abort();
  await Promise.all(called);
  await world.advance(499);
  assertEquals([reasons(), pool.stats.checking, pool.stats.opening], [[], 1, 1]);
  await world.advance(1);
  assertEquals([reasons(), pool.stats.checking], [["check"], 0]);
  await world.advance(299);
  assertEquals(factory.waiting[1]!.signal.aborted, false);
  await world.advance(1);
  assertEquals(factory.waiting[1]!.signal.aborted, true);
});

Deno.test("smaller while some are on their way: no more are lent than may be", async () => {
  const checks: (() => void)[] = [];
  const { pool, factory, reasons } = scripted({
    max: 3,
    check: () => new Promise((resolve) => checks.push(() => resolve(true))),
  }, { manual: true });
  await using _pool = pool;
  const three = [1, 2, 3].map(() => pool.acquire());
  factory.waiting[0]!.resolve();
  const [one] = await Promise.all(three.slice(0, 1));
  pool.resize({ max: 1 });
  factory.waiting[1]!.resolve();
  await settle();
  assertEquals([pool.stats.lent, pool.stats.waiting, reasons()], [1, 2, ["shrunk"]]);
  pool.resize({ max: 2 });
  factory.waiting[2]!.resolve();
  const two = await three[1]!;
  two.release(); // looked at for the third
  pool.resize({ max: 1 });
  checks[0]!();
  await settle();
  assertEquals([pool.stats.lent, pool.stats.size], [1, 1]);
  one!.release();
  checks[1]!();
  (await three[2]!).release();
});

Deno.test("two at the end of their patience, of whom one calls the other off: each is told once", async () => {
  const abort = new AbortController();
  const left: number[] = [];
  const { pool, world } = scripted({
    max: 1,
    acquireTimeout: 50,
    onEvent: (event) => {
      if (event.type !== "left") return;
      left.push(event.ticket);
      abort.abort("me first");
    },
  });
  await using _pool = pool;
  using _lease = await pool.acquire();
  const told = Promise.allSettled([pool.acquire(), pool.acquire({ signal: abort.signal })]);
  const third = pool.acquire({ timeout: 60 });
  const thirds = assertRejects(() => third, PoolTimeoutError);
  await world.advance(50);
  const [one, two] = await told;
  assert(one.status === "rejected" && one.reason instanceof PoolTimeoutError);
  assertEquals(two, { status: "rejected", reason: "me first" });
  assertEquals([left, pool.stats.left, pool.stats.waiting], [[2, 3], 2, 1]);
  await world.advance(10);
  await thirds;
});

Deno.test("each leak is told once, and none of what came back meanwhile", async () => {
  const leases: { release(): void }[] = [];
  const { pool, world, events } = scripted({ leakAfter: 100 });
  await using _pool = pool;
  leases.push(await pool.acquire());
  await world.advance(50);
  leases.push(await pool.acquire());
  await world.advance(500);
  const leaks = () =>
    events.flatMap((event) => event.type === "leak" ? [[event.id, event.at]] : []);
  assertEquals(leaks(), [[1, 100], [2, 150]]);
  for (const lease of leases) lease.release();
  assertEquals(pool.stats.peak, 2);
  using _one = await pool.acquire();
  assertEquals(pool.stats.peak, 2);
});

Deno.test("a leak that is told may end the others", async () => {
  const leases: { release(): void }[] = [];
  const leaks: number[] = [];
  const { pool, world } = scripted({
    leakAfter: 100,
    onEvent: (event) => {
      if (event.type !== "leak") return;
      leaks.push(event.id);
      for (const lease of leases) lease.release();
    },
  });
  await using _pool = pool;
  leases.push(await pool.acquire(), await pool.acquire());
  await world.advance(100);
  assertEquals([leaks, pool.stats.leaks, pool.stats.idle], [[1], 1, 2]);
});

Deno.test("what was closed by whoever heard of it is not closed again, nor checked", async () => {
  for (const type of ["returned", "checking"] as const) {
    const end = new AbortController();
    const checked: number[] = [];
    const { pool, factory, reasons, events } = scripted({
      signal: end.signal,
      check: ({ number }) => {
        checked.push(number);
        return true;
      },
      onEvent: (event) => {
        events.push(event);
        if (event.type === type) end.abort();
      },
    });
    const lease = await pool.acquire();
    if (type === "returned") lease.destroy();
    else {
      lease.release();
      await assertRejects(() => pool.acquire(), PoolClosedError);
    }
    await pool.finished;
    assertEquals([factory.things[0]!.disposed, reasons(), checked], [1, ["aborted"], []]);
  }
});

Deno.test("who acquires when a stale one was closed, and that ended the pool, does not wait", async () => {
  let now = 0;
  const sleepless = { now: () => now, random: () => 0, sleep: () => new Promise<void>(() => {}) };
  const end = new AbortController();
  const { pool } = scripted({
    world: sleepless,
    idleTimeout: 100,
    signal: end.signal,
    onEvent: ({ type }) => type === "closed" && end.abort(),
  });
  (await pool.acquire()).release();
  now = 100;
  await assertRejects(() => pool.acquire(), PoolClosedError);
});

Deno.test("it is told that one is free only if it is, when watch() has seen it", async () => {
  const { pool, types } = scripted({
    max: 1,
    watch: (_, gone) => gone("finished"),
  });
  await using _pool = pool;
  (await pool.acquire()).release();
  assertEquals(types(), ["waiting", "opened", "lent", "returned", "closed"]);
});

Deno.test("once all who waited are served, the process is kept alive for a moment at most", async () => {
  const { pool, world } = scripted({ max: 1, idleTimeout: Infinity, maxLifetime: Infinity });
  await using _pool = pool;
  const lease = await pool.acquire();
  const next = pool.acquire();
  lease.release();
  (await next).release();
  await world.advance(100);
  assertEquals(world.sleepers, 0);
});
