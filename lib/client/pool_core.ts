/** The life of a pool: who is served when, and what is opened and closed for that. */

import type { AcquireOptions, Pool, PoolShutdownOptions, PoolSize } from "./pool_handle.ts";
import { Alarm } from "./pool_alarm.ts";
import type { Draining, PoolDrainReport } from "./pool_drain.ts";
import { Entry } from "./pool_entry.ts";
import { PoolClosedError, PoolFullError, PoolTimeoutError } from "./pool_errors.ts";
import type { PoolCloseReason, PoolEvent, PoolStats } from "./pool_events.ts";
import { Held } from "./pool_held.ts";
import { EntryLease, type Lender, type PoolLease } from "./pool_lease.ts";
import { Line, Waiter } from "./pool_line.ts";
import { Openings } from "./pool_openings.ts";
import { type CheckedLimits, checkSizes, type PoolOptions } from "./pool_options.ts";
import { lifetime, plan } from "./pool_plan.ts";

/** Patience of a shutdown() that is not given any, in milliseconds. */
const PATIENCE = 10_000;

/** How long the process may be kept alive after the last one who waited was served. */
const NAP = 100;

/**
 * The pool that `createPool` hands out.
 *
 * It calls what is not its own: `open`, `check`, `watch`, `reusable`, `lend`, `onEvent`, and
 * what disposes. Any of them may call the pool. So each of these calls stands where the pool is in
 * order, and after it nothing is taken for granted.
 */
