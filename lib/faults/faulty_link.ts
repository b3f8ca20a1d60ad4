/**
 * A port that leads to a server through faults.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../addr.ts";
import { closeAbruptly } from "../stream/close.ts";
import {
  dialResettable,
  listenResettable,
  type ResettableConn,
  type ResettableListener,
} from "../stream/resettable.ts";
import { CLOSE, RST } from "./fault.ts";
import { Link } from "./link.ts";
import { Connections, type FaultsOptions, type FaultyConnections } from "./link_options.ts";

/** Options for {@linkcode faultyLink}. */
export interface FaultyLinkOptions extends FaultsOptions {
  /**
   * The address to listen on.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port to listen on; 0 lets the system choose a free one.
   *
   * @default {0}
   */
  port?: number;
  /**
   * Whether it listens from the start.
   *
   * @default {true}
   */
  enabled?: boolean;
  /**
   * Milliseconds to reach the server.
   *
   * @default {10000}
   */
  connectTimeout?: number;
}

/** A port that leads to a server through faults. */
export interface FaultyLink extends FaultyConnections {
  /** Where clients connect; the port is 0 until it listens for the first time. */
  readonly addr: TcpAddr;
  /** Whether it listens. */
  readonly listening: boolean;
  /** Where new connections are led. */
  target: { hostname: string; port: number };
  /**
   * Closes every connection and stops listening, so that clients are refused by the kernel, until
   * {@linkcode enable}.
   */
  disable(): Promise<void>;
  /**
   * Listens again, on the same port.
   *
   * @throws {Deno.errors.AddrInUse} If somebody has taken it meanwhile.
   */
  enable(): Promise<void>;
  /** Resets every connection that is open. */
  reset(): void;
  /** Closes every connection and stops listening, for good. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Listens, and leads each client to `target` through the faults. When it resolves, clients can
 * connect to `addr`.
 *
 * While there is no fault, bytes are copied as by {@linkcode relay}. A client for whom the server
 * cannot be reached is reset, as it would find out without a link.
 *
 * @throws {TypeError | RangeError} If an option is wrong.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export async function faultyLink(
  target: { hostname: string; port: number },
  options: FaultyLinkOptions = {},
): Promise<FaultyLink> {
  const link = new OverTcp(target, options);
  if (options.enabled ?? true) await link.enable();
  return link;
}

class OverTcp extends Connections implements FaultyLink {
  target: { hostname: string; port: number };
  readonly #hostname: string;
  readonly #connectTimeout: number;
  #addr: TcpAddr | undefined;
  #port: number;
  #listener: ResettableListener | undefined;
  /** Aborts what is being dialled. */
  #closing = new AbortController();
  readonly #tasks = new Set<Promise<void>>();

  constructor(target: { hostname: string; port: number }, options: FaultyLinkOptions) {
    super(options);
    const { hostname = "127.0.0.1", port = 0, connectTimeout = 10_000 } = options;
    if (!(connectTimeout > 0)) {
      throw new RangeError(
        `Cannot make a link as 'connectTimeout' must be > 0: current value is ${connectTimeout}`,
      );
    }
    this.target = target;
    this.#hostname = hostname;
    this.#port = port;
    this.#connectTimeout = connectTimeout;
  }

  get addr(): TcpAddr {
    return this.#addr ?? tcpAddr(this.#hostname, this.#port);
  }

  get listening(): boolean {
    return this.#listener !== undefined;
  }

  async enable(): Promise<void> {
    if (this.#listener) return;
    const listener = await listenResettable({ hostname: this.#hostname, port: this.#port });
    this.#listener = listener;
    this.#closing = new AbortController();
    this.#addr = listener.addr;
    this.#port = listener.addr.port;
    this.#run(this.#accept(listener));
  }

  async disable(): Promise<void> {
    this.#listener?.[Symbol.dispose]();
    this.#listener = undefined;
    this.#closing.abort();
    const { links } = this.board;
    for (const link of links) link.end(CLOSE);
    await Promise.all(this.#tasks);
  }

  reset(): void {
    for (const link of this.board.links) link.end(RST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTimeline();
    await this.disable();
  }

  async #accept(listener: ResettableListener): Promise<void> {
    while (true) {
      let client: ResettableConn;
      try {
        client = await listener.accept();
      } catch {
        return; // it was closed
      }
      this.#run(this.#lead(client, ++this.count));
    }
  }

  async #lead(client: ResettableConn, connection: number): Promise<void> {
    if (this.refuses(connection)) {
      this.tell({ at: this.world.now(), connection, type: "refused" });
      client.reset();
      return;
    }
    const { signal } = this.#closing;
    const { target, world } = this;
    let server: ResettableConn;
    try {
      server = await dialResettable(target, { timeout: this.#connectTimeout, signal, world });
    } catch (error) {
      closeAbruptly(client);
      if (signal.aborted) return;
      const what = formatAddr(target);
      this.tell({ at: world.now(), connection, type: "unreachable", what, error });
      return;
    }
    if (signal.aborted) { // in the meantime
      server.reset();
      client.reset();
      return;
    }
    this.tell({ at: world.now(), connection, type: "opened" });
    const link = new Link(client, server, {
      ...this.options,
      seed: this.seed,
      connection,
      world,
      onEvent: (event) => this.tell(event),
    });
    this.join(link);
    await link.finished;
  }

  #run(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task));
  }
}
