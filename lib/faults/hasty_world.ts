import { seededWorld, type SleepOptions, type World } from "../world.ts";

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
  const inner = seededWorld(seed);
  const due = new Map<symbol, number>();
  let running = false;
  let idle = Promise.withResolvers<void>();
  idle.resolve();
  const run = async () => {
    running = true;
    idle = Promise.withResolvers();
    // It lets everybody run who can, and wakes those who have gone to sleep meanwhile as well.
    while (due.size > 0) await inner.advance(Math.max(0, Math.min(...due.values()) - inner.now()));
    running = false;
    idle.resolve();
  };
  return {
    now: () => inner.now(),
    random: () => inner.random(),
    sleeps: inner.sleeps,
    idle: () => idle.promise,
    [Symbol.asyncDispose]: () => idle.promise,
    async sleep(ms: number, options: SleepOptions = {}): Promise<void> {
      const id = Symbol();
      const sleep = inner.sleep(ms, options);
      if (ms === Infinity || options.signal?.aborted) return sleep;
      due.set(id, inner.now() + ms);
      if (!running) run();
      try {
        await sleep;
      } finally {
        due.delete(id);
      }
    },
  };
}
