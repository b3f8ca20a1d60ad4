/**
 * Those who wait for a pool, first come, first served.
 *
 * @module
 */

/** What an acquire says when it joins the line. */
export interface WaiterOptions {
  /** Its number. */
  ticket: number;
  /** When it came. */
  since: number;
  /** When its patience ends. */
  due: number;
  /** Calls it off. */
  signal: AbortSignal | undefined;
  /** Where it was called, if leaks are to be told. */
  stack: string | undefined;
}

/** One who waits. */
export class Waiter<Lease> {
  /** What it said. */
  readonly asked: WaiterOptions;
  /** What it waits for. */
  readonly promise: Promise<Lease>;
  /** Gives it that, or says that there will be none. */
  resolve!: (lease: Lease | Promise<Lease>) => void;
  /** Says that there will be none. */
  reject!: (error: unknown) => void;
  /** Ends its listening to its signal. */
  forget: (() => void) | undefined;
  /** Who is ahead, and who behind. */
  ahead: Waiter<Lease> | undefined;
  behind: Waiter<Lease> | undefined;

  /** Waits from now on. */
  constructor(asked: WaiterOptions) {
    this.asked = asked;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }
}

/** The line. A place in the middle is given up as cheaply as the first one is served. */
export class Line<Lease> {
  /** How many wait. */
  size = 0;
  /** Who is next. */
  first: Waiter<Lease> | undefined;
  #last: Waiter<Lease> | undefined;

  /** Joins at the end; `calledOff` hears if its signal aborts while it waits. */
  join(asked: WaiterOptions, calledOff: (waiter: Waiter<Lease>) => void): Waiter<Lease> {
    const waiter = new Waiter<Lease>(asked);
    waiter.ahead = this.#last;
    if (this.#last === undefined) this.first = waiter;
    else this.#last.behind = waiter;
    this.#last = waiter;
    this.size++;
    const { signal } = asked;
    if (signal !== undefined) {
      const abort = () => calledOff(waiter);
      signal.addEventListener("abort", abort, { once: true });
      waiter.forget = () => signal.removeEventListener("abort", abort);
    }
    return waiter;
  }

  /** Leaves, served or not. Only who is in line can. */
  leave(waiter: Waiter<Lease>): void {
    const { ahead, behind } = waiter;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.#last = ahead;
    else behind.ahead = ahead;
    waiter.ahead = waiter.behind = undefined;
    this.size--;
    waiter.forget?.();
  }

  /** Those whose patience is over. */
  late(now: number): Waiter<Lease>[] {
    return this.all().filter(({ asked }) => asked.due <= now);
  }

  /** When the next one's patience ends. */
  earliest(): number {
    return this.all().reduce((due, { asked }) => Math.min(due, asked.due), Infinity);
  }

  /** All who wait, in order. */
  all(): Waiter<Lease>[] {
    const all: Waiter<Lease>[] = [];
    for (let waiter = this.first; waiter !== undefined; waiter = waiter.behind) all.push(waiter);
    return all;
  }
}
