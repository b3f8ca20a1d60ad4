/**
 * Those who wait for a pool, first come, first served.
 *
 * @module
 */

import { type Linked, LinkedList } from "../_linked_list.ts";

/** One who waits. */
export class Waiter<Lease> implements Linked<Waiter<Lease>> {
  /** Its number. */
  readonly ticket: number;
  /** When it came. */
  readonly since: number;
  /** When its patience ends. */
  readonly due: number;
  /** Where it was called, if leaks are to be told. */
  readonly stack: string | undefined;
  /** What it waits for. */
  readonly promise: Promise<Lease>;
  /** Gives it that, or says that there will be none. */
  resolve!: (lease: Lease) => void;
  /** Says that there will be none. */
  reject!: (error: unknown) => void;
  /** Ends its listening to its signal. */
  forget: (() => void) | undefined = undefined;
  /** Who is next to it in the line. */
  before: Waiter<Lease> | undefined = undefined;
  after: Waiter<Lease> | undefined = undefined;

  /** Waits from now on. */
  constructor(ticket: number, since: number, due: number, stack: string | undefined) {
    this.ticket = ticket;
    this.since = since;
    this.due = due;
    this.stack = stack;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Calls `abort` if `signal` aborts while it waits. */
  heed(signal: AbortSignal, abort: () => void): void {
    signal.addEventListener("abort", abort, { once: true });
    this.forget = () => signal.removeEventListener("abort", abort);
  }
}

/** The line. A place in the middle is given up as cheaply as the first one is served. */
export class Line<Lease> {
  readonly #waiters = new LinkedList<Waiter<Lease>>();

  /** How many wait. */
  get size(): number {
    return this.#waiters.size;
  }

  /** Who is next. */
  get first(): Waiter<Lease> | undefined {
    return this.#waiters.first;
  }

  /** Joins at the end. */
  join(waiter: Waiter<Lease>): void {
    this.#waiters.add(waiter);
  }

  /** Leaves, served or not; `false` if it had left before. */
  leave(waiter: Waiter<Lease>): boolean {
    if (!this.#waiters.remove(waiter)) return false;
    waiter.forget?.();
    return true;
  }

  /** Those whose patience is over. */
  late(now: number): Waiter<Lease>[] {
    return this.all().filter(({ due }) => due <= now);
  }

  /** When the next one's patience ends. */
  earliest(): number {
    return this.all().reduce((earliest, { due }) => Math.min(earliest, due), Infinity);
  }

  /** All who wait, in order. */
  all(): Waiter<Lease>[] {
    return this.#waiters.members();
  }
}
