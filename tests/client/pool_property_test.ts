/**
 * Thousands of random days of a pool: what must never happen, does not.
 *
 * The model knows who waits and who holds what; after each step, and at the end, the pool must
 * agree with it. What is opened, checked, and dies is in the hands of the test.
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createPool, type Pool, type PoolLease, type PoolOptions } from "../../lib/client/mod.ts";
import { type SeededWorld, seededWorld } from "../../lib/world.ts";

/** What is pooled: it knows whether it is open, who has it, and whether it has died. */
class Thing implements Disposable {
  open = true;
  dead = false;
  borrower: number | undefined;
  /** When it began to be looked at the last time. */
  checked = -1;
  gone: (() => void) | undefined;
  readonly #disposed: () => void;

  constructor(disposed: () => void) {
    this.#disposed = disposed;
  }

  [Symbol.dispose](): void {
    assert(this.open, "disposed twice");
    this.open = false;
    this.#disposed();
  }
}

/** One who asked. */
interface Asked {
  readonly number: number;
  readonly abort: AbortController;
  state: "waiting" | "holding" | "over" | "turned away";
  lease?: PoolLease<Thing>;
}

/** The pool, and all that the test knows. */
class Real {
  readonly world: SeededWorld;
  readonly pool: Pool<Thing>;
  readonly end = new AbortController();
  readonly things: Thing[] = [];
  readonly asked: Asked[] = [];
  readonly openings: { settle: (ok: boolean) => void; signal: AbortSignal }[] = [];
  readonly checks: { thing: Thing; settle: (good: boolean) => void }[] = [];
  /** The order in which leases were handed out, by who asked. */
  readonly served: number[] = [];
  steps = 0;
  max: number;
  shutdown: Promise<unknown> | undefined;
  closed = false;
  /** What the pool should have kept to itself. */
  readonly errors: unknown[] = [];
  readonly #reactions: Reaction[];
  #made = false;

  constructor({ min, max, checks, retry, seed, reactions }: Setup) {
    this.#reactions = [...reactions];
    this.world = seededWorld(seed);
    this.max = max;
    const options: PoolOptions<Thing> = {
      min,
      max,
      world: this.world,
      signal: this.end.signal,
      idleTimeout: 400,
      maxLifetime: 2_000,
      acquireTimeout: 700,
      openTimeout: 300,
      checkTimeout: 150,
      whenOpenFails: retry ? "retry" : "fail",
      open: ({ signal }) => this.#open(signal),
      watch: (thing, gone) => {
        thing.gone = () => gone("finished");
        if (thing.dead) thing.gone();
        this.react("watch()");
      },
      reusable: (thing) => {
        this.react("reusable()");
        return !thing.dead;
      },
      lend: (thing) => {
        assert(thing.open, "a closed one is about to be lent");
        this.react("lend()");
        return thing;
      },
      onEvent: ({ type }) => this.react(type),
      onError: (error) => this.errors.push(error),
    };
    if (checks) options.check = (thing) => this.#check(thing);
    this.pool = createPool(options);
    this.#made = true;
  }

  #open(signal: AbortSignal): Promise<Thing> {
    const { promise, resolve, reject } = Promise.withResolvers<Thing>();
    const settle = (ok: boolean) => {
      if (!ok || signal.aborted) return reject(new Error("refused"));
      const thing = new Thing(() => this.react("dispose()"));
      this.things.push(thing);
      // Never more than max, even while a larger pool shrinks.
      assert(this.open.length <= this.#highWater(), "more than max are open");
      resolve(thing);
    };
    this.openings.push({ settle, signal });
    this.react("open()");
    return promise;
  }

