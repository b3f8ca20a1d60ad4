/**
 * How a pool says no.
 *
 * @module
 */

import type { PoolStats } from "./pool_events.ts";

/** The pool is closed, or is closing: it lends no more. */
export class PoolClosedError extends Error {
  /** Says so; `cause` is what ended it, if it was aborted. */
  constructor(options?: ErrorOptions) {
    super("Cannot acquire as the pool is closed", options);
    this.name = "PoolClosedError";
  }
}

/** As many wait already as may: `maxWaiting`. */
export class PoolFullError extends Error {
  /** The pool at that moment. */
  readonly stats: PoolStats;

  /** Says how many wait. */
  constructor(stats: PoolStats) {
    super(`Cannot acquire as the line is full: ${describe(stats)}`);
    this.name = "PoolFullError";
    this.stats = stats;
  }
}

/**
 * Nothing could be lent in time. The message tells why: leases that are never given back
 * look quite unlike a server that cannot be reached, of which `cause` is the last error.
 */
export class PoolTimeoutError extends Error {
  /** How many milliseconds were waited. */
  readonly waited: number;
  /** The pool at that moment. */
  readonly stats: PoolStats;

  /** Says what the pool was doing all the time. */
  constructor(waited: number, stats: PoolStats, options?: ErrorOptions) {
    super(`Cannot acquire within ${Math.round(waited)} ms: ${describe(stats)}`, options);
    this.name = "PoolTimeoutError";
    this.waited = waited;
    this.stats = stats;
  }
}

/** What was lent is used after it was given back: it may be another borrower's by now. */
export class LeaseReleasedError extends Error {
  /** Says what was tried. */
  constructor(deed: string) {
    super(`Cannot ${deed} as its lease is over: it was given back to the pool, or the pool ended`);
    this.name = "LeaseReleasedError";
  }
}

function describe({ lent, max, opening, waiting, longestHeld }: PoolStats): string {
  const held = lent === 0 ? "" : `, one of them for ${Math.round(longestHeld)} ms`;
  return `${lent} of ${max} are lent${held}, ${opening} being opened, ${waiting} waiting`;
}
