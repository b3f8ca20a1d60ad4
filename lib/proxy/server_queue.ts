/**
 * Connections that wait for a place on a server, first come, first served.
 *
 * @example One place, and two who want it
 * ```ts
 * import { Balancer, ServerQueue } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const balancer = new Balancer<string>();
 * balancer.add("a", "10.0.0.1:80", { maxConns: 1 });
 * const queue = new ServerQueue(balancer);
 *
 * const first = await queue.place();
 * const second = queue.place();
 * assertEquals(queue.waiting, 1);
 * first.release();
 * assertEquals((await second).target, "10.0.0.1:80");
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import type { Lease } from "./balance_lease.ts";
import type { Balancer, Decision, PickRequest, Refusal } from "./balancer.ts";

/** Options for {@linkcode ServerQueue}. */
export interface ServerQueueOptions {
  /**
   * How many may wait at once; whoever comes then is refused.
   *
   * @default {1024}
   */
  maxWaiting?: number;
  /**
   * The most milliseconds that one may wait.
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * Told of every decision: who got a place, and who gets none or has to wait, and why. Who
   * waits is decided on once more when its turn comes.
   */
  onDecision?: (decision: Decision<unknown>, request: PickRequest) => void;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Options for {@linkcode ServerQueue.place}. */
export interface PlaceOptions extends PickRequest {
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** No server took a connection. */
export class NoServerError extends Error {
  /**
   * Why: none is up and ready, all of those were tried, or they are full, and the queue is
   * as well, or the wait was too long.
   */
  readonly reason: Exclude<Refusal, "all full"> | "queue full" | "queue timeout";
  /** The last decision about it: what speaks against each server. */
  readonly decision: Decision<unknown>;

  /** Says why. */
  constructor(reason: NoServerError["reason"], decision: Decision<unknown>) {
    const servers = decision.explain.candidates.map(({ id, verdict }) => `${id} ${verdict}`);
    super(`Cannot place a connection: ${reason} (${servers.join(", ") || "none"})`);
    this.name = "NoServerError";
    this.reason = reason;
    this.decision = decision;
  }
}

interface Waiting<T> {
  readonly request: PickRequest;
  readonly resolve: (lease: Lease<T>) => void;
  readonly reject: (reason: unknown) => void;
  decision: Decision<T>;
}

/** Stands between those who come and a {@linkcode Balancer} whose servers have limits. */
export class ServerQueue<T> {
  readonly #balancer: Balancer<T>;
  readonly #maxWaiting: number;
  readonly #timeout: number;
  readonly #onDecision: NonNullable<ServerQueueOptions["onDecision"]>;
  readonly #world: World;
  #waiting: Waiting<T>[] = [];
  #forget: (() => void) | undefined;
  #placing = false;
  #again = false;

  /**
   * Nobody waits yet.
   *
   * @throws {RangeError} If an option is out of range.
   */
  constructor(balancer: Balancer<T>, options: ServerQueueOptions = {}) {
    const { maxWaiting = 1024, timeout = 10_000, world = realWorld } = options;
    this.#onDecision = options.onDecision ?? (() => {});
    if (!(maxWaiting >= 0)) throw outOfRange("maxWaiting", ">= 0", maxWaiting);
    if (!(timeout > 0)) throw outOfRange("timeout", "> 0", timeout);
    this.#balancer = balancer;
    this.#maxWaiting = maxWaiting;
    this.#timeout = timeout;
    this.#world = world;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with a place on a server, at once if there is one and nobody waits for it;
   * otherwise when it is our turn. Release it.
   *
   * @throws {NoServerError} At once, if waiting would be in vain; or later, if it was.
   */
  async place(options: PlaceOptions = {}): Promise<Lease<T>> {
    const { signal, ...request } = options;
    signal?.throwIfAborted();
    // Those who wait come first. They may wait for others than we do: only asking tells.
    this.#serve();
    const decision = this.#balancer.pick(request);
    this.#onDecision(decision, request);
    if (decision.lease !== undefined) return decision.lease;
    if (decision.refusal !== "all full") throw new NoServerError(decision.refusal!, decision);
    if (this.#waiting.length >= this.#maxWaiting) throw new NoServerError("queue full", decision);
    return await this.#wait(request, decision, signal);
  }

  async #wait(
    request: PickRequest,
    decision: Decision<T>,
    signal: AbortSignal | undefined,
  ): Promise<Lease<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<Lease<T>>();
    const waiting: Waiting<T> = { request, resolve, reject, decision };
    const over = new AbortController();
    const abort = () => this.#leave(waiting, signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    this.#world.sleep(this.#timeout, { signal: over.signal }).then(
      () => this.#leave(waiting, new NoServerError("queue timeout", waiting.decision)),
      () => {},
    );
    this.#waiting.push(waiting);
    this.#forget ??= this.#balancer.onChange(() => this.#serve());
    try {
      return await promise;
    } finally {
      over.abort();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Gives up waiting, unless its turn has come in the meantime. */
  #leave(waiting: Waiting<T>, reason: unknown): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    waiting.reject(reason);
    this.#rest();
  }

  /** Serves whom it can, in order; whoever can hope no more is told so. */
  #serve(): void {
    if (this.#placing) {
      this.#again = true;
      return;
    }
    this.#placing = true;
    try {
      do {
        this.#again = false;
        this.#serveOnce();
      } while (this.#again);
    } finally {
      this.#placing = false;
      this.#rest();
    }
  }

  #serveOnce(): void {
    const left: Waiting<T>[] = [];
    let full = false;
    for (const waiting of this.#waiting) {
      const { request, resolve, reject } = waiting;
      // If a request that would take any server finds no place, no other one does.
      if (full) {
        left.push(waiting);
        continue;
      }
      waiting.decision = this.#balancer.pick(request);
      const { lease, refusal } = waiting.decision;
      if (refusal !== "all full") this.#onDecision(waiting.decision, request);
      if (lease !== undefined) resolve(lease);
      else if (refusal !== "all full") reject(new NoServerError(refusal!, waiting.decision));
      else {
        left.push(waiting);
        full = [...request.tried ?? []].length === 0;
      }
    }
    this.#waiting = left;
  }

  /** A queue that nobody waits in does not listen. */
  #rest(): void {
    if (this.#waiting.length > 0) return;
    this.#forget?.();
    this.#forget = undefined;
  }
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot queue as '${name}' must be ${rule}: current value is ${value}`);
}
