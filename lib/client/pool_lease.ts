/**
 * What a borrower holds in its hands.
 *
 * @module
 */

import { LeaseReleasedError } from "./pool_errors.ts";

/** Something that a pool has lent, until it is given back. */
export interface PoolLease<T> extends Disposable {
  /** Which of the pool's it is, counted from 1: the same number is the same one again. */
  readonly id: number;
  /**
   * What was lent.
   *
   * @throws {LeaseReleasedError} If it was given back.
   */
  readonly value: T;
  /** Whether it was given back, or the pool has ended. */
  readonly released: boolean;
  /** Gives it back. Again is harmless. */
  release(): void;
  /** Gives it back to be closed, not to be lent again. Again is harmless. */
  destroy(): void;
  /** The same as {@linkcode release}. */
  [Symbol.dispose](): void;
}

/** What a lease knows of what it is about. */
export interface Lendable<Self> {
  /** Its number. */
  readonly id: number;
  /** How many leases of it are over: the next one holds as long as this stays as it is. */
  leasesOver: number;
  /** Who takes it back. */
  readonly lender: Lender<Self>;
}

/** What a lease tells its pool. */
export interface Lender<Entry> {
  /** It was given back. */
  giveBack(entry: Entry, destroy: boolean): void;
}

/** A lease of `entry`. The entry does not know it, which keeps the young from being held by the old. */
export class EntryLease<Entry extends Lendable<Entry>, T> implements PoolLease<T> {
  readonly #entry: Entry;
  readonly #before: number;
  #value: T | undefined = undefined;

  constructor(entry: Entry) {
    this.#entry = entry;
    this.#before = entry.leasesOver;
  }

  /** Says what is lent; it may want to know the lease. */
  lend(value: T): void {
    this.#value = value;
  }

  get id(): number {
    return this.#entry.id;
  }

  get value(): T {
    if (this.released) throw new LeaseReleasedError("use what was lent");
    return this.#value!;
  }

  get released(): boolean {
    return this.#entry.leasesOver !== this.#before;
  }

  release(): void {
    this.#end(false);
  }

  destroy(): void {
    this.#end(true);
  }

  [Symbol.dispose](): void {
    this.#end(false);
  }

  #end(destroy: boolean): void {
    const entry = this.#entry;
    if (entry.leasesOver !== this.#before) return;
    entry.leasesOver++;
    this.#value = undefined;
    entry.lender.giveBack(entry, destroy);
  }
}
