/**
 * When to try again after a failed attempt, and which addresses then: decided without a clock.
 *
 * @module
 */

import { backoffDelay, type Jitter } from "./backoff.ts";
import type { RaceRecord } from "./race_record.ts";

/** How attempts are spaced. Times are milliseconds. */
export interface RetryOptions {
  /**
   * The longest wait after the first failure; it doubles with each further one.
   *
   * @default {100}
   */
  backoff?: number;
  /**
   * What no such wait exceeds.
   *
   * @default {10000}
   */
  maxBackoff?: number;
  /**
   * How the dice scatter the wait: see {@linkcode Jitter}.
   *
   * @default {"equal"}
   */
  jitter?: Jitter;
  /**
   * The shortest time between the failure of an address and the next attempt on that same
   * one, whatever the dice say. HAProxy's turn-around is 1000, or its connect timeout if that
   * is shorter: a server that restarts is back by then, and not flooded meanwhile.
   *
   * @default {0}
   */
  turnAround?: number;
  /**
   * Whether each address waits for itself: one that has failed twice waits longer than one
   * that has failed once, and one that the name has only now got does not wait at all. An
   * attempt then goes to those only whose wait is over.
   *
   * @default {false}
   */
  perAddress?: boolean;
}

/** What is known of an address that has failed, or of all of them together. */
interface Failing {
  failures: number;
  wait: number;
  readyAt: number;
}

/** The key of all addresses together, where they do not wait each for itself. */
const ALL = "";

/** Remembers who failed, and how long that counts. */
export class RetryPlan {
  readonly #options: RetryOptions;
  readonly #random: () => number;
  #failing = new Map<string, Failing>();
  /** The addresses that the last attempt knew of. */
  #known: readonly string[] = [];

  /** Makes a plan without a memory; `random` are the dice. */
  constructor(options: RetryOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /**
   * An attempt is over in vain. An address that its lookups do not know any more is forgotten.
   */
  failed({ lookups, connects }: RaceRecord, now: number): void {
    // A name that did not resolve has no address to remember.
    const found = lookups.flatMap(({ addresses }) => addresses);
    const known = [...found, ...connects.map(({ hostname }) => hostname)];
    const perAddress = this.#options.perAddress && known.length > 0;
    this.#known = perAddress ? known : [ALL];
    this.#failing = new Map([...this.#failing].filter(([key]) => this.#known.includes(key)));
    if (!perAddress) return this.#fail(ALL, now);
    for (const { hostname, ended } of connects) this.#fail(hostname, ended);
  }

  /** How long until there is something to try, in milliseconds from `now`. */
  wait(now: number): number {
    const ready = this.#known.map((key) => this.#failing.get(key)?.readyAt ?? now);
    return Math.max(0, Math.min(...ready) - now);
  }

  /** Whether the wait of `address` is over at `now`. */
  mayTry(address: string, now: number): boolean {
    return (this.#failing.get(address)?.readyAt ?? now) <= now;
  }

  #fail(key: string, now: number): void {
    const { backoff: base = 100, maxBackoff: cap = 10_000 } = this.#options;
    const { jitter = "equal", turnAround = 0 } = this.#options;
    const before = this.#failing.get(key);
    const failures = (before?.failures ?? 0) + 1;
    const previous = before?.wait ?? 0;
    const drawn = backoffDelay(failures, this.#random(), { base, cap, jitter, previous });
    const wait = Math.max(drawn, turnAround);
    this.#failing.set(key, { failures, wait, readyAt: now + wait });
  }
}