export class PoolCore<Resource extends Disposable, Lent>
  implements Pool<Lent>, Lender<Entry<Resource, Lent>> {
  readonly finished: Promise<void>;
  readonly #limits: CheckedLimits;
  readonly #how: PoolOptions<Resource, Lent>;
  readonly #tell: ((event: PoolEvent) => void) | undefined;
  readonly #held = new Held<Resource, Lent>();
  readonly #openings: Openings<Resource>;
  readonly #line = new Line<PoolLease<Lent>>();
  /** For those who wait, and for what is done for them: it keeps the process alive. */
  readonly #urgent: Alarm;
  /** For what is free or lent: it does not. */
  readonly #upkeep: Alarm;
  readonly #over = Promise.withResolvers<void>();
  /** Ends listening to signals, and the patience of a shutdown. */
  readonly #done = new AbortController();
  #warming: PromiseWithResolvers<void> | undefined;
  #min: number;
  #max: number;
  #tickets = 0;
  #ids = 0;
  #supplying = false;
  #draining: Draining | undefined;
  #report: Promise<PoolDrainReport> | undefined;
  #ended = false;
  #counts = { openFailed: 0, acquired: 0, left: 0, refused: 0, leaks: 0 };
  readonly #closed: Partial<Record<PoolCloseReason, number>> = {};

  constructor(limits: CheckedLimits, how: PoolOptions<Resource, Lent>) {
    const { world, min, max, signal, onEvent } = limits;
    this.#limits = limits;
    this.#how = how;
    this.#tell = onEvent && guarded(onEvent);
    this.#min = min;
    this.#max = max;
    this.#urgent = new Alarm({ world, ref: true, nap: NAP, ring: (now) => this.#serveLate(now) });
    this.#upkeep = new Alarm({ world, ref: false, ring: (now) => this.#keepUp(now) });
    this.finished = this.#over.promise;
    this.#openings = new Openings({
      open: how.open,
      timeout: limits.openTimeout,
      world,
      opened: (resource, took) => this.#opened(resource, took),
      failed: (error) => this.#openFailed(error),
      unwanted: (resource) => this.#dispose(resource),
    });
    this.#whenAborted(signal, "aborted");
    this.#supply();
  }

  acquire(options: AcquireOptions = {}): Promise<PoolLease<Lent>> {
    const { signal, timeout = this.#limits.acquireTimeout } = options;
    if (!(timeout > 0)) return Promise.reject(wrongTimeout(timeout));
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closing) return Promise.reject(new PoolClosedError());
    const now = this.#now();
    const stack = this.#limits.leakAfter < Infinity ? callerStack() : undefined;
    const ticket = ++this.#tickets;
    const ready = this.#how.check === undefined && this.#line.size === 0 && this.#fresh(now);
    if (ready) {
      try {
        return Promise.resolve(this.#lend(ready, ticket, now, now, stack));
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.#closing) return Promise.reject(new PoolClosedError()); // while a stale one was closed
    if (this.#line.size >= this.#room + this.#limits.maxWaiting) {
      this.#counts.refused++;
      return Promise.reject(new PoolFullError(this.stats));
    }
    const waiter = new Waiter<PoolLease<Lent>>(ticket, now, now + timeout, stack);
    this.#line.join(waiter);
    if (signal) waiter.heed(signal, () => this.#turnAway(waiter, signal.reason));
    this.#urgent.set(waiter.due);
    this.#tell?.({ type: "waiting", ticket, at: now });
    if (this.#held.idle.length > 0 || this.#held.size + this.#openings.size < this.#max) {
      this.#supply();
    }
    return waiter.promise;
  }

  async use<Result>(
    fn: (lent: Lent) => Result | Promise<Result>,
    options?: AcquireOptions,
  ): Promise<Result> {
    const lease = await this.acquire(options);
    try {
      const result = await fn(lease.value);
      lease.release();
      return result;
    } catch (error) {
      lease.destroy();
      throw error;
    }
  }

  warmUp(): Promise<void> {
    if (this.#closing) return Promise.reject(new PoolClosedError());
    if (this.#held.size >= this.#min) return Promise.resolve();
    this.#warming ??= Promise.withResolvers();
    const { promise } = this.#warming;
    this.#openings.retryAt = -Infinity;
    this.#supply();
    return promise;
  }

  resize({ min = this.#min, max = this.#max }: PoolSize): void {
    checkSizes(min, max);
    this.#min = min;
    this.#max = max;
    for (const entry of this.#held.idle.slice()) {
      if (this.#held.size > this.#max) this.#closeIdle(entry, "shrunk");
    }
    this.#warmed();
    this.#planUpkeep();
    this.#supply();
  }

  get stats(): PoolStats {
    const held = this.#held;
    const now = this.#now();
    const since = held.list("lent").reduce((first, { since }) => Math.min(first, since), now);
    return {
      min: this.#min,
      max: this.#max,
      size: held.size,
      idle: held.idle.length,
      checking: held.checking,
      lent: held.lent,
      opening: this.#openings.size,
      waiting: this.#line.size,
      longestHeld: now - since,
      peak: held.peak,
      opened: this.#ids,
      ...this.#counts,
      closed: { ...this.#closed },
    };
  }

  shutdown({ signal }: PoolShutdownOptions = {}): Promise<PoolDrainReport> {
    const first = this.#report === undefined;
    const report = this.#report ??= this.#drain();
    if (signal) this.#whenAborted(signal, "cut");
    else if (first) {
      const { world } = this.#limits;
      world.sleep(PATIENCE, { signal: this.#done.signal }).then(() => this.#end("cut"), () => {});
    }
    return report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  giveBack(entry: Entry<Resource, Lent>, destroy: boolean): void {
    const now = this.#now();
    const held = now - entry.since;
    entry.lease = undefined;
    entry.stack = undefined;
    this.#held.turn(entry, "between", now);
    if (this.#draining) this.#draining.returned++;
    this.#tell?.({ type: "returned", id: entry.id, at: now, held });
    if (destroy) this.#close(entry, "destroyed");
    else if (!entry.closed && !this.#isReusable(entry)) this.#close(entry, "unusable");
    else if (!entry.closed) this.#free(entry, now);
    if (entry.closed) this.#supply();
  }

  /** Lends what has just become free, or keeps it, or closes it if it is not needed any more. */
  #free(entry: Entry<Resource, Lent>, now: number): void {
    if (this.#held.size > this.#max) this.#close(entry, "shrunk");
    else if (now >= entry.expires) this.#close(entry, "lifetime");
    else if (this.#line.size === 0 && this.#draining) this.#close(entry, "drained");
    else if (this.#line.size > 0 && this.#how.check === undefined) this.#serve(entry, now);
    else {
      this.#rest(entry, now);
      if (this.#line.size > 0) this.#supply();
    }
  }

  /** It is free. */
  #rest(entry: Entry<Resource, Lent>, now: number): void {
    this.#held.turn(entry, "idle", now);
    this.#upkeep.set(Math.min(entry.expires, this.#idleUntil(entry)));
    try {
      this.#how.watch?.(entry.resource, entry.gone);
    } catch (error) {
      this.#close(entry, "broken", error);
    }
    // Only now, as whoever is told may want it: it must be watched before it is lent again.
    if (entry.state === "idle") this.#tell?.({ type: "idle", id: entry.id, at: now });
  }

  /** The first in line gets it. */
  #serve(entry: Entry<Resource, Lent>, now: number): void {
    const waiter = this.#line.first!;
    const { ticket, since, stack } = waiter;
    this.#line.leave(waiter);
    try {
      // Not a promise of it, which would cost more than all the rest.
      waiter.resolve(this.#lend(entry, ticket, since, now, stack));
    } catch (error) {
      waiter.reject(error);
    }
  }

  #lend(
    entry: Entry<Resource, Lent>,
    ticket: number,
    since: number,
    now: number,
    stack: string | undefined,
  ): PoolLease<Lent> {
    this.#held.turn(entry, "lent", now);
    entry.stack = stack;
    entry.leaked = false;
    const lease = entry.lease = new EntryLease<Entry<Resource, Lent>, Lent>(entry, this);
    this.#counts.acquired++;
    this.#upkeep.set(now + this.#limits.leakAfter);
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

  /** A free one that is worth lending; what is not is closed on the way. */
  #fresh(now: number): Entry<Resource, Lent> | undefined {
    const { idle } = this.#held;
    for (let entry = idle.at(-1); entry !== undefined; entry = idle.at(-1)) {
      const reason = this.#stale(entry, now);
      if (reason === undefined) return entry;
      this.#close(entry, reason);
    }
    return undefined;
  }

  /** Why it must not be free any longer. */
  #stale(entry: Entry<Resource, Lent>, now: number): "lifetime" | "idle" | undefined {
    if (now >= entry.expires) return "lifetime";
    return now >= this.#idleUntil(entry) ? "idle" : undefined;
  }

  /** Begins what those who wait, and the minimum, need. */
  #supply(): void {
    if (this.#supplying) return; // called by what it has called: it will see
    this.#supplying = true;
    while (!this.#ended && this.#supplyOne(this.#now()));
    this.#supplying = false;
    this.#finishIfDone();
  }

  /** Begins the next one of what is needed; whether there may be another. */
  #supplyOne(now: number): boolean {
    const { check, open, fill } = plan({
      min: this.#draining ? 0 : this.#min,
      max: this.#max,
      size: this.#held.size,
      idle: this.#held.idle.length,
      checking: this.#held.checking,
      opening: this.#openings.size,
      waiting: this.#line.size,
    });
    if (check > 0) {
      const entry = this.#fresh(now);
      if (entry === undefined) return true; // all were stale: count again
      if (this.#how.check === undefined) this.#serve(entry, now);
      else this.#check(entry, now);
      return true;
    }
    const { retryAt } = this.#openings;
    const { openTimeout, whenOpenFails } = this.#limits;
    if (open > 0 && (now >= retryAt || whenOpenFails === "fail") || fill > 0 && now >= retryAt) {
      this.#urgent.set(now + openTimeout);
      this.#openings.begin(now);
      return true;
    }
    if (open > 0) this.#urgent.set(retryAt);
    else if (fill > 0) this.#upkeep.set(retryAt);
    return false;
  }

  /** Looks whether it can be lent; whoever is first in line by then gets it. */
  #check(entry: Entry<Resource, Lent>, now: number): void {
    this.#held.turn(entry, "checking", now);
    entry.checkedFor = this.#tickets;
    this.#urgent.set(now + this.#limits.checkTimeout);
    this.#tell?.({ type: "checking", id: entry.id, at: now });
    if (entry.state !== "checking") return;
    const failed = (error: unknown) => this.#checked(entry, false, error);
    try {
      const verdict = this.#how.check!(entry.resource);
      if (typeof verdict === "boolean") this.#checked(entry, verdict);
      else verdict.then((good) => this.#checked(entry, good === true), failed);
    } catch (error) {
      failed(error);
    }
  }

  #checked(entry: Entry<Resource, Lent>, good: boolean, error?: unknown): void {
    if (entry.state !== "checking") return; // it was closed meanwhile
    const now = this.#now();
    if (!good) this.#close(entry, "check", error);
    else {
      this.#held.turn(entry, "between", now);
      const next = this.#line.first?.ticket ?? 0;
      if (next > entry.checkedFor) return this.#check(entry, now); // asked after we looked
      if (next > 0 && this.#held.size <= this.#max) return this.#serve(entry, now);
      this.#free(entry, now);
    }
    this.#supply();
  }

  #opened(resource: Resource, took: number): void {
    const { world, maxLifetime, lifetimeJitter } = this.#limits;
    const now = this.#now();
    const entry = new Entry<Resource, Lent>(
      ++this.#ids,
      resource,
      now + lifetime(maxLifetime, lifetimeJitter, world.random()),
      (entry, reason, error) => this.#gone(entry, reason, error),
    );
    this.#held.add(entry);
    this.#warmed();
    this.#tell?.({ type: "opened", id: entry.id, at: now, took });
    if (entry.closed) return;
    if (this.#line.size > 0 && this.#held.size <= this.#max) this.#serve(entry, now);
    else this.#free(entry, now);
    this.#planUpkeep(); // with one more held, another one may be one too many
    this.#supply();
  }

  #openFailed(error: unknown): void {
    this.#counts.openFailed++;
    this.#warming?.reject(error);
    this.#warming = undefined;
    this.#tell?.({ type: "openFailed", at: this.#now(), error });
    const { first } = this.#line;
    if (first && this.#limits.whenOpenFails === "fail") this.#turnAway(first, error);
    this.#supply();
  }

  #gone(entry: Entry<Resource, Lent>, reason: PoolCloseReason, error: unknown): void {
    if (entry.state !== "idle" && entry.state !== "checking") return;
    this.#close(entry, reason, error);
    this.#supply();
  }

  /** It was free when somebody looked; if it still is, it is closed. */
  #closeIdle(entry: Entry<Resource, Lent>, reason: PoolCloseReason): void {
    if (entry.state === "idle") this.#close(entry, reason);
  }

  #close(entry: Entry<Resource, Lent>, reason: PoolCloseReason, error?: unknown): void {
    if (entry.closed) return;
    const now = this.#now();
    this.#held.turn(entry, "closed", now);
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1;
    const told = { type: "closed", id: entry.id, at: now, reason } as const;
    this.#tell?.(error === undefined ? told : { ...told, error });
    this.#dispose(entry.resource);
  }

  #turnAway(waiter: Waiter<PoolLease<Lent>>, error: unknown): void {
    if (!this.#line.leave(waiter)) return;
    const { ticket, since } = waiter;
    const at = this.#now();
    this.#counts.left++;
    waiter.reject(error);
    this.#tell?.({ type: "left", ticket, at, waited: at - since, error });
    this.#finishIfDone();
  }

  /** Tells those whose time is up, and returns when the next one's is. */
  #serveLate(now: number): number {
    this.#openings.giveUpLate(now);
    for (const waiter of this.#line.late(now)) {
      const { since } = waiter;
      const cause = this.#openings.lastFailure;
      const error = new PoolTimeoutError(
        now - since,
        this.stats,
        cause === undefined ? {} : { cause },
      );
      this.#turnAway(waiter, error);
    }
    const { checkTimeout } = this.#limits;
    let due = Infinity;
    for (const entry of this.#held.checking > 0 ? this.#held.list("checking") : []) {
      const end = entry.since + checkTimeout;
      if (end > now) due = Math.min(due, end);
      else if (entry.state === "checking") this.#close(entry, "check");
    }
    this.#supply();
    // Late ones are gone by now: what this finds are those to come.
    return Math.min(due, this.#line.earliest(), this.#openings.giveUpLate(now));
  }

  /** Closes what is too old, tells of leaks, fills up; returns when to look again. */
  #keepUp(now: number): number {
    for (const entry of this.#held.list("lent")) {
      const { id, since, stack = "" } = entry;
      if (entry.state !== "lent" || entry.leaked || now - since < this.#limits.leakAfter) continue;
      entry.leaked = true;
      this.#counts.leaks++;
      this.#tell?.({ type: "leak", id, at: now, held: now - since, stack });
    }
    for (const entry of this.#held.idle.slice()) {
      const reason = this.#stale(entry, now);
      if (reason !== undefined) this.#closeIdle(entry, reason);
    }
    this.#supply();
    return this.#nextUpkeep();
  }

  #nextUpkeep(): number {
    let due = Infinity;
    for (const entry of this.#held.list()) {
      if (entry.state === "idle") due = Math.min(due, entry.expires, this.#idleUntil(entry));
      else if (entry.state === "lent" && !entry.leaked) {
        due = Math.min(due, entry.since + this.#limits.leakAfter);
      }
    }
    return due;
  }

  #planUpkeep(): void {
    this.#upkeep.set(this.#nextUpkeep());
  }

  /** Until when it may be free, as long as no one of the minimum must be kept for it. */
  #idleUntil(entry: Entry<Resource, Lent>): number {
    return this.#held.size > this.#min ? entry.since + this.#limits.idleTimeout : Infinity;
  }

  #isReusable({ resource }: Entry<Resource, Lent>): boolean {
    try {
      return this.#how.reusable?.(resource) ?? true;
    } catch (error) {
      this.#onError(error);
      return false;
    }
  }

  #warmed(): void {
    if (this.#held.size < this.#min) return;
    this.#warming?.resolve();
    this.#warming = undefined;
  }

  #drain(): Promise<PoolDrainReport> {
    const { promise, resolve } = Promise.withResolvers<PoolDrainReport>();
    this.#report = promise;
    const since = this.#now();
    const drain = this.#draining = { since, returned: 0, cut: [], turnedAway: 0 };
    if (!this.#ended) this.#tell?.({ type: "draining", at: since });
    this.finished.then(() => {
      const { returned, cut, turnedAway } = drain;
      resolve({ duration: this.#now() - since, returned, cut, turnedAway });
    });
    if (this.#line.size === 0) this.#clearAway();
    this.#warming?.reject(new PoolClosedError());
    this.#warming = undefined;
    this.#finishIfDone();
    return promise;
  }

  /** Nobody waits and nobody will: what is free or on its way is not needed. */
  #clearAway(): void {
    for (const entry of this.#held.idle.slice()) this.#closeIdle(entry, "drained");
    this.#openings.abandon(new PoolClosedError());
  }

  /** Now: turns everybody away and closes everything. */
  #end(reason: "cut" | "aborted", cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    const error = new PoolClosedError(cause === undefined ? {} : { cause });
    for (const waiter of this.#line.all()) {
      if (this.#draining) this.#draining.turnedAway++;
      this.#turnAway(waiter, error);
    }
    this.#warming?.reject(error);
    this.#warming = undefined;
    this.#openings.abandon(error);
    const now = this.#now();
    for (const entry of this.#held.list()) {
      if (entry.state === "lent") {
        this.#draining?.cut.push({ id: entry.id, held: now - entry.since, stack: entry.stack });
        entry.lease?.revoke();
        this.#close(entry, reason);
      } else this.#close(entry, reason === "cut" ? "drained" : "aborted");
    }
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#ended && !this.#draining) return;
    if (this.#line.size > 0) return;
    if (!this.#ended) this.#clearAway();
    if (this.#held.size > 0) return;
    this.#ended = true;
    this.#urgent.clear();
    this.#upkeep.clear();
    this.#done.abort();
    this.#over.resolve();
  }

  #whenAborted(signal: AbortSignal | undefined, reason: "cut" | "aborted"): void {
    const end = () => this.#end(reason, signal?.reason);
    if (signal?.aborted) return end();
    signal?.addEventListener("abort", end, { once: true, signal: this.#done.signal });
  }

  /** Whether it lends nothing new. */
  get #closing(): boolean {
    return this.#ended || this.#draining !== undefined;
  }

  /** How many more could be lent now, if all that is held is good. */
  get #room(): number {
    return Math.max(0, this.#max - this.#held.lent);
  }

  /** Closing is the resource's own business: what it throws must not stop the pool. */
  #dispose(resource: Resource): void {
    try {
      resource[Symbol.dispose]();
    } catch (error) {
      this.#onError(error);
    }
  }

  #onError(error: unknown): void {
    guarded(this.#limits.onError)(error);
  }

  /** Who looks on wants to know it exactly. */
  #now(): number {
    const { world } = this.#limits;
    return this.#tell === undefined && world.coarseNow ? world.coarseNow() : world.now();
  }
}

function wrongTimeout(timeout: number): RangeError {
  return new RangeError(`Cannot acquire as 'timeout' must be > 0: current value is ${timeout}`);
}

/** Where acquire() was called, without the pool's own frames. */
function callerStack(): string {
  return (new Error().stack ?? "").split("\n").slice(3).join("\n");
}

/** A callback of the caller's, whose errors must not stop the pool. */
function guarded<T>(callback: (told: T) => void): (told: T) => void {
  return (told) => {
    try {
      callback(told);
    } catch (error) {
      reportError(error);
    }
  };
}
