/**
 * A port that leads to a server through faults.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../addr.ts";
import { closeAbruptly, closeLingering } from "../stream/close.ts";
import type { Resettable } from "../stream/conn.ts";
import { dialPort, openPort, type Port } from "./_port.ts";
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
   * Whether connections can say RST. Without, they are Deno's own, which carry two to three times
   * as much, and every RST, a peer's or a fault's, is a close.
   *
   * @default {true}
   */
  resets?: boolean;
  /**
   * Milliseconds to reach the server.
   *
   * @default {10000}
   */
  connectTimeout?: number;
  /**
   * What a client gets if the server cannot be reached: `reset` is a RST, of which its connect()
   * may tell already, as without a link; `close` is FIN, upon which its connect() succeeds.
   *
   * @default {"reset"}
   */
  unreachable?: "reset" | "close";
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
 * While there is no fault, bytes are copied as by {@linkcode relay}.
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
  readonly #resets: boolean;
  readonly #unreachable: "reset" | "close";
  readonly #lingerTimeout: number;
  #open: Promise<Port> | undefined;
  /** Aborts what is being dialled. */
  #closing = new AbortController();

  constructor(target: { hostname: string; port: number }, options: FaultyLinkOptions) {
    super(options);
    const { hostname = "127.0.0.1", port = 0, connectTimeout = 10_000, resets = true } = options;
    const { unreachable = "reset", lingerTimeout = 500 } = options;
    if (unreachable !== "reset" && unreachable !== "close") {
      throw new TypeError(
        `Cannot make a link as 'unreachable' must be reset or close: current value is ${unreachable}`,
      );
    }
    if (!(connectTimeout > 0)) {
      throw new RangeError(
        `Cannot make a link as 'connectTimeout' must be > 0: current value is ${connectTimeout}`,
      );
    }
    this.target = target;
    this.#hostname = hostname;
    this.#port = port;
    this.#connectTimeout = connectTimeout;
    this.#resets = resets;
    this.#unreachable = unreachable;
    this.#lingerTimeout = lingerTimeout;
  }

  get addr(): TcpAddr {
    return this.#addr ?? tcpAddr(this.#hostname, this.#port);
  }

  get listening(): boolean {
    return this.#open !== undefined;
  }

  async enable(): Promise<void> {
    if (this.#open === undefined) {
      this.#closing = new AbortController();
      const addr = { hostname: this.#hostname, port: this.#port };
      this.#open = openPort(addr, this.#resets, (conn) => this.#lead(conn, ++this.count));
    }
    try {
      const { addr } = await this.#open;
      this.#addr = addr;
      this.#port = addr.port;
    } catch (error) {
      this.#open = undefined;
      throw error;
    }
  }

  async disable(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    this.#closing.abort();
    const closed = open?.then((port) => port.close());
    for (const link of this.board.links) link.end(CLOSE);
    await closed;
  }

  reset(): void {
    for (const link of this.board.links) link.end(RST);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopTimeline();
    await this.disable();
  }

  async #lead(client: Resettable, connection: number): Promise<void> {
    if (this.refuses(connection)) {
      this.tell({ at: this.world.now(), connection, type: "refused" });
      client.reset();
      return;
    }
    const { signal } = this.#closing;
    const { target, world } = this;
    let server: Resettable;
    try {
      const timeout = this.#connectTimeout;
      server = await dialPort(target, this.#resets, { timeout, signal, world });
    } catch (error) {
      if (signal.aborted) return void closeAbruptly(client);
      const what = formatAddr(target);
      this.tell({ at: world.now(), connection, type: "unreachable", what, error });
      const timeout = this.#lingerTimeout;
      if (this.#unreachable === "reset") closeAbruptly(client);
      else await closeLingering(client, { timeout, signal, world });
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
}
