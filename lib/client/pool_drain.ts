/**
 * How the end of a pool went.
 *
 * @module
 */

/** A lease that was not given back in time. */
export interface CutLease {
  /** Which of the pool's it was. */
  readonly id: number;
  /** For how many milliseconds it had been held. */
  readonly held: number;
  /** Where it was acquired, if `leakAfter` is set. */
  readonly stack: string | undefined;
}

/** What `shutdown()` of a pool resolves with. */
export interface PoolDrainReport {
  /** How many milliseconds it took. */
  readonly duration: number;
  /** How many of those that were lent when it began, or were in line, came back. */
  readonly returned: number;
  /** Those that had to be cut. */
  readonly cut: readonly CutLease[];
  /** Acquires that were in line when the patience was over. */
  readonly turnedAway: number;
}

/** What is counted for the report while a pool drains. */
export interface Draining {
  /** When it began. */
  readonly since: number;
  /** How many have come back since. */
  returned: number;
  /** Those that were cut. */
  readonly cut: CutLease[];
  /** How many had to leave the line. */
  turnedAway: number;
}
