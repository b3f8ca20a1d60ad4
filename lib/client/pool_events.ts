/**
 * What a pool tells of its day.
 *
 * @module
 */

/**
 * Why a pool closed what it held:
 *
 * - `"finished"`, `"reset"`, `"broken"`, `"unexpected"`: while it was idle the peer said FIN, or
 *   reset it, or it failed in another way, or bytes came that nobody had asked for;
 * - `"check"`: it failed its check, or did not pass it in time;
 * - `"unusable"`: it came back in the middle of something, or closed;
 * - `"destroyed"`: the borrower said so, or threw;
 * - `"idle"`, `"lifetime"`: nobody wanted it for `idleTimeout`; it was open for `maxLifetime`;
 * - `"shrunk"`: the pool was made smaller;
 * - `"drained"`, `"cut"`, `"aborted"`: the pool ended: it was free, or came back; or it was lent
 *   still when the patience of `shutdown()` was over, or when `signal` aborted.
 */
export type PoolCloseReason =
  | "finished"
  | "reset"
  | "broken"
  | "unexpected"
  | "check"
  | "unusable"
  | "destroyed"
  | "idle"
  | "lifetime"
  | "shrunk"
  | "drained"
  | "cut"
  | "aborted";

/** What happened to one of those that a pool holds; `id` counts them from 1. */
export type PoolConnEvent =
  | {
    /** It was opened. */
    readonly type: "opened";
    /** Which one. */
    readonly id: number;
    /** Milliseconds on the clock of the pool's `World`. */
    readonly at: number;
    /** How many milliseconds that took. */
    readonly took: number;
  }
  | {
    /** It is free, and waits to be wanted. */
    readonly type: "idle";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
  }
  | {
    /** It is looked at before it is lent. */
    readonly type: "checking";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
  }
  | {
    /** It was lent. */
    readonly type: "lent";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
    /** To whom: the number of the acquire, from 1. */
    readonly ticket: number;
    /** How many milliseconds the borrower had waited. */
    readonly waited: number;
  }
  | {
    /** It came back. */
    readonly type: "returned";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
    /** How many milliseconds it was away. */
    readonly held: number;
  }
  | {
    /** It is lent for longer than `leakAfter`. */
    readonly type: "leak";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
    /** For how many milliseconds. */
    readonly held: number;
    /** Where it was acquired. */
    readonly stack: string;
  }
  | {
    /** It was closed. */
    readonly type: "closed";
    /** Which one. */
    readonly id: number;
    /** When. */
    readonly at: number;
    /** Why. */
    readonly reason: PoolCloseReason;
    /** What broke it, if that is known. */
    readonly error?: unknown;
  };

/** What happened to one who acquires, or to the pool. */
export type PoolLineEvent =
  | {
    /** Nothing is ready to be lent: an acquire waits. */
    readonly type: "waiting";
    /** Which one: the number of the acquire, from 1. */
    readonly ticket: number;
    /** When. */
    readonly at: number;
  }
  | {
    /** An acquire left the line with nothing. */
    readonly type: "left";
    /** Which one. */
    readonly ticket: number;
    /** When. */
    readonly at: number;
    /** How many milliseconds it had waited. */
    readonly waited: number;
    /** What it was told. */
    readonly error: unknown;
  }
  | {
    /** Opening one failed. */
    readonly type: "openFailed";
    /** When. */
    readonly at: number;
    /** Why. */
    readonly error: unknown;
  }
  | {
    /** `shutdown()` was called. */
    readonly type: "draining";
    /** When. */
    readonly at: number;
  };

/** Something a pool tells through `onEvent`; `type` says what. */
export type PoolEvent = PoolConnEvent | PoolLineEvent;

/** A pool's counts at one moment. */
export interface PoolStats {
  /** The least it keeps. */
  readonly min: number;
  /** The most it may hold. */
  readonly max: number;
  /** Held: free, being checked, or lent. */
  readonly size: number;
  /** Free. */
  readonly idle: number;
  /** Being checked before they are lent. */
  readonly checking: number;
  /** Lent. */
  readonly lent: number;
  /** Being opened. */
  readonly opening: number;
  /** Acquires that wait. */
  readonly waiting: number;
  /** For how many milliseconds the longest lease is held; 0 if there is none. */
  readonly longestHeld: number;
  /** The most that were lent at once. */
  readonly peak: number;
  /** Opened so far. */
  readonly opened: number;
  /** Opening failed so often. */
  readonly openFailed: number;
  /** Leases so far. */
  readonly acquired: number;
  /** Acquires that left the line with nothing: out of time, called off, or failed. */
  readonly left: number;
  /** Acquires for whom the line was too long. */
  readonly refused: number;
  /** Leases that were held for longer than `leakAfter`. */
  readonly leaks: number;
  /** Closed so far, by reason; reasons that did not occur are missing. */
  readonly closed: Readonly<Partial<Record<PoolCloseReason, number>>>;
}
