/** The life of a pool: who is served when, and what is opened and closed for that. */

import { Alarm } from "../stream/_alarm.ts";
import type { AcquireOptions, Pool, PoolShutdownOptions, PoolSize } from "./pool_handle.ts";
import type { Draining, PoolDrainReport } from "./pool_drain.ts";
import type { Entry } from "./pool_entry.ts";
import { PoolClosedError, PoolFullError, PoolTimeoutError } from "./pool_errors.ts";
import type { PoolCloseReason, PoolEvent, PoolStats } from "./pool_events.ts";
import type { Lender, PoolLease } from "./pool_lease.ts";
import { Line, Waiter } from "./pool_line.ts";
import { Openings } from "./pool_openings.ts";
import { type CheckedLimits, checkSizes, type PoolOptions } from "./pool_options.ts";
import { plan } from "./pool_plan.ts";
import { guarded, Stock } from "./pool_stock.ts";

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
  implements Pool<Lent>, Lender<Entry<Resource>> {
  readonly finished: Promise<void>;
  readonly #limits: CheckedLimits;
  readonly #how: PoolOptions<Resource, Lent>;
  readonly #tell: ((event: PoolEvent) => void) | undefined;
  readonly #stock: Stock<Resource, Lent>;
  readonly #openings: Openings<Resource>;
  readonly #line = new Line<PoolLease<Lent>>();
  /** For those who wait, and for what is done for them: it keeps the process alive. */
  readonly #urgent: Alarm;
  readonly #over = Promise.withResolvers<void>();
  /** Ends listening to signals, and the patience of a shutdown. */
  readonly #done = new AbortController();
  #warming: PromiseWithResolvers<void> | undefined;
  #max: number;
  #tickets = 0;
  #supplying = false;
  #draining: Draining | undefined;
  #report: Promise<PoolDrainReport> | undefined;
  #ended = false;
  #counts = { openFailed: 0, left: 0, refused: 0 };

  constructor(limits: CheckedLimits, how: PoolOptions<Resource, Lent>) {
    const { world, max, signal, onEvent } = limits;
    this.#limits = limits;
    this.#how = how;
    this.#tell = onEvent && guarded(onEvent);
    this.#max = max;
    this.#urgent = new Alarm({ world, ref: true, nap: NAP, ring: (now) => this.#serveLate(now) });
    this.#stock = new Stock(limits, how, {
      tell: this.#tell,
      now: () => this.#now(),
      lender: this,
      changed: () => this.#supply(),
      diedUnused: (opened, reason, error) => this.#diedUnused(opened, reason, error),
    });
    this.finished = this.#over.promise;
    this.#openings = new Openings({
      open: how.open,
      timeout: limits.openTimeout,
      world,
      opened: (resource, took) => this.#opened(resource, took),
      failed: (error) => this.#openFailed(error),
      unwanted: (resource) => this.#stock.dispose(resource),
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
    const ready = this.#how.check === undefined && this.#line.size === 0 && this.#stock.fresh(now);
    if (ready) {
      try {
        return Promise.resolve(this.#stock.lend(ready, ticket, now, now, stack));
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
    if (this.#stock.idle.length > 0 || this.#stock.size + this.#openings.size < this.#max) {
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
    if (this.#stock.size >= this.#stock.min) return Promise.resolve();
    this.#warming ??= Promise.withResolvers();
    const { promise } = this.#warming;
    this.#openings.retryAt = this.#openings.fillAt = -Infinity;
    this.#supply();
    return promise;
  }

  resize({ min = this.#stock.min, max = this.#max }: PoolSize): void {
    checkSizes(min, max);
    this.#stock.min = min;
    this.#max = max;
    this.#stock.closeIdle("shrunk", () => this.#stock.size > this.#max);
    this.#warmed();
    this.#stock.planUpkeep();
    this.#supply();
  }

  get stats(): PoolStats {
    return {
      min: this.#stock.min,
      max: this.#max,
      ...this.#stock.stats,
      opening: this.#openings.size,
      waiting: this.#line.size,
      ...this.#counts,
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

  giveBack(entry: Entry<Resource>, destroy: boolean): void {
    const now = this.#now();
    if (this.#draining) this.#draining.returned++;
    this.#stock.takeBack(entry, destroy, now);
    if (!entry.closed) this.#free(entry, now);
    if (entry.closed) this.#supply();
  }

  /** Lends what has just become free, or keeps it, or closes it if it is not needed any more. */
  #free(entry: Entry<Resource>, now: number): void {
    if (this.#stock.size > this.#max) this.#stock.close(entry, "shrunk");
    else if (now >= entry.expires) this.#stock.close(entry, "lifetime");
    else if (this.#line.size === 0 && this.#draining) this.#stock.close(entry, "drained");
    else if (this.#line.size > 0 && this.#how.check === undefined) this.#serve(entry, now);
    else {
      this.#stock.rest(entry, now);
      if (this.#line.size > 0) this.#supply();
    }
  }

  /** The first in line gets it. */
  #serve(entry: Entry<Resource>, now: number): void {
    const waiter = this.#line.first!;
    const { ticket, since, stack } = waiter;
    this.#line.leave(waiter);
    try {
      // Not a promise of it, which would cost more than all the rest.
      waiter.resolve(this.#stock.lend(entry, ticket, since, now, stack));
    } catch (error) {
      waiter.reject(error);
    }
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
      min: this.#draining ? 0 : this.#stock.min,
      max: this.#max,
      size: this.#stock.size,
      idle: this.#stock.idle.length,
      checking: this.#stock.checking,
      opening: this.#openings.size,
      waiting: this.#line.size,
    });
    if (check > 0) {
      const entry = this.#stock.fresh(now);
      if (entry === undefined) return true; // all were stale: count again
      if (this.#how.check === undefined) this.#serve(entry, now);
      else this.#check(entry, now);
      return true;
    }
    const { retryAt } = this.#openings;
    const fillAt = Math.max(retryAt, this.#openings.fillAt);
    const { openTimeout, whenOpenFails } = this.#limits;
    if (open > 0 && (now >= retryAt || whenOpenFails === "fail") || fill > 0 && now >= fillAt) {
      this.#urgent.set(now + openTimeout);
      this.#openings.begin(now);
      return true;
    }
    if (open > 0) this.#urgent.set(retryAt);
    else if (fill > 0) this.#stock.lookAt(fillAt);
    return false;
  }

  /** Looks whether it can be lent; whoever is first in line by then gets it. */
  #check(entry: Entry<Resource>, now: number): void {
    entry.checkedFor = this.#tickets;
    this.#urgent.set(now + this.#limits.checkTimeout);
    this.#stock.beginCheck(entry, now);
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

  #checked(entry: Entry<Resource>, good: boolean, error?: unknown): void {
    if (entry.state !== "checking") return; // it was closed meanwhile
    const now = this.#now();
    if (!good) this.#stock.close(entry, "check", error);
    else {
      this.#stock.endCheck(entry, now);
      const next = this.#line.first?.ticket ?? 0;
      if (next > entry.checkedFor) return this.#check(entry, now); // asked after we looked
      if (next > 0 && this.#stock.size <= this.#max) return this.#serve(entry, now);
      this.#free(entry, now);
    }
    this.#supply();
  }

  #opened(resource: Resource, took: number): void {
    const now = this.#now();
    const entry = this.#stock.add(resource, took, now);
    this.#warmed();
    if (entry.closed) return;
    if (this.#line.size > 0 && this.#stock.size <= this.#max) this.#serve(entry, now);
    else this.#free(entry, now);
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

  #diedUnused(opened: number, reason: PoolCloseReason, error: unknown): void {
    if (!this.#openings.diedUnused(opened)) return;
    const why = `Cannot warm up as one was gone as soon as it was open: ${reason}`;
    this.#warming?.reject(new Error(why, error === undefined ? {} : { cause: error }));
    this.#warming = undefined;
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
    for (const entry of this.#stock.checking > 0 ? this.#stock.list("checking") : []) {
      const end = entry.since + checkTimeout;
      if (end > now) due = Math.min(due, end);
      else if (entry.state === "checking") this.#stock.close(entry, "check");
    }
    this.#supply();
    // Late ones are gone by now: what this finds are those to come.
    return Math.min(due, this.#line.earliest(), this.#openings.giveUpLate(now));
  }

  #warmed(): void {
    if (this.#stock.size < this.#stock.min) return;
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
    this.#warming?.reject(new PoolClosedError());
    this.#warming = undefined;
    this.#finishIfDone();
    return promise;
  }

  /** Nobody waits and nobody will: what is free or on its way is not needed. */
  #clearAway(): void {
    this.#stock.closeIdle("drained", () => true);
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
    for (const entry of this.#stock.list()) {
      if (entry.state === "lent") {
        this.#draining?.cut.push({ id: entry.id, held: now - entry.since, stack: entry.stack });
        entry.leasesOver++;
        this.#stock.close(entry, reason);
      } else this.#stock.close(entry, reason === "cut" ? "drained" : "aborted");
    }
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#ended && !this.#draining) return;
    if (this.#line.size > 0) return;
    if (!this.#ended) this.#clearAway();
    if (this.#stock.size > 0) return;
    this.#ended = true;
    this.#urgent.clear();
    this.#stock.forget();
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

  /** Who looks on wants to know it exactly. */
  #now(): number {
    const { world } = this.#limits;
    return this.#tell === undefined && world.coarseNow ? world.coarseNow() : world.now();
  }

  /** How many more could be lent now, if all that is held is good. */
  get #room(): number {
    return Math.max(0, this.#max - this.#stock.lent);
  }
}

function wrongTimeout(timeout: number): RangeError {
  return new RangeError(`Cannot acquire as 'timeout' must be > 0: current value is ${timeout}`);
}

/** Where acquire() was called, without the pool's own frames. */
function callerStack(): string {
  const [, , , ...frames] = (new Error().stack ?? "").split("\n");
  if (frames[0]?.includes(`at ${PoolCore.name}.use `)) frames.shift();
  return frames.join("\n");
}
