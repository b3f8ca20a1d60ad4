/**
 * Several servers as one: whom to choose, whether they are well, and how to change them while
 * they serve.
 *
 * @example One of two servers is gone, and nobody notices
 * ```ts
 * import { Fleet, parseServerList, serveProxy } from "@tcplab/tcplab/proxy";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, (conn) => writeAll(conn, new TextEncoder().encode("hi")));
 * const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * gone.close();
 * const { port } = gone.addr as Deno.NetAddr;
 *
 * await using fleet = new Fleet(
 *   parseServerList(`gone=127.0.0.1:${port}, here=127.0.0.1:${server.addr.port}`),
 *   { algorithm: "first" },
 * );
 * await using proxy = serveProxy({ connect: fleet.connect });
 * using client = await Deno.connect(proxy.addr);
 * await client.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "hi");
 * ```
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";
import { realWorld, type World } from "../world.ts";
import type { BalancerOptions } from "./balancer.ts";
import { Balancer } from "./balancer.ts";
import { type HealthWatch, watchHealth, type WatchHealthOptions } from "./health.ts";
import type { HealthState } from "./health_state.ts";
import { applyServerList, type ListChanges, type ListedServer } from "./server_list.ts";
import { isShortage } from "./shortage.ts";
import { ServerQueue, type ServerQueueOptions } from "./server_queue.ts";
import { type ConnectUpstream, toBalanced, type ToBalancedOptions } from "./upstream.ts";

/** Options for {@linkcode Fleet}. */
export interface FleetOptions
  extends
    BalancerOptions,
    Omit<ServerQueueOptions, "timeout">,
    Omit<ToBalancedOptions<TcpAddr>, "onFailure" | "onSuccess" | "timeout"> {
  /**
   * The most milliseconds that a connection may wait for a place on a server.
   *
   * @default {10000}
   */
  queueTimeout?: number;
  /**
   * The most milliseconds that one attempt to connect may take.
   *
   * @default {5000}
   */
  timeout?: number;
  /**
   * How to check servers, and what to make of it; what real traffic learns counts as well.
   *
   * @default {undefined}, they are not checked.
   */
  health?: Omit<WatchHealthOptions<TcpAddr>, "world" | "onChange" | "signal">;
  /** Told when a server goes up or down. */
  onHealth?: (id: string, state: HealthState) => void;
  /** Told of every attempt to connect that fails: the next server is tried. */
  onFailure?: (failure: { id: string; error: unknown }) => void;
  /**
   * The clock and the dice.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Servers that share the load. Disposing it ends the checks. */
export class Fleet implements AsyncDisposable {
  /** Chooses; servers may be drained and made ready here, while they serve. */
  readonly balancer: Balancer<TcpAddr>;
  /** Where connections wait for a place. */
  readonly queue: ServerQueue<TcpAddr>;
  /** The checks, if there are any. */
  readonly watch: HealthWatch<TcpAddr> | undefined;
  /** Finds a client a server: for {@linkcode serveProxy}. */
  readonly connect: ConnectUpstream;
  readonly #up: boolean;

  /**
   * Has the servers of a list, and checks them from now on if it shall.
   *
   * @throws {RangeError} If an option is out of range.
   */
  constructor(list: readonly ListedServer[], options: FleetOptions = {}) {
    const { health, onHealth, onFailure, queueTimeout = 10_000, world = realWorld } = options;
    this.balancer = new Balancer({ ...options, world });
    this.queue = new ServerQueue(this.balancer, { ...options, timeout: queueTimeout, world });
    this.#up = health === undefined || !/down$/.test(health.initial ?? "up");
    applyServerList(this.balancer, list, this.#up);
    const watch = this.watch = health &&
      watchHealth(this.balancer.servers, {
        ...health,
        world,
        onChange: (id, state) => {
          this.balancer.set(id, { up: state.up });
          onHealth?.(id, state);
        },
      });
    this.#suspend();
    this.connect = toBalanced(this.queue, {
      ...options,
      world,
      onFailure: (failure) => {
        if (!isShortage(failure.error)) watch?.report(failure.id, false);
        onFailure?.(failure);
      },
      onSuccess: (id) => watch?.report(id, true),
    });
  }

  /** Takes over another list; connections that there are go on. */
  reload(list: readonly ListedServer[]): ListChanges {
    const changes = applyServerList(this.balancer, list, this.#up);
    for (const id of changes.removed) this.watch?.remove(id);
    for (const { id, addr } of list) {
      if (changes.added.includes(id)) this.watch?.add({ id, target: addr });
    }
    this.#suspend();
    return changes;
  }

  /** A server under maintenance is not checked. */
  #suspend(): void {
    for (const { id, mode } of this.balancer.servers) {
      if (mode === "maintenance") this.watch?.suspend(id);
      else this.watch?.resume(id);
    }
  }

  /** Ends the checks. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.watch?.[Symbol.asyncDispose]();
  }
}