  #check(thing: Thing): Promise<boolean> {
    thing.checked = this.steps;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.checks.push({ thing, settle: (good) => resolve(good && !thing.dead) });
    assert(thing.open, "a closed one is checked");
    this.react("check()");
    return promise;
  }

  /** Since the last resize, no more may be opened than max; those that were open may stay. */
  #highWater(): number {
    return Math.max(this.max, this.#before);
  }
  #before = 0;

  resize(min: number, max: number): void {
    this.#before = this.open.length + this.openings.length;
    this.max = max;
    this.pool.resize({ min, max });
  }

  get open(): Thing[] {
    return this.things.filter(({ open }) => open);
  }

  ask(): void {
    const one: Asked = {
      number: this.asked.length + 1,
      abort: new AbortController(),
      state: "waiting",
    };
    this.asked.push(one);
    this.pool.acquire({ signal: one.abort.signal }).then(
      (lease) => {
        if (lease.released) {
          assert(this.closed, "lent and taken away again");
          one.state = "over";
          return;
        }
        const thing = lease.value;
        assert(one.state === "waiting", "served after it was turned away");
        assert(thing.open, "a closed one was lent");
        assertEquals(thing.borrower, undefined, "lent twice");
        one.state = "holding";
        one.lease = lease;
        thing.borrower = one.number;
        this.served.push(one.number);
      },
      () => {
        assertEquals(one.state, "waiting");
        one.state = "turned away";
      },
    );
  }

  release(which: number, destroy: boolean): void {
    const holding = this.asked.filter(({ state }) => state === "holding");
    const one = holding[which % holding.length];
    if (one === undefined) return;
    const { lease } = one;
    one.state = "over";
    const thing = lease!.released ? undefined : lease!.value;
    if (thing !== undefined) thing.borrower = undefined;
    if (destroy) lease!.destroy();
    else lease!.release();
    lease!.release(); // twice is harmless
    if (destroy && thing !== undefined) assert(!thing.open, "destroyed and yet open");
  }

  /** In the middle of what the pool does, it is told to do something else. */
  react(on: string): void {
    if (!this.#made) return; // it begins to open while it is made
    const at = this.#reactions.findIndex((reaction) => reaction.on === on);
    const [reaction] = at < 0 ? [] : this.#reactions.splice(at, 1);
    if (reaction !== undefined) act(this, reaction.act, reaction.which);
  }

  abort(which: number): void {
    const waiting = this.asked.filter(({ state }) => state === "waiting");
    waiting[which % waiting.length]?.abort.abort();
  }

  /** After each step: nobody is forgotten, nothing is lent that was dead before. */
  async settle(): Promise<void> {
    this.steps++;
    for (let i = 0; i < 30; i++) await undefined;
    assertEquals(this.errors, []);
    const { pool } = this;
    const stats = pool.stats;
    const waiting = this.asked.filter(({ state }) => state === "waiting").length;
    const holding = this.asked.filter(({ state }) => state === "holding");
    assertEquals(stats.waiting, waiting, "a waiter was forgotten");
    assertEquals(stats.size, this.open.length, "what is open and what is counted differ");
    assertEquals(stats.size, stats.idle + stats.checking + stats.lent);
    const lent = holding.filter(({ lease }) => !lease!.released);
    assertEquals(stats.lent, lent.length, "what is lent and what is held differ");
    assertEquals(new Set(lent.map(({ lease }) => lease!.value)).size, lent.length, "lent twice");
    assert(stats.size + stats.opening <= this.#highWater(), "more than max");
    if (!this.closed) {
      const idle = stats.idle > 0 && waiting > stats.checking + stats.opening;
      assert(!idle, "somebody waits while one is free");
      const room = stats.size + stats.opening < stats.max;
      const supplied = stats.checking + stats.opening >= waiting;
      const backsOff = this.world.sleepers > 0;
      assert(!room || supplied || backsOff, "somebody waits although there is room");
    }
    // First come, first served: no one is served while an earlier one of this moment waits.
    const turn = this.served.slice(-1)[0];
    if (turn !== undefined && this.fresh !== this.served.length) {
      const earlier = this.asked.find(({ number, state }) => state === "waiting" && number < turn);
      assertEquals(earlier, undefined, "somebody jumped the line");
    }
    this.fresh = this.served.length;
  }
  fresh = 0;
}

interface Setup {
  min: number;
  max: number;
  checks: boolean;
  retry: boolean;
  seed: number;
  reactions: Reaction[];
}

/** What is done, once, when the pool next calls or tells `on`. */
interface Reaction {
  on: string;
  act: typeof ACTS[number];
  which: number;
}

const ACTS = ["acquire", "release", "destroy", "abort", "resize", "shutdown", "end"] as const;

/** Everything that a pool calls that is not its own, and all it tells. */
const CALLS = [
  ...["open()", "check()", "watch()", "reusable()", "lend()", "dispose()"],
  ...["opened", "idle", "checking", "lent", "returned", "closed"],
  ...["waiting", "left", "openFailed", "draining"],
];

function act(real: Real, what: Reaction["act"], which: number): void {
  switch (what) {
    case "acquire":
      return real.ask();
    case "release":
      return real.release(which, false);
    case "destroy":
      return real.release(which, true);
    case "abort":
      return real.abort(which);
    case "resize":
      return real.resize(0, 1 + which % 4);
    case "shutdown":
      real.closed = true;
      real.shutdown = real.pool.shutdown();
      return;
    case "end":
      real.closed = true;
      return real.end.abort();
  }
}

type Command = fc.AsyncCommand<object, Real>;

/** A command that can always be run. */
function command(name: string, run: (real: Real) => void | Promise<void>): Command {
  return {
    check: () => true,
    run: async (_, real) => {
      await run(real);
      await real.settle();
    },
    toString: () => name,
  };
}

const index = fc.nat(20);
const COMMANDS = [
  fc.constant(command("acquire", (real) => real.ask())),
  fc.constant(command("acquire", (real) => real.ask())),
  index.map((which) => command(`release ${which}`, (real) => real.release(which, false))),
  index.map((which) => command(`release ${which}`, (real) => real.release(which, false))),
  index.map((which) => command(`destroy ${which}`, (real) => real.release(which, true))),
  index.map((which) => command(`abort ${which}`, (real) => real.abort(which))),
  fc.tuple(index, fc.boolean()).map(([which, ok]) =>
    command(`${ok ? "open" : "fail to open"} ${which}`, (real) => {
      real.openings.splice(which % (real.openings.length || 1), 1)[0]?.settle(ok);
    })
  ),
  index.map((which) =>
    command(`open ${which}`, (real) => {
      real.openings.splice(which % (real.openings.length || 1), 1)[0]?.settle(true);
    })
  ),
  fc.tuple(index, fc.boolean()).map(([which, good]) =>
    command(`check ${which}: ${good}`, (real) => {
      real.checks.splice(which % (real.checks.length || 1), 1)[0]?.settle(good);
    })
  ),
  index.map((which) =>
    command(`death of ${which}`, async (real) => {
      const thing = real.open[which % real.open.length];
      if (thing === undefined) return;
      const idle = thing.borrower === undefined;
      thing.dead = true;
      thing.gone?.();
      if (idle) assert(!thing.open, "it died while it was free, and was kept");
      await undefined;
    })
  ),
  fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 6 })).map(([min, max]) =>
    command(`resize ${min} ${max}`, (real) => real.resize(Math.min(min, max), max))
  ),
  fc.integer({ min: 1, max: 500 }).map((ms) =>
    command(`wait ${ms}`, (real) => real.world.advance(ms))
  ),
];

