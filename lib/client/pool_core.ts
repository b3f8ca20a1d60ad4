/** The life of a pool: who is served when, and what is opened and closed for that. */

import { backoffDelay } from "./backoff.ts";
import type { AcquireOptions, Pool, PoolShutdownOptions, PoolSize } from "./pool_handle.ts";
import { Alarm } from "./pool_alarm.ts";
import type { CutLease, PoolDrainReport } from "./pool_drain.ts";
import { Entry } from "./pool_entry.ts";
import { PoolClosedError, PoolFullError, PoolTimeoutError } from "./pool_errors.ts";
import type { PoolCloseReason, PoolEvent, PoolStats } from "./pool_events.ts";
import { EntryLease, type Lender, type PoolLease } from "./pool_lease.ts";
import { Line, Waiter } from "./pool_line.ts";
import { type CheckedLimits, checkSizes, type PoolOptions } from "./pool_options.ts";
import { lifetime, plan } from "./pool_plan.ts";

/** Patience of a shutdown() that is not given any, in milliseconds. */
const PATIENCE = 10_000;

/** How long the process may be kept alive after the last one who waited was served. */
const NAP = 100;

/** One that is being opened. */
interface Opening {
  readonly started: number;
  readonly due: number;
  readonly cut: AbortController;
}

