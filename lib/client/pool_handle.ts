/**
 * What a program holds of a pool.
 *
 * @module
 */

import type { PoolDrainReport } from "./pool_drain.ts";
import type { PoolStats } from "./pool_events.ts";
import type { PoolLease } from "./pool_lease.ts";

/** Options for {@linkcode Pool.acquire} and {@linkcode Pool.use}. */
export interface AcquireOptions {
  /**
   * Calls it off while it waits: it rejects with the signal's reason. What was being opened for
   * it goes on, for the next in line.
   */
  signal?: AbortSignal | undefined;
  /**
   * The most milliseconds to wait.
   *
   * @default {acquireTimeout}
   */
  timeout?: number;
}

/** Options for {@linkcode Pool.shutdown}. */
export interface PoolShutdownOptions {
  /**
   * Ends the patience with those who hold a lease or wait for one.
   *
   * @default {ten seconds}
   */
  signal?: AbortSignal;
}

/** How many a pool keeps and holds. */
export interface PoolSize {
  /** The least to keep. */
  min?: number;
  /** The most to hold. */
  max?: number;
}

/** A pool; what it lends is a `Lent`. */
export interface Pool<Lent> extends AsyncDisposable {
  /** Resolves when the pool has ended and all it held is closed. It never rejects. */
  readonly finished: Promise<void>;
  /** What was counted up to this moment. */
  readonly stats: PoolStats;
  /**
   * Borrows one: the one that came back last, or else a new one if there is room, or else
   * waits in line. `using lease = await pool.acquire()` gives it back at the end of the block,
   * also if that throws: where an error may leave it in the middle of something,
   * {@linkcode use} is safer.
   *
   * @throws {PoolTimeoutError} If nothing could be lent in time.
   * @throws {PoolFullError} If `maxWaiting` wait already.
   * @throws {PoolClosedError} If the pool has ended or is about to.
   * @throws {Error} What `open` threw, if that is to fail the first in line (`whenOpenFails`).
   * @throws {RangeError} If `timeout` is not > 0.
   */
  acquire(options?: AcquireOptions): Promise<PoolLease<Lent>>;
  /**
   * Borrows one for `fn`, and gives it back; if `fn` throws, it is closed, for who knows its
   * state, and the error thrown on. Borrowing fails as {@linkcode acquire} does.
   */
  use<Result>(
    fn: (lent: Lent) => Result | Promise<Result>,
    options?: AcquireOptions,
  ): Promise<Result>;
  /**
   * Opens what is missing to `min` now; rejects with the first error, also if one is gone as
   * soon as it is open, so that a program can fail at its start and not at its first request.
   * The pool goes on trying in any case.
   *
   * @throws {PoolClosedError} If the pool has ended or is about to.
   */
  warmUp(): Promise<void>;
  /**
   * Changes how many it keeps and holds, from now on. If it is smaller, free ones are closed at
   * once and others when they come back; nothing lent is cut.
   *
   * @throws {TypeError | RangeError} If `min` and `max` make no sense.
   */
  resize(size: PoolSize): void;
  /**
   * Ends the pool gently: nobody new gets a lease, those in line still do, and what is free or
   * comes back is closed. When `signal` aborts, or after 10 seconds, the rest is cut.
   *
   * Called again it returns the same promise; an earlier `signal` shortens the patience.
   */
  shutdown(options?: PoolShutdownOptions): Promise<PoolDrainReport>;
  /** The same as {@linkcode shutdown} with default patience. */
  [Symbol.asyncDispose](): Promise<void>;
}
