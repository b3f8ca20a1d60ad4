/**
 * What a pool holds: each of them from when it was opened until it is closed, wherever it is.
 *
 * @module
 */

import { Alarm } from "../stream/_alarm.ts";
import { Entry, type EntryState } from "./pool_entry.ts";
import { PoolClosedError } from "./pool_errors.ts";
import type { PoolCloseReason, PoolEvent } from "./pool_events.ts";
import { EntryLease, type Lender, type PoolLease } from "./pool_lease.ts";
import type { CheckedLimits, PoolOptions } from "./pool_options.ts";
import { lifetime } from "./pool_plan.ts";

/** Of whom the stock knows, beside what it holds. */
export interface StockOptions<Resource extends Disposable> {
  /** Tells what happens. */
  tell: ((event: PoolEvent) => void) | undefined;
  /** The clock. */
  now: () => number;
  /** Whom leases are given back to. */
  lender: Lender<Entry<Resource>>;
  /** Some were closed that nobody gave back. */
  changed: () => void;
  /** One that was opened then died before anybody had it. */
  diedUnused: (opened: number, reason: PoolCloseReason, error: unknown) => void;
}

/** Takes each through its states, says so, and closes it when its time is over. */
export class Stock<Resource extends Disposable, Lent> {
  /** The least to keep. */
  min: number;
  /** How many there are. */
  size = 0;
  /** How many are being checked. */
  checking = 0;
  /** How many are lent. */
  lent = 0;
  readonly #limits: CheckedLimits;
  readonly #how: PoolOptions<Resource, Lent>;
  readonly #around: StockOptions<Resource>;
  readonly #tell: ((event: PoolEvent) => void) | undefined;
  readonly #onError: (error: unknown) => void;
  /** For what is free or lent: it does not keep the process alive. */
  readonly #upkeep: Alarm;
  readonly #all = new Set<Entry<Resource>>();
  readonly #idle: Entry<Resource>[] = [];
  readonly #counts = { opened: 0, acquired: 0, peak: 0, leaks: 0 };
  readonly #closed: Partial<Record<PoolCloseReason, number>> = {};

  /** Holds nothing yet. */
  constructor(
    limits: CheckedLimits,
    how: PoolOptions<Resource, Lent>,
    around: StockOptions<Resource>,
  ) {
    this.min = limits.min;
    this.#limits = limits;
    this.#how = how;
    this.#around = around;
    this.#tell = around.tell;
    this.#onError = guarded(limits.onError);
    const { world } = limits;
    this.#upkeep = new Alarm({ world, ref: false, ring: (now) => this.#keepUp(now) });
  }

  /** Those that are free. The last one came back last. */
  get idle(): readonly Entry<Resource>[] {
    return this.#idle;
  }

