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

/** What a lease tells its pool. */
export interface Lender<Entry> {
  /** It was given back. */
  giveBack(entry: Entry, destroy: boolean): void;
}

/** A lease of `entry`. */
export class EntryLease<Entry extends { readonly id: number }, T> implements PoolLease<T> {
  readonly id: number;
  readonly #entry: Entry;
  #lender: Lender<Entry> | undefined;
  #value: T | undefined;

  constructor(entry: Entry, lender: Lender<Entry>) {
    this.id = entry.id;
    this.#entry = entry;
    this.#lender = lender;
  }

  /** Says what is lent; it may want to know the lease. */
  lend(value: T): void {
    this.#value = value;
  }

  get value(): T {
    if (this.#lender === undefined) throw new LeaseReleasedError("use what was lent");
    return this.#value!;
  }

  get released(): boolean {
    return this.#lender === undefined;
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

  /** The pool takes it back by itself. */
  revoke(): void {
    this.#lender = undefined;
    this.#value = undefined;
  }

  #end(destroy: boolean): void {
    const lender = this.#lender;
    this.revoke();
    lender?.giveBack(this.#entry, destroy);
  }
}
