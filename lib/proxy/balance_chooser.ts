/**
 * What a way to choose may look at, and what it is.
 *
 * @module
 */

/** A server that may be chosen. There is always one at least. */
export interface Candidate {
  /** Its name. */
  readonly id: string;
  /** How much of the traffic is its due, compared with the others: > 0. */
  readonly weight: number;
  /** How many connections it has now. */
  readonly active: number;
}

/** What is known of the connection to be placed. */
export interface Asked {
  /** What it is recognized by, such as the client's address; `""` if by nothing. */
  readonly key: string;
  /** The dice: a number from 0 up to but not including 1. */
  readonly random: () => number;
}

/** A way to choose. */
export interface Chooser {
  /** One of `candidates`. */
  choose(candidates: readonly Candidate[], asked: Asked): Candidate;
  /** Forgets a server, which comes back as a new one. */
  forget?(id: string): void;
}
