/**
 * One connection's way to a server that takes it: where one does not, the next one is tried,
 * and the client need not know.
 *
 * @example The first server is gone
 * ```ts
 * import { Balancer, redispatch, ServerQueue } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const balancer = new Balancer<string>({ algorithm: "first" });
 * balancer.add("a", "gone");
 * balancer.add("b", "here");
 *
 * const placed = await redispatch(new ServerQueue(balancer), (target) => {
 *   if (target === "gone") throw new Deno.errors.ConnectionRefused();
 *   return Promise.resolve(`connected to ${target}`);
 * });
 * assertEquals(placed.conn, "connected to here");
 * assertEquals(placed.failures.map(({ id }) => id), ["a"]);
 * placed.lease.release();
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import type { Lease } from "./balance_lease.ts";
import { NoServerError, type ServerQueue } from "./server_queue.ts";

/** Options for {@linkcode redispatch}. */
export interface RedispatchOptions {
  /**
   * What the connection is recognized by: see {@linkcode PickRequest}.
   *
   * @default {""}
   */
  key?: string;
  /**
   * How many further attempts there may be after the first.
   *
   * @default {3}
   */
  retries?: number;
  /**
   * The milliseconds to wait before a server is tried again, once all of them were; the next
   * one is tried at once.
   *
   * @default {1000}
   */
  retryDelay?: number;
  /** Ends it: whatever waits rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of every attempt that failed, as it does: what passive checks learn from. */
  onFailure?: (failure: DispatchFailure) => void;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** An attempt that failed. */
export interface DispatchFailure {
  /** The server's name. */
  readonly id: string;
  /** Why. */
  readonly error: unknown;
}

/** A connection that a server took. */
export interface Dispatched<T, Conn> {
  /** What `connect` resolved with. */
  readonly conn: Conn;
  /** Its place on the server: release it when the connection has ended. */
  readonly lease: Lease<T>;
  /** The attempts before it. */
  readonly failures: readonly DispatchFailure[];
}

/** No server took the connection. */
export class DispatchError extends AggregateError {
  /** Every attempt, in order; none if there was no server to try. */
  readonly failures: readonly DispatchFailure[];

  /** Says why; `cause` is what came last. */
  constructor(failures: readonly DispatchFailure[], cause: unknown) {
    const tried = failures.map(({ id }) => id).join(", ") || "none";
    super(failures.map(({ error }) => error), `Cannot dispatch a connection: tried ${tried}`, {
      cause,
    });
    this.name = "DispatchError";
    this.failures = failures;
  }
}

/**
 * Takes a place, and connects with `connect`, which must leave nothing open when it throws;
 * if it does, the next server is asked, which has not been tried.
 *
 * @throws {DispatchError} If all attempts failed, or there is no server to try.
 */
export async function redispatch<T, Conn>(
  queue: ServerQueue<T>,
  connect: (target: T, signal: AbortSignal | undefined) => Promise<Conn>,
  options: RedispatchOptions = {},
): Promise<Dispatched<T, Conn>> {
  const { key = "", retries = 3, retryDelay = 1000, signal, onFailure } = options;
  const { world = realWorld } = options;
  const failures: DispatchFailure[] = [];
  const tried = new Set<string>();
  while (true) {
    let lease: Lease<T>;
    try {
      lease = await queue.place({ key, tried, signal });
    } catch (error) {
      if (!(error instanceof NoServerError)) throw error;
      if (error.reason !== "all tried" || failures.length > retries) {
        throw new DispatchError(failures, error);
      }
      tried.clear();
      await world.sleep(retryDelay, { signal });
      continue;
    }
    try {
      return { conn: await connect(lease.target, signal), lease, failures };
    } catch (error) {
      lease.release();
      signal?.throwIfAborted();
      const failure = { id: lease.id, error };
      failures.push(failure);
      tried.add(lease.id);
      onFailure?.(failure);
      if (failures.length > retries) throw new DispatchError(failures, error);
    }
  }
}
