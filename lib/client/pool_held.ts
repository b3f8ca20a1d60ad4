/**
 * What a pool holds, and where each of them is.
 *
 * @module
 */

import type { Entry, EntryState } from "./pool_entry.ts";

/** All that are held. Every step of one from state to state is taken here, and counted. */
export class Held<Resource extends Disposable, Lent> {
  /** How many are being checked. */
  checking = 0;
  /** How many are lent. */
  lent = 0;
  /** The most that were lent at once. */
  peak = 0;
  readonly #all = new Set<Entry<Resource, Lent>>();
  readonly #idle: Entry<Resource, Lent>[] = [];

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Those that are free. The last one came back last. */
  get idle(): readonly Entry<Resource, Lent>[] {
    return this.#idle;
  }

  /** Holds one more. */
  add(entry: Entry<Resource, Lent>): void {
    this.#all.add(entry);
  }

  /** From now on it is there; what is closed is not held any more. */
  turn(entry: Entry<Resource, Lent>, state: EntryState, now: number): void {
    if (entry.state === "idle") this.#takeOff(entry);
    else if (entry.state === "lent") this.lent--;
    else if (entry.state === "checking") this.checking--;
    entry.state = state;
    entry.since = now;
    if (state === "idle") this.#idle.push(entry);
    else if (state === "lent") this.peak = Math.max(this.peak, ++this.lent);
    else if (state === "checking") this.checking++;
    else if (state === "closed") this.#all.delete(entry);
  }

  /** Those in one state, or all, at this moment. */
  list(state?: EntryState): Entry<Resource, Lent>[] {
    return [...this.#all].filter((entry) => state === undefined || entry.state === state);
  }

  /** The last one is what most are after. */
  #takeOff(entry: Entry<Resource, Lent>): void {
    if (this.#idle.at(-1) === entry) this.#idle.pop();
    else this.#idle.splice(this.#idle.indexOf(entry), 1);
  }
}
