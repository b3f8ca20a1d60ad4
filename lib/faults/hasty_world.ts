import { type SeededWorld, seededWorld, type SleepOptions, type World } from "../world.ts";

/** A world of its own time, and what was waited for in it. */
export interface HastyWorld extends World, AsyncDisposable {
  /** Every sleep asked for so far, in milliseconds, in order. */
  readonly sleeps: readonly number[];
  /** Resolves when nobody sleeps any more but those who sleep for ever. */
  idle(): Promise<void>;
  /** The same: `await using` it, before what uses it, so that a test leaves no timer behind. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Makes a world in which time passes as soon as everybody waits: then the clock jumps to whoever
 * is to wake first. A test of ten minutes of timeouts runs in milliseconds, in the same order.
 *
 * Only what runs in this process is seen to be busy, so it is for streams in memory, not for
 * sockets: there, time would run away while bytes are on their way.
 */
export function hastyWorld(seed: number): HastyWorld {
  return new Hasty(seed);
}

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

class Hasty implements HastyWorld {
  readonly sleeps: number[] = [];
  readonly random: () => number;
  /** It is for its dice, and to wait until nobody can run. */
  readonly #inner: SeededWorld;
  readonly #sleepers = new Set<Sleeper>();
  #now = 0;
  #running = false;
  #idle = Promise.resolve();

  constructor(seed: number) {
    this.#inner = seededWorld(seed);
    this.random = this.#inner.random;
  }

  now(): number {
    return this.#now;
  }

  sleep(ms: number, options: SleepOptions = {}): Promise<void> {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.sleeps.push(ms);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => {
      this.#sleepers.delete(sleeper);
      reject(signal?.reason);
    };
    const wake = () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    };
    const sleeper = { due: this.#now + Math.max(0, ms), wake };
    signal?.addEventListener("abort", abort, { once: true });
    if (ms < Infinity) this.#sleepers.add(sleeper);
    if (!this.#running) this.#idle = this.#run();
    return promise;
  }

  async idle(): Promise<void> {
    await this.#idle;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.idle();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#sleepers.size > 0) {
      await this.#inner.advance(0); // lets everybody run who can
      if (this.#sleepers.size === 0) break;
      this.#now = [...this.#sleepers].reduce((first, { due }) => Math.min(first, due), Infinity);
      for (const sleeper of [...this.#sleepers].filter(({ due }) => due === this.#now)) {
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
    }
    this.#running = false;
  }
}
