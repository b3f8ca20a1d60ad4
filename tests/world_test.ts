import { assert, assertEquals, assertLess, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { dice, realWorld, seededWorld, type World } from "../lib/world.ts";

/** Sleeps, and notes in `log` who woke when. */
async function sleeper(world: World, name: string, ms: number, log: string[]): Promise<void> {
  await world.sleep(ms);
  log.push(`${name} at ${world.now()}`);
}

Deno.test("seededWorld() starts at 0 and moves only by advance()", async () => {
  const world = seededWorld(1);
  assertEquals(world.now(), 0);
  await world.advance(5);
  await world.advance(0.5);
  assertEquals(world.now(), 5.5);
});

Deno.test("SeededWorld.advance() wakes in the order of deadlines, at their times", async () => {
  const world = seededWorld(1);
  const log: string[] = [];
  const all = [
    sleeper(world, "late", 30, log),
    sleeper(world, "early", 10, log),
    sleeper(world, "first of two", 20, log),
    sleeper(world, "second of two", 20, log),
    sleeper(world, "never mind", -5, log),
  ];
  assertEquals(world.sleepers, 5);
  await world.advance(29);
  const byThen = ["never mind at 0", "early at 10", "first of two at 20", "second of two at 20"];
  assertEquals(log, byThen);
  assertEquals([world.now(), world.sleepers], [29, 1]);
  await world.advance(1);
  assertEquals(log, [...byThen, "late at 30"]);
  assertEquals(world.sleeps, [30, 10, 20, 20, -5]);
  await Promise.all(all);
});

Deno.test("SeededWorld.advance() wakes those who fall asleep again on the way", async () => {
  const world = seededWorld(1);
  const log: string[] = [];
  const twice = (async () => {
    await sleeper(world, "a", 10, log);
    await sleeper(world, "a", 10, log);
  })();
  const once = sleeper(world, "b", 15, log);
  await world.advance(20);
  assertEquals(log, ["a at 10", "b at 15", "a at 20"]);
  await Promise.all([twice, once]);
});

Deno.test("SeededWorld.advance() wakes everyone who is due, in order, whatever they asked", async () => {
  const times = fc.array(fc.nat({ max: 50 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(times, fc.nat({ max: 60 }), async (asked, ms) => {
      const world = seededWorld(1);
      const woken: number[] = [];
      for (const time of asked) {
        world.sleep(time).then(() => {
          assertEquals(world.now(), time);
          woken.push(time);
        });
      }
      await world.advance(ms);
      assertEquals(woken, asked.filter((time) => time <= ms).sort((a, b) => a - b));
      assertEquals(world.sleepers, asked.length - woken.length);
    }),
    { numRuns: 30 },
  );
});

Deno.test("SeededWorld.sleep() rejects with the reason when its signal aborts", async () => {
  const world = seededWorld(1);
  const reason = new Error("enough");
  const controller = new AbortController();
  const sleep = world.sleep(10, { signal: controller.signal });
  controller.abort(reason);
  assertEquals(await assertRejects(() => sleep), reason);
  assertEquals(world.sleepers, 0);
  assertEquals(await assertRejects(() => world.sleep(10, controller)), reason);
  assertEquals(world.sleeps, [10]);
});

Deno.test("SeededWorld.sleep() of Infinity waits for its signal, also in an automatic world", async () => {
  for (const auto of [false, true]) {
    const world = seededWorld(1, { auto });
    const controller = new AbortController();
    const sleep = world.sleep(Infinity, controller);
    await world.advance(Number.MAX_SAFE_INTEGER);
    assertEquals(world.sleepers, 1);
    controller.abort("enough");
    assertEquals(await sleep.catch((reason) => reason), "enough");
  }
});

Deno.test("seededWorld() with auto ends every sleep by itself and moves the clock on", async () => {
  const world = seededWorld(1, { auto: true });
  await world.sleep(100);
  await world.sleep(0);
  await world.sleep(50.5);
  await world.sleep(-1);
  assertEquals(world.now(), 150.5);
  assertEquals(world.sleeps, [100, 0, 50.5, -1]);
});

Deno.test("SeededWorld.now() never goes back, however advances and sleeps meet", async () => {
  const world = seededWorld(1, { auto: true });
  const advanced = world.advance(10);
  await world.sleep(100); // ahead of the one who advances
  await advanced;
  assertEquals(world.now(), 100);

  const manual = seededWorld(1);
  const asleep = [manual.sleep(5), manual.sleep(15)];
  await Promise.all([manual.advance(20), manual.advance(10)]);
  assertEquals(manual.now(), 20);
  await Promise.all(asleep);
});

Deno.test("dice() roll the same numbers for the same seed, and others for another", () => {
  fc.assert(fc.property(fc.integer(), (seed) => {
    const rolls = (seed: number) => Array.from({ length: 10 }, dice(seed));
    assertEquals(rolls(seed), rolls(seed));
    assertNotEquals(rolls(seed), rolls(seed + 1));
    const world = seededWorld(seed);
    assertEquals(Array.from({ length: 10 }, world.random), rolls(seed));
  }));
});

Deno.test("dice() roll every part of 0 to 1 about as often, whatever the seed", () => {
  const property = fc.property(fc.integer(), (seed) => {
    const bins = new Array(16).fill(0);
    const roll = dice(seed);
    for (let i = 0; i < 16_000; i++) {
      const number = roll();
      assert(number >= 0 && number < 1, `rolled ${number}`);
      bins[Math.floor(number * 16)]++;
    }
    // Chi-squared with 15 degrees of freedom: one seed in a million exceeds 56.
    const distance = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    assertLess(distance, 56);
  });
  // The seeds are always the same: that one in a million is not to be met some day.
  fc.assert(property, { seed: 2, numRuns: 50 });
});

Deno.test("realWorld.coarseNow() never goes back, and is now(), but for a little", async () => {
  let last = realWorld.coarseNow!();
  const until = performance.now() + 5; // a few ticks of the clock
  while (last < until) {
    const before = realWorld.now();
    const now = realWorld.coarseNow!();
    assert(now >= last && now <= realWorld.now());
    assert(now > before - 1000, `${before - now} ms late`);
    assertEquals(realWorld.coarseNow!(), now); // until others have run
    last = now;
    await undefined;
    await undefined;
  }
});

Deno.test("realWorld.now() never goes back", () => {
  let last = realWorld.now();
  for (let i = 0; i < 1000; i++) {
    const now = realWorld.now();
    assert(now >= last);
    last = now;
  }
});

Deno.test("realWorld.random() is from 0 up to 1", () => {
  for (let i = 0; i < 1000; i++) {
    const number = realWorld.random();
    assert(number >= 0 && number < 1);
  }
});

Deno.test("realWorld.sleep() resolves, and not before its time", async () => {
  const started = realWorld.now();
  await realWorld.sleep(3);
  // Timers count whole milliseconds.
  assert(realWorld.now() - started >= 2);
});

// The sanitizers see to it that no timer is left.
Deno.test("realWorld.sleep() rejects with the reason and leaves no timer when aborted", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const sleeps = [1e6, Infinity].map((ms) => realWorld.sleep(ms, controller));
  controller.abort(reason);
  const late = realWorld.sleep(1e6, controller);
  for (const sleep of [...sleeps, late]) assertEquals(await assertRejects(() => sleep), reason);
});

Deno.test("World.sleep() lets go of its signal when it is over", async () => {
  const signal = new CountedSignal();
  await realWorld.sleep(0, { signal });
  assertEquals(signal.listeners, 0);

  const world = seededWorld(1);
  const sleep = world.sleep(1, { signal });
  assertEquals(signal.listeners, 1);
  await world.advance(1);
  await sleep;
  assertEquals(signal.listeners, 0);
});

Deno.test("realWorld.sleep() of Infinity arms no timer", async () => {
  using timers = new FakeTimers();
  const controller = new AbortController();
  const sleep = realWorld.sleep(Infinity, controller);
  assertEquals(timers.asked, []);
  controller.abort("enough");
  assertEquals(await sleep.catch((reason) => reason), "enough");
});

Deno.test("realWorld.sleep() can be longer than a timer", async () => {
  using timers = new FakeTimers();
  let over = false;
  const sleep = realWorld.sleep(2 ** 32 + 5).then(() => over = true);
  assertEquals(timers.asked, [2 ** 31 - 1]);
  timers.ring();
  timers.ring();
  assertEquals(timers.asked, [2 ** 31 - 1, 2 ** 31 - 1, 7]);
  await Promise.resolve();
  assertEquals(over, false);
  timers.ring();
  await sleep;
  assertEquals(timers.asked.length, 3);
});

Deno.test("realWorld.sleep() with ref: false keeps no process alive, however long", async () => {
  using timers = new FakeTimers();
  const sleep = realWorld.sleep(2 ** 31, { ref: false });
  assertEquals(timers.unrefed, 1);
  timers.ring();
  assertEquals(timers.unrefed, 2);
  timers.ring();
  await sleep;

  const kept = realWorld.sleep(1);
  assertEquals(timers.unrefed, 2);
  timers.ring();
  await kept;
});

/** Counts who still listens to it. */
class CountedSignal extends EventTarget implements AbortSignal {
  readonly aborted = false;
  readonly reason = undefined;
  onabort = null;
  listeners = 0;
  throwIfAborted(): void {}
  override addEventListener(): void {
    this.listeners++;
  }
  override removeEventListener(): void {
    this.listeners--;
  }
}

/** Stands in for the system's timers, which go up to 24 days, until disposed. */
class FakeTimers implements Disposable {
  readonly asked: number[] = [];
  unrefed = 0;
  #due: () => void = () => {};
  readonly #setTimeout = globalThis.setTimeout;
  readonly #unrefTimer = Deno.unrefTimer;

  constructor() {
    const setTimeout = (due: () => void, ms: number) => {
      this.asked.push(ms);
      this.#due = due;
      return this.asked.length;
    };
    Object.assign(globalThis, { setTimeout });
    Deno.unrefTimer = () => void this.unrefed++;
  }

  /** Lets the timer set last run out. */
  ring(): void {
    this.#due();
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    Deno.unrefTimer = this.#unrefTimer;
  }
}
