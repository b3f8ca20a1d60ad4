/**
 * Time and chance, as an argument: whatever waits or rolls dice in this toolkit
 * takes a {@linkcode World}, so that a test can hand it one it controls.
 *
 * @example Ten minutes of waiting, at once
 * ```ts
 * import { seededWorld } from "@tcplab/tcplab/world";
 * import { assertEquals } from "@std/assert";
 *
 * const world = seededWorld(7, { auto: true });
 * await world.sleep(600_000);
 * assertEquals(world.now(), 600_000);
 * assertEquals(world.sleeps, [600_000]);
 * ```
 *
 * @module
 */

/** Options for {@linkcode World.sleep}. */
export interface SleepOptions {
  /** Ends the sleep early: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Whether the timer keeps the process alive.
   *
   * @default {true}
   */
  ref?: boolean;
}

/** A clock and dice. */
export interface World {
  /** Milliseconds on a clock that never goes back; its zero means nothing. */
  now(): number;
  /**
   * The same, in whole milliseconds, as it was when what runs now began to: late by as long as a
   * program lets no other microtask run, as libuv's `uv_now()` is. For deadlines of who asks many
   * thousand times a second. Without it there is `now()`.
   */
  coarseNow?(): number;
  /**
   * Resolves after `ms` milliseconds, which `Infinity` makes never; rejects with the signal's
   * reason if that aborts first.
   */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
  /** A number from 0 up to but not including 1. */
  random(): number;
  /** The time of day at which `now()` was 0, in milliseconds since 1970; not every world has one. */
  readonly epoch?: number;
}

/** The world outside: the system's monotonic clock and its random numbers. */
export const realWorld: World = {
  now: () => performance.now(),
  coarseNow: realCoarseNow,
  sleep: realSleep,
  random: Math.random,
  epoch: performance.timeOrigin,
};

let known = false;
let date = NaN;
let dated = 0;
const settled = Promise.resolve();

function forget(): void {
  known = false;
}

/**
 * The time of day is cheaper to read than the clock; whenever it has changed, in either direction,
 * so has the clock. And one reading serves all that runs until the microtasks that wait already have
 * had their turn. A whole number costs less than one with a fraction, as V8 need not box it.
 */
function realCoarseNow(): number {
  if (known) return dated;
  known = true;
  settled.then(forget);
  const today = Date.now();
  if (today !== date) {
    date = today;
    dated = Math.floor(performance.now());
  }
  return dated;
}

/** setTimeout() holds a signed 32-bit number of milliseconds; longer fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

function realSleep(ms: number, options: SleepOptions = {}): Promise<void> {
  const { signal, ref = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = (left: number) => {
    // Infinity means "no deadline": there is nothing to arm.
    if (left === Infinity) return;
    const step = Math.min(left, LONGEST_TIMER);
    timer = setTimeout(() => left > step ? wait(left - step) : wake(), step);
    if (!ref) Deno.unrefTimer(timer);
  };
  const wake = () => {
    signal?.removeEventListener("abort", abort);
    resolve();
  };
  const abort = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  signal?.addEventListener("abort", abort, { once: true });
  wait(ms);
  return promise;
}

/** Options for {@linkcode seededWorld}. */
export interface SeededWorldOptions {
  /**
   * Whether every sleep ends by itself, moving the clock on, instead of waiting
   * for {@linkcode SeededWorld.advance}.
   *
   * @default {false}
   */
  auto?: boolean;
}

/** A world that moves only when it is told to, and rolls the same dice each time. */
export interface SeededWorld extends World {
  /** Every sleep asked for so far, in milliseconds, in order. */
  readonly sleeps: readonly number[];
  /** How many sleepers wait now. */
  readonly sleepers: number;
  /**
   * Moves the clock on by `ms` milliseconds and wakes, in order of their deadlines,
   * whoever is due by then, also those who fall asleep again on the way.
   */
  advance(ms: number): Promise<void>;
}

/** Makes a world with its own clock, which starts at 0, and dice that `seed` decides. */
export function seededWorld(seed: number, options: SeededWorldOptions = {}): SeededWorld {
  return new VirtualWorld(seed, options.auto ?? false);
}

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

class VirtualWorld implements SeededWorld {
  readonly sleeps: number[] = [];
  readonly random: () => number;
  readonly #auto: boolean;
  #sleepers: Sleeper[] = [];
  #now = 0;

  constructor(seed: number, auto: boolean) {
    this.random = dice(seed);
    this.#auto = auto;
  }

  get sleepers(): number {
    return this.#sleepers.length;
  }

  now(): number {
    return this.#now;
  }

  async sleep(ms: number, options: SleepOptions = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    const due = this.#now + Math.max(0, ms);
    if (this.#auto && due < Infinity) {
      this.#now = due;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper: Sleeper = { due, wake: resolve };
    const abort = () => {
      this.#remove(sleeper);
      reject(signal?.reason);
    };
    this.#sleepers.push(sleeper);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#remove(next);
      this.#now = next.due;
      next.wake();
      await settle();
    }
    this.#now = Math.max(this.#now, end); // an automatic sleeper may be ahead
  }

  /** The sleeper due first, by `end`; of two due at once, who slept first. */
  #next(end: number): Sleeper | undefined {
    let first: Sleeper | undefined;
    for (const sleeper of this.#sleepers) {
      if (sleeper.due <= end && (first === undefined || sleeper.due < first.due)) first = sleeper;
    }
    return first;
  }

  #remove(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
  }
}

/**
 * Lets whoever was woken run until it waits again. One trip through the event
 * loop runs every promise reaction there is; no time is measured.
 */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Dice that roll the same numbers for the same `seed` (mulberry32: 32 bits of
 * state, more than faults and jitter need; not for secrets).
 */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