/** The pool that `createPool` hands out. */
export class PoolCore<Resource extends Disposable, Lent>
  implements Pool<Lent>, Lender<Entry<Resource, Lent>> {
  readonly finished: Promise<void>;
  readonly #limits: CheckedLimits;
  readonly #how: PoolOptions<Resource, Lent>;
  readonly #tell: ((event: PoolEvent) => void) | undefined;
  readonly #entries = new Set<Entry<Resource, Lent>>();
  /** Free ones; the last one came back last, and is lent first. */
  readonly #idle: Entry<Resource, Lent>[] = [];
  readonly #openings = new Set<Opening>();
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
  #checking = 0;
  #lentCount = 0;
  /** Rounds of opening that failed in a row, and when to try again. */
  #failures = 0;
  #retryAt = -Infinity;
  #lastFailure: unknown;
  #draining: { since: number; returned: number; cut: CutLease[]; turnedAway: number } | undefined;
  #report: Promise<PoolDrainReport> | undefined;
  #ended = false;
  #peak = 0;
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
    this.#whenAborted(signal, "aborted");
    this.#supply();
  }

  acquire(options: AcquireOptions = {}): Promise<PoolLease<Lent>> {
    const { signal, timeout = this.#limits.acquireTimeout } = options;
    if (!(timeout > 0)) return Promise.reject(wrongTimeout(timeout));
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#ended || this.#draining) return Promise.reject(new PoolClosedError());
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
    if (this.#line.size >= this.#room() + this.#limits.maxWaiting) {
      this.#counts.refused++;
      return Promise.reject(new PoolFullError(this.stats));
    }
    const waiter = new Waiter<PoolLease<Lent>>(ticket, now, now + timeout, stack);
    this.#line.join(waiter);
    if (signal) waiter.heed(signal, () => this.#turnAway(waiter, signal.reason));
    this.#tell?.({ type: "waiting", ticket, at: now });
    this.#urgent.set(waiter.due);
    if (this.#idle.length > 0 || this.#entries.size + this.#openings.size < this.#max) {
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
    if (this.#ended || this.#draining) return Promise.reject(new PoolClosedError());
    if (this.#entries.size >= this.#min) return Promise.resolve();
    this.#warming ??= Promise.withResolvers();
    const { promise } = this.#warming;
    this.#retryAt = -Infinity;
    this.#supply();
    return promise;
  }

  resize({ min = this.#min, max = this.#max }: PoolSize): void {
    checkSizes(min, max);
    this.#min = min;
    this.#max = max;
    while (this.#idle.length > 0 && this.#entries.size > max) this.#close(this.#idle[0]!, "shrunk");
    this.#warmed();
    this.#planUpkeep();
    this.#supply();
  }

  get stats(): PoolStats {
    const lent = this.#lent();
    const now = this.#now();
    return {
      min: this.#min,
      max: this.#max,
      size: this.#entries.size,
      idle: this.#idle.length,
      checking: this.#checking,
      lent: lent.length,
      opening: this.#openings.size,
      waiting: this.#line.size,
      longestHeld: lent.reduce((longest, { since }) => Math.max(longest, now - since), 0),
      peak: this.#peak,
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
    const at = this.#now();
    this.#tell?.({ type: "returned", id: entry.id, at, held: at - entry.since });
    if (this.#draining) this.#draining.returned++;
    entry.state = "between";
    entry.lease = undefined;
    entry.stack = undefined;
    this.#lentCount--;
    if (destroy) this.#close(entry, "destroyed");
    else if (!this.#isReusable(entry)) this.#close(entry, "unusable");
    else this.#free(entry, at);
    if (entry.closed) this.#supply();
  }

  /** Lends what has just become free, or keeps it, or closes it if it is not needed any more. */
  #free(entry: Entry<Resource, Lent>, now: number): void {
    if (this.#entries.size > this.#max) this.#close(entry, "shrunk");
    else if (now >= entry.expires) this.#close(entry, "lifetime");
    else if (this.#line.size === 0 && this.#draining) this.#close(entry, "drained");
    else if (this.#line.size > 0 && this.#how.check === undefined) this.#serve(entry, now);
    else {
      this.#rest(entry, now);
      if (entry.state === "idle" && this.#line.size > 0) this.#supply();
    }
  }

  /** It is free. */
  #rest(entry: Entry<Resource, Lent>, now: number): void {
    entry.state = "idle";
    entry.since = now;
    this.#idle.push(entry);
    this.#tell?.({ type: "idle", id: entry.id, at: now });
    this.#upkeep.set(Math.min(entry.expires, this.#idleUntil(entry)));
    try {
      this.#how.watch?.(entry.resource, entry.gone);
    } catch (error) {
      this.#close(entry, "broken", error);
    }
  }

  /** The first in line gets it. */
  #serve(entry: Entry<Resource, Lent>, now: number): void {
    const waiter = this.#line.first!;
    const { ticket, since, stack } = waiter;
    this.#leaveLine(waiter);
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
    entry.state = "lent";
    entry.since = now;
    entry.stack = stack;
    entry.leaked = false;
    const lease = entry.lease = new EntryLease<Entry<Resource, Lent>, Lent>(entry, this);
    this.#counts.acquired++;
    this.#peak = Math.max(this.#peak, ++this.#lentCount);
    this.#tell?.({ type: "lent", id: entry.id, at: now, ticket, waited: now - since });
    this.#upkeep.set(now + this.#limits.leakAfter);
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

  /** A free one that is worth lending, taken off the shelf; what is not is closed on the way. */
  #fresh(now: number): Entry<Resource, Lent> | undefined {
    for (let entry = this.#idle.at(-1); entry !== undefined; entry = this.#idle.at(-1)) {
      if (now >= entry.expires) this.#close(entry, "lifetime");
      else if (now >= this.#idleUntil(entry)) this.#close(entry, "idle");
      else return this.#idle.pop();
    }
    return undefined;
  }

  /** Begins what those who wait, and the minimum, need. */
  #supply(): void {
    if (this.#ended) return;
    const now = this.#now();
    const { check, open, fill } = plan({
      min: this.#draining ? 0 : this.#min,
      max: this.#max,
      size: this.#entries.size,
      idle: this.#idle.length,
      checking: this.#checking,
      opening: this.#openings.size,
      waiting: this.#line.size,
    });
    for (let i = 0; i < check && this.#line.size > 0; i++) {
      const entry = this.#fresh(now);
      if (entry === undefined) return this.#supply(); // all were stale: count again
      if (this.#how.check === undefined) this.#serve(entry, now);
      else this.#check(entry, now);
    }
    const wait = now < this.#retryAt;
    const wanted = wait && this.#limits.whenOpenFails === "retry" ? 0 : open;
    const count = wanted + (wait ? 0 : fill);
    for (let i = 0; i < count; i++) this.#open(now);
    if (wait && (open > wanted || fill > 0)) {
      (open > wanted ? this.#urgent : this.#upkeep).set(this.#retryAt);
    }
    this.#finishIfDone();
  }

  /** Looks whether it can be lent; whoever is first in line by then gets it. */
  #check(entry: Entry<Resource, Lent>, now: number): void {
    entry.state = "checking";
    entry.since = now;
    entry.checkedFor = this.#tickets;
    this.#checking++;
    this.#tell?.({ type: "checking", id: entry.id, at: now });
    this.#urgent.set(now + this.#limits.checkTimeout);
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
      this.#checking--;
      entry.state = "between";
      const next = this.#line.first?.ticket ?? 0;
      if (next > entry.checkedFor) return this.#check(entry, now); // asked after we looked
      if (next > 0 && this.#entries.size <= this.#max) return this.#serve(entry, now);
      this.#free(entry, now);
    }
    this.#supply();
  }

  #open(now: number): void {
    const opening = {
      started: now,
      due: now + this.#limits.openTimeout,
      cut: new AbortController(),
    };
    this.#openings.add(opening);
    this.#urgent.set(opening.due);
    Promise.try(this.#how.open, { signal: opening.cut.signal }).then(
      (resource) => this.#opened(opening, resource),
      (error) => this.#openFailed(opening, error),
    );
  }

  #opened(opening: Opening, resource: Resource): void {
    if (!this.#openings.delete(opening)) return dispose(resource); // nobody counts on it any more
    const { world, maxLifetime, lifetimeJitter } = this.#limits;
    const at = this.#now();
    const span = lifetime(maxLifetime, lifetimeJitter, world.random());
    const entry = new Entry<Resource, Lent>(
      ++this.#ids,
      resource,
      at + span,
      (entry, reason, error) => this.#gone(entry, reason, error),
    );
    this.#entries.add(entry);
    this.#failures = 0;
    this.#retryAt = -Infinity;
    this.#lastFailure = undefined;
    this.#tell?.({ type: "opened", id: entry.id, at, took: at - opening.started });
    this.#warmed();
    if (this.#line.size > 0 && this.#entries.size <= this.#max) this.#serve(entry, at);
    else this.#free(entry, at);
    this.#planUpkeep(); // with one more held, another one may be one too many
    this.#supply();
  }

  #openFailed(opening: Opening, error: unknown): void {
    if (!this.#openings.delete(opening)) return;
    const at = this.#now();
    const { world, whenOpenFails } = this.#limits;
    this.#counts.openFailed++;
    this.#lastFailure = error;
    // Of those that were begun together, only the first to fail counts: fifty are not fifty in a row.
    if (opening.started >= this.#retryAt) {
      this.#retryAt = at + backoffDelay(++this.#failures, world.random());
    }
    this.#tell?.({ type: "openFailed", at, error });
    this.#warming?.reject(error);
    this.#warming = undefined;
    const first = this.#line.first;
    if (first && whenOpenFails === "fail") this.#turnAway(first, error);
    this.#supply();
  }

  #gone(entry: Entry<Resource, Lent>, reason: PoolCloseReason, error: unknown): void {
    if (entry.state !== "idle" && entry.state !== "checking") return;
    this.#close(entry, reason, error);
    this.#supply();
  }

  #close(entry: Entry<Resource, Lent>, reason: PoolCloseReason, error?: unknown): void {
    if (entry.state === "idle") this.#idle.splice(this.#idle.lastIndexOf(entry), 1);
    if (entry.state === "checking") this.#checking--;
    entry.state = "closed";
    this.#entries.delete(entry);
    this.#closed[reason] = (this.#closed[reason] ?? 0) + 1;
    const told = { type: "closed", id: entry.id, at: this.#now(), reason } as const;
    this.#tell?.(error === undefined ? told : { ...told, error });
    dispose(entry.resource);
  }

  #turnAway(waiter: Waiter<PoolLease<Lent>>, error: unknown): void {
    const { ticket, since } = waiter;
    const at = this.#now();
    this.#leaveLine(waiter);
    this.#counts.left++;
    this.#tell?.({ type: "left", ticket, at, waited: at - since, error });
    waiter.reject(error);
    this.#finishIfDone();
  }

  #leaveLine(waiter: Waiter<PoolLease<Lent>>): void {
    this.#line.leave(waiter);
  }

  /** Tells those whose time is up, and returns when the next one's is. */
  #serveLate(now: number): number {
    for (const opening of this.#openings) {
      if (opening.due > now) continue;
      const { openTimeout } = this.#limits;
      const late = new DOMException(`Cannot open within ${openTimeout} ms`, "TimeoutError");
      opening.cut.abort(late);
      this.#openFailed(opening, late);
    }
    for (const waiter of this.#line.late(now)) {
      const { since } = waiter;
      const cause = this.#lastFailure;
      const error = new PoolTimeoutError(
        now - since,
        this.stats,
        cause === undefined ? {} : { cause },
      );
      this.#turnAway(waiter, error);
    }
    let due = this.#line.earliest();
    for (const entry of this.#checking > 0 ? this.#entries : []) {
      if (entry.state !== "checking") continue;
      const end = entry.since + this.#limits.checkTimeout;
      if (end <= now) this.#close(entry, "check");
      else due = Math.min(due, end);
    }
    this.#supply();
    for (const opening of this.#openings) due = Math.min(due, opening.due);
    return due;
  }

  /** Closes what is too old, tells of leaks, fills up; returns when to look again. */
  #keepUp(now: number): number {
    for (const entry of this.#lent()) {
      if (entry.leaked || now - entry.since < this.#limits.leakAfter) continue;
      entry.leaked = true;
      this.#counts.leaks++;
      const { id, since, stack = "" } = entry;
      this.#tell?.({ type: "leak", id, at: now, held: now - since, stack });
    }
    for (const entry of this.#idle.slice()) {
      if (now >= entry.expires) this.#close(entry, "lifetime");
      else if (now >= this.#idleUntil(entry)) this.#close(entry, "idle");
    }
    this.#supply();
    return this.#nextUpkeep();
  }

  #nextUpkeep(): number {
    let due = Infinity;
    for (const entry of this.#entries) {
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
    return this.#entries.size > this.#min ? entry.since + this.#limits.idleTimeout : Infinity;
  }

  #isReusable({ resource }: Entry<Resource, Lent>): boolean {
    try {
      return this.#how.reusable?.(resource) ?? true;
    } catch (error) {
      reportError(error);
      return false;
    }
  }

  #warmed(): void {
    if (this.#entries.size < this.#min) return;
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
    for (const entry of this.#idle.slice()) this.#close(entry, "drained");
    this.#abandonOpenings(new PoolClosedError());
  }

  #abandonOpenings(reason: unknown): void {
    const openings = [...this.#openings];
    this.#openings.clear();
    for (const { cut } of openings) cut.abort(reason);
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
    this.#abandonOpenings(error);
    const now = this.#now();
    for (const entry of [...this.#entries]) {
      if (entry.state !== "lent") this.#close(entry, reason === "cut" ? "drained" : "aborted");
      else {
        this.#draining?.cut.push({ id: entry.id, held: now - entry.since, stack: entry.stack });
        entry.lease?.revoke();
        this.#lentCount--;
        this.#close(entry, reason);
      }
    }
    this.#finishIfDone();
  }

  #finishIfDone(): void {
    if (!this.#ended && !this.#draining) return;
    if (this.#line.size > 0) return;
    if (!this.#ended) this.#clearAway();
    if (this.#entries.size > 0) return;
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

  /** How many more could be lent now, if all that is held is good. */
  #room(): number {
    return Math.max(0, this.#max - this.#lentCount);
  }

  #lent(): Entry<Resource, Lent>[] {
    return [...this.#entries].filter(({ state }) => state === "lent");
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

/** Closing is the resource's own business: what it throws must not stop the pool. */
function dispose(resource: Disposable): void {
  try {
    resource[Symbol.dispose]();
  } catch (error) {
    reportError(error);
  }
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