  /** Those in one state, or all, at this moment. */
  list(state?: EntryState): Entry<Resource>[] {
    return [...this.#all].filter((entry) => state === undefined || entry.state === state);
  }

  /** What was counted. */
  get stats() {
    const now = this.#around.now();
    const since = this.list("lent").reduce((first, { since }) => Math.min(first, since), now);
    return {
      size: this.size,
      idle: this.#idle.length,
      checking: this.checking,
      lent: this.lent,
      longestHeld: now - since,
      ...this.#counts,
      closed: { ...this.#closed },
    };
  }

  /** Holds one more, which is on its way to somebody or to the shelf. */
  add(resource: Resource, took: number, now: number): Entry<Resource> {
    const { world, maxLifetime, lifetimeJitter } = this.#limits;
    const entry = new Entry<Resource>(
      ++this.#counts.opened,
      resource,
      now,
      now + lifetime(maxLifetime, lifetimeJitter, world.random()),
      this.#around.lender,
      (entry, reason, error) => this.#gone(entry, reason, error),
    );
    this.#all.add(entry);
    this.size++;
    // Now that there are more than must be kept, nobody's time is unlimited any more.
    if (this.size === this.min + 1) this.planUpkeep();
    this.#tell?.({ type: "opened", id: entry.id, at: now, took });
    return entry;
  }

  /** It is free. */
  rest(entry: Entry<Resource>, now: number): void {
    this.#turn(entry, "idle", now);
    this.#upkeep.set(Math.min(entry.expires, this.#idleUntil(entry)));
    if (this.#how.watch !== undefined) this.#watch(entry);
    // Only now, as whoever is told may want it: it must be watched before it is lent again.
    if (entry.state === "idle") this.#tell?.({ type: "idle", id: entry.id, at: now });
  }

  /** It is being checked. */
  beginCheck(entry: Entry<Resource>, now: number): void {
    this.#turn(entry, "checking", now);
    this.#tell?.({ type: "checking", id: entry.id, at: now });
  }

  /** Its check is over, and it is good. */
  endCheck(entry: Entry<Resource>, now: number): void {
    this.#turn(entry, "between", now);
  }

  /**
   * It is lent.
   *
   * @throws {PoolClosedError} If the pool was ended by whoever heard of that.
   * @throws {Error} What `lend` threw.
   */
  lend(
    entry: Entry<Resource>,
    ticket: number,
    since: number,
    now: number,
    stack: string | undefined,
  ): PoolLease<Lent> {
    this.#turn(entry, "lent", now);
    entry.stack = stack;
    entry.leaked = false;
    const lease = new EntryLease<Entry<Resource>, Lent>(entry);
    this.#counts.acquired++;
    if (this.lent > this.#counts.peak) this.#counts.peak = this.lent;
    const { leakAfter } = this.#limits;
    if (leakAfter !== Infinity) this.#upkeep.set(now + leakAfter);
    if (this.#tell !== undefined) {
      this.#tell({ type: "lent", id: entry.id, at: now, ticket, waited: now - since });
      if (lease.released) throw new PoolClosedError();
    }
    const { lend } = this.#how;
    if (lend === undefined) lease.lend(entry.resource as unknown as Lent);
    else {
      try {
        lease.lend(lend(entry.resource, lease));
      } catch (error) {
        lease.destroy();
        throw error;
      }
    }
    return lease;
  }

  /** It came back, and is closed if it cannot be lent again. */
  takeBack(entry: Entry<Resource>, destroy: boolean, now: number): void {
    const held = now - entry.since;
    entry.stack = undefined;
    this.#turn(entry, "between", now);
    this.#tell?.({ type: "returned", id: entry.id, at: now, held });
    if (destroy) this.close(entry, "destroyed");
    else if (this.#how.reusable !== undefined && !entry.closed && !this.#isReusable(entry)) {
      this.close(entry, "unusable");
    }
  }

  /** A free one that is worth lending; what is not is closed on the way. */
  fresh(now: number): Entry<Resource> | undefined {
    const idle = this.#idle;
    while (idle.length > 0) {
      const entry = idle[idle.length - 1]!;
      const reason = this.#stale(entry, now);
      if (reason === undefined) return entry;
      this.close(entry, reason);
    }
    return undefined;
  }

  /** Closes it, unless it is closed. */
  close(entry: Entry<Resource>, reason: PoolCloseReason, error?: unknown): void {
    if (entry.closed) return;
    const now = this.#around.now();
    this.#turn(entry, "closed", now);
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1;
    const told = { type: "closed", id: entry.id, at: now, reason } as const;
    this.#tell?.(error === undefined ? told : { ...told, error });
    this.dispose(entry.resource);
  }

  /** Closes what is free, from the one that is so longest, as long as `more` are to be closed. */
  closeIdle(reason: PoolCloseReason, more: () => boolean): void {
    for (const entry of this.#idle.slice()) {
      if (entry.state === "idle" && more()) this.close(entry, reason);
    }
  }

  /** What it throws must not stop the pool. */
  dispose(resource: Resource): void {
    try {
      resource[Symbol.dispose]();
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Looks after all at `due`, or earlier. */
  lookAt(due: number): void {
    this.#upkeep.set(due);
  }

  /** Sees when it is time to look after what is held: the limits have changed. */
  planUpkeep(): void {
    this.#upkeep.set(this.#nextUpkeep());
  }

  /** Looks after nothing any more. */
  forget(): void {
    this.#upkeep.clear();
  }

  /** From now on it is there: every step is taken here, so that the counts are right. */
  #turn(entry: Entry<Resource>, state: EntryState, now: number): void {
    if (entry.state === "idle") this.#takeOff(entry);
    else if (entry.state === "lent") this.lent--;
    else if (entry.state === "checking") this.checking--;
    entry.state = state;
    entry.since = now;
    if (state === "idle") this.#idle.push(entry);
    else if (state === "lent") this.lent++;
    else if (state === "checking") this.checking++;
    else if (state === "closed" && this.#all.delete(entry)) this.size--;
  }

  /** The last one is what most are after. */
  #takeOff(entry: Entry<Resource>): void {
    if (this.#idle[this.#idle.length - 1] === entry) this.#idle.pop();
    else this.#idle.splice(this.#idle.indexOf(entry), 1);
  }

  /** It died while it was free. What dies while it is lent is the borrower's to see. */
  #gone(entry: Entry<Resource>, reason: PoolCloseReason, error: unknown): void {
    if (entry.state !== "idle" && entry.state !== "checking") return;
    this.#died(entry, reason, error);
    this.#around.changed();
  }

  #died(entry: Entry<Resource>, reason: PoolCloseReason, error: unknown): void {
    this.close(entry, reason, error);
    if (entry.leasesOver === 0) this.#around.diedUnused(entry.opened, reason, error);
  }

  /** Why it must not be free any longer. */
  #stale(entry: Entry<Resource>, now: number): "lifetime" | "idle" | undefined {
    if (now >= entry.expires) return "lifetime";
    return now >= this.#idleUntil(entry) ? "idle" : undefined;
  }

  /** Until when it may be free, as long as no one of the minimum must be kept for it. */
  #idleUntil(entry: Entry<Resource>): number {
    return this.size > this.min ? entry.since + this.#limits.idleTimeout : Infinity;
  }

  #watch(entry: Entry<Resource>): void {
    try {
      this.#how.watch!(entry.resource, entry.gone);
    } catch (error) {
      this.#died(entry, "broken", error);
    }
  }

  #isReusable({ resource }: Entry<Resource>): boolean {
    try {
      return this.#how.reusable!(resource);
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  /** Closes what is too old, tells of leaks; returns when to look again. */
  #keepUp(now: number): number {
    for (const entry of this.list("lent")) {
      const { id, since, stack = "" } = entry;
      if (entry.state !== "lent" || entry.leaked || now - since < this.#limits.leakAfter) continue;
      entry.leaked = true;
      this.#counts.leaks++;
      this.#tell?.({ type: "leak", id, at: now, held: now - since, stack });
    }
    for (const entry of this.#idle.slice()) {
      const reason = entry.state === "idle" ? this.#stale(entry, now) : undefined;
      if (reason !== undefined) this.close(entry, reason);
    }
    this.#around.changed();
    return this.#nextUpkeep();
  }

  #nextUpkeep(): number {
    let due = Infinity;
    for (const entry of this.#all) {
      if (entry.state === "idle") due = Math.min(due, entry.expires, this.#idleUntil(entry));
      else if (entry.state === "lent" && !entry.leaked) {
        due = Math.min(due, entry.since + this.#limits.leakAfter);
      }
    }
    return due;
  }
}

/** A callback of the caller's, whose errors must not stop the pool. */
export function guarded<T>(callback: (told: T) => void): (told: T) => void {
  return (told) => {
    try {
      callback(told);
    } catch (error) {
      reportError(error);
    }
  };
}
