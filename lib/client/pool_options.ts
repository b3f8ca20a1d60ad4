/**
 * The options of a pool, and what they may be.
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import type { PoolCloseReason, PoolEvent } from "./pool_events.ts";
import type { PoolLease } from "./pool_lease.ts";

/** What a pool is told about the limits it keeps, whatever it holds. */
export interface PoolLimits {
  /**
   * The least to keep, so that somebody who comes need not wait; they are opened in the
   * background, and again when they are gone. Where opening fails, or what is opened is gone at
   * once, there is a wait before that which doubles.
   *
   * @default {0}
   */
  min?: number;
  /**
   * The most to hold, those being opened included.
   *
   * @default {10}
   */
  max?: number;
  /**
   * How many acquires may wait while all are lent; one more is refused at once.
   *
   * @default {Infinity}
   */
  maxWaiting?: number;
  /**
   * The most milliseconds an acquire waits.
   *
   * @default {30000}
   */
  acquireTimeout?: number;
  /**
   * The most milliseconds that opening one may take; then its `signal` aborts, its place is
   * free, and what comes of it later is closed at once.
   *
   * @default {10000}
   */
  openTimeout?: number;
  /**
   * The most milliseconds that a check may take; then what was checked is closed.
   *
   * @default {5000}
   */
  checkTimeout?: number;
  /**
   * What becomes of those who wait when opening fails: `"fail"` tells the error to the first in
   * line, and tries anew for the next one; `"retry"` tells nobody, and tries again after a wait
   * that doubles, until the patience of those who wait is over.
   *
   * @default {"fail"}
   */
  whenOpenFails?: "fail" | "retry";
  /**
   * Closes what nobody has wanted for so many milliseconds, as long as more than `min` are held.
   *
   * @default {600000} ten minutes
   */
  idleTimeout?: number;
  /**
   * Closes what is open for so many milliseconds, or up to `lifetimeJitter` less. What is lent
   * is never cut for that: it is closed when it comes back.
   *
   * @default {1800000} half an hour
   */
  maxLifetime?: number;
  /**
   * The share of `maxLifetime` that the dice may take away, from 0 to 1.
   *
   * @default {0.1}
   */
  lifetimeJitter?: number;
  /**
   * Tells of a lease that is held for so many milliseconds, once, with the stack of who acquired
   * it. Keeping that stack costs some microseconds for each acquire, so it is off by default.
   *
   * @default {Infinity}
   */
  leakAfter?: number;
  /**
   * Ends the pool now when it aborts: what waits is rejected, what is held is closed, also what
   * is lent. For a gentler end there is {@linkcode Pool.shutdown}.
   */
  signal?: AbortSignal | undefined;
  /** Hears all that happens, as it happens. What it throws goes to `reportError`. */
  onEvent?: (event: PoolEvent) => void;
  /**
   * Hears what nobody else could be told: what `Symbol.dispose` of something held, or `reusable`,
   * threw. The pool goes on.
   *
   * @default {reportError}, which ends a process that does not listen to `"error"` events
   */
  onError?: (error: unknown) => void;
  /**
   * The clock and the dice.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Options for {@linkcode createPool}. */
export interface PoolOptions<Resource extends Disposable, Lent = Resource> extends PoolLimits {
  /**
   * Opens one. It should heed `signal`, which aborts after `openTimeout` and when the pool ends.
   * It does not abort when the acquire it was called for is called off: the next one needs it.
   */
  open: (info: { signal: AbortSignal }) => Resource | Promise<Resource>;
  /**
   * Whether it can be lent, asked each time before it is, except when it was just opened. What
   * says `false` or throws is closed, and another one is taken.
   */
  check?: (resource: Resource) => boolean | Promise<boolean>;
  /**
   * Called whenever it becomes free: looks out for its death, and says so by `gone`. What is gone
   * while it is free is closed; once it is lent, `gone` does nothing, as the borrower will see.
   */
  watch?: (resource: Resource, gone: (reason: PoolCloseReason, error?: unknown) => void) => void;
  /** Whether what came back can be lent again: not in the middle of something, and not closed. */
  reusable?: (resource: Resource) => boolean;
  /**
   * What the borrower gets to hold, made anew for each lease.
   *
   * @default {(resource) => resource}
   */
  lend?: (resource: Resource, lease: PoolLease<Lent>) => Lent;
}

/** The limits with their defaults, once they are known to make sense. */
export type CheckedLimits = ReturnType<typeof checkLimits>;

/**
 * Fills in the defaults.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 */
export function checkLimits(options: PoolLimits) {
  const {
    min = 0,
    max = 10,
    maxWaiting = Infinity,
    acquireTimeout = 30_000,
    openTimeout = 10_000,
    checkTimeout = 5_000,
    whenOpenFails = "fail",
    idleTimeout = 600_000,
    maxLifetime = 1_800_000,
    lifetimeJitter = 0.1,
    leakAfter = Infinity,
    signal,
    onEvent,
    onError = reportError,
    world = realWorld,
  } = options;
  checkSizes(min, max);
  if (maxWaiting !== Infinity) checkCount("maxWaiting", maxWaiting, 0);
  const times = { acquireTimeout, openTimeout, checkTimeout, idleTimeout, maxLifetime, leakAfter };
  for (const [name, ms] of Object.entries(times)) checkDuration(name, ms);
  if (!(lifetimeJitter >= 0 && lifetimeJitter <= 1)) {
    throw outOfRange("lifetimeJitter", "from 0 to 1", lifetimeJitter);
  }
  if (whenOpenFails !== "fail" && whenOpenFails !== "retry") {
    throw new TypeError(
      `Cannot pool as 'whenOpenFails' must be "fail" or "retry": current value is ${whenOpenFails}`,
    );
  }
  return {
    min,
    max,
    maxWaiting,
    ...times,
    whenOpenFails,
    lifetimeJitter,
    signal,
    onEvent,
    onError,
    world,
  };
}

/** Checks how many a pool may hold, now or when that is changed. */
export function checkSizes(min: number, max: number): void {
  checkCount("min", min, 0);
  checkCount("max", max, 1);
  if (min > max) throw outOfRange("min", `at most 'max', which is ${max}`, min);
}

function checkDuration(name: string, ms: number): void {
  if (typeof ms !== "number") {
    throw new TypeError(`Cannot pool as '${name}' must be a number: current value is ${ms}`);
  }
  if (!(ms > 0)) throw outOfRange(name, "> 0", ms);
}

function checkCount(name: string, value: number, least: number): void {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot pool as '${name}' must be a number: current value is ${value}`);
  }
  if (!Number.isSafeInteger(value) || value < least) {
    throw outOfRange(name, `an integer >= ${least}`, value);
  }
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot pool as '${name}' must be ${rule}: current value is ${value}`);
}