const ENDINGS = (["shutdown", "end"] as const).map((what) =>
  command(what, (real) => act(real, what, 0))
);

const reactions = fc.array(
  fc.record({
    on: fc.constantFrom(...CALLS),
    // To end it is the end of the game, so most do something else.
    act: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...ACTS.slice(0, 5)) },
      { weight: 1, arbitrary: fc.constantFrom(...ACTS) },
    ),
    which: fc.nat(20),
  }),
  { maxLength: 8 },
);

const setups = fc.record({
  min: fc.nat(1),
  max: fc.integer({ min: 1, max: 4 }),
  checks: fc.boolean(),
  retry: fc.boolean(),
  seed: fc.nat(),
  reactions,
});

Deno.test("a pool never lends twice, over-opens, forgets or leaks, whatever happens", async () => {
  await fc.assert(
    fc.asyncProperty(
      setups,
      fc.commands([...COMMANDS, ...ENDINGS.map((it) => fc.constant(it))], {
        maxCommands: 60,
        size: "max",
      }),
      fc.boolean(),
      async (setup, commands, gently) => {
        const real = new Real(setup);
        await fc.asyncModelRun(() => ({ model: {}, real }), commands);
        await end(real, gently);
      },
    ),
    { numRuns: 600 },
  );
});

/** However it ends, nothing is left: no thing open, no one waiting, no timer. */
async function end(real: Real, gently: boolean): Promise<void> {
  real.closed = true;
  real.shutdown ??= real.pool.shutdown();
  if (gently) {
    // Less than the patience of the shutdown, and more than that of any who wait.
    let over = false;
    real.pool.finished.then(() => over = true);
    for (let i = 0; i < 40 && !over; i++) {
      const { checks, openings, asked } = real;
      const busy = asked.some(({ state }) => state === "holding");
      if (!busy && checks.length + openings.length === 0) await real.world.advance(200);
      real.release(0, false);
      for (const { settle } of real.openings.splice(0)) settle(true);
      for (const { settle } of real.checks.splice(0)) settle(true);
      await real.settle();
    }
  } else await real.world.advance(10_000);
  await real.shutdown;
  await real.pool.finished;
  for (const { settle } of real.openings.splice(0)) settle(true); // too late
  for (const { settle } of real.checks.splice(0)) settle(true);
  for (let i = 0; i < 30; i++) await undefined;
  assertEquals(real.open.length, 0, "something is open after the end");
  assertEquals(real.asked.filter(({ state }) => state === "waiting").length, 0);
  for (const { lease } of real.asked) {
    if (lease) assert(lease.released, "a lease outlives the pool");
  }
  assertEquals(real.world.sleepers, 0, "a timer is left");
}
