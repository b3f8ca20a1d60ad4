/**
 * Those who wait for a pool, first come, first served.
 *
 * @module
 */

/** One who waits. */
export class Waiter<Lease> {
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
  /** Whether it has left the line. */
  left = false;
  /** Who is ahead, and who behind. */
  ahead: Waiter<Lease> | undefined = undefined;
  behind: Waiter<Lease> | undefined = undefined;

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
  /** How many wait. */
  size = 0;
  /** Who is next. */
  first: Waiter<Lease> | undefined;
  #last: Waiter<Lease> | undefined;

  /** Joins at the end. */
  join(waiter: Waiter<Lease>): void {
    waiter.ahead = this.#last;
    if (this.#last === undefined) this.first = waiter;
    else this.#last.behind = waiter;
    this.#last = waiter;
    this.size++;
  }

  /** Leaves, served or not; `false` if it had left before. */
  leave(waiter: Waiter<Lease>): boolean {
    if (waiter.left) return false;
    waiter.left = true;
    const { ahead, behind } = waiter;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = undefined;
    this.size--;
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
    const all: Waiter<Lease>[] = [];
    for (let waiter = this.first; waiter !== undefined; waiter = waiter.behind) all.push(waiter);
    return all;
  }
}
