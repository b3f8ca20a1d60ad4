/**
 * The way from a proxy to its servers: to one, or to whichever a balancer chooses.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../addr.ts";
import { dial } from "../client/dial.ts";
import type { Duplex } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import type { ProxyEnd, ReceivedProxyHeader } from "./proxy_header.ts";
import { type DispatchFailure, redispatch } from "./redispatch.ts";
import type { ServerQueue } from "./server_queue.ts";

/** A client for whom a server is sought. */
export interface ProxyClient {
  /** The connection's number, from 1. */
  readonly id: number;
  /** Who it is: what its PROXY header says, or else the other end of its connection. */
  readonly source: ProxyEnd;
  /** Whom it connected to: what its PROXY header says, or else our end of its connection. */
  readonly destination: ProxyEnd;
  /** The other end of its connection, which is a proxy's if there is a header. */
  readonly peer: TcpAddr;
  /** The PROXY header it came with. */
  readonly header?: ReceivedProxyHeader | undefined;
  /** Looks at what it has said so far, as {@linkcode ReadAhead.peek} does. */
  peek<T>(decide: (bytes: Uint8Array) => T | undefined): Promise<T | undefined>;
}

/** What a {@linkcode ConnectUpstream} may use. */
export interface ConnectContext {
  /** Aborts when it takes too long, or the client is gone. */
  readonly signal: AbortSignal;
  /** To be told when waiting for a place, or connecting, begins; connecting if it is not told. */
  enter(phase: "queue" | "connect"): void;
}

/** A connection to a server. */
export interface Upstream {
  /** The connection: whoever asked for it disposes it. */
  readonly conn: Duplex;
  /** The server's name, for the log. */
  readonly server: string;
  /**
   * How many attempts failed before.
   *
   * @default {0}
   */
  readonly retries?: number;
  /** Called once, when the connection has ended. */
  release?(): void;
}

/** Finds a client a server, or throws, with nothing left open. */
export type ConnectUpstream = (client: ProxyClient, context: ConnectContext) => Promise<Upstream>;

/** Opens a connection to one server, or throws, with nothing left open. */
export type OpenUpstream<T> = (target: T, signal: AbortSignal | undefined) => Promise<Duplex>;

/** Options for {@linkcode openTcp}, {@linkcode toServer} and {@linkcode toBalanced}. */
export interface AttemptOptions {
  /**
   * The most milliseconds that one attempt to connect may take.
   *
   * @default {5000}
   */
  timeout?: number;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Opens TCP connections, with small writes going out at once. */
export function openTcp(options: AttemptOptions = {}): OpenUpstream<ProxyEnd> {
  const { timeout = 5000, world = realWorld } = options;
  return ({ hostname, port }, signal) =>
    dial(tcpAddr(hostname, port), { timeout, world, ...(signal && { signal }) });
}

/** Options for {@linkcode toServer}. */
export interface ToServerOptions {
  /**
   * How to connect.
   *
   * @default {openTcp({ timeout: Infinity })}, as the proxy's `connectTimeout` bounds it.
   */
  open?: OpenUpstream<ProxyEnd>;
}

/** Connects every client to one server, tried once. */
export function toServer(addr: ProxyEnd, options: ToServerOptions = {}): ConnectUpstream {
  const { open = openTcp({ timeout: Infinity }) } = options;
  const server = formatAddr(addr);
  return async (_client, { signal }) => ({ conn: await open(addr, signal), server });
}

/** Options for {@linkcode toBalanced}. */
export interface ToBalancedOptions<T> extends AttemptOptions {
  /** How to connect; it may be left out where the balancer's servers are addresses. */
  open?: OpenUpstream<T>;
  /**
   * What a client is recognized by.
   *
   * @default {({ source }) => source.hostname}
   */
  key?: (client: ProxyClient) => string;
  /**
   * How many further attempts there may be after the first.
   *
   * @default {3}
   */
  retries?: number;
  /**
   * The milliseconds to wait before a server is tried again, once all of them were.
   *
   * @default {1000}
   */
  retryDelay?: number;
  /** Told of every attempt that fails, as it does: passive checks learn from it. */
  onFailure?: (failure: DispatchFailure) => void;
  /** Told of every attempt that succeeds. */
  onSuccess?: (id: string) => void;
}

/**
 * Connects each client to a server that the queue's balancer chooses, and to another one
 * where that fails; it holds its place there until its connection has ended.
 */
export function toBalanced<T = ProxyEnd>(
  queue: ServerQueue<T>,
  options: ToBalancedOptions<T> = {},
): ConnectUpstream {
  const { key = ({ source }) => source.hostname, retries = 3, retryDelay = 1000 } = options;
  const { onFailure, onSuccess, world = realWorld } = options;
  // Without `open` the servers are addresses: nothing else could be opened.
  const open = options.open ?? openTcp(options) as unknown as OpenUpstream<T>;
  return async (client, { signal, enter }) => {
    enter("queue");
    const { conn, lease, failures } = await redispatch(queue, (target, signal) => {
      enter("connect");
      return open(target, signal);
    }, {
      key: key(client),
      retries,
      retryDelay,
      signal,
      world,
      onFailure: (failure) => {
        enter("queue");
        onFailure?.(failure);
      },
    });
    onSuccess?.(lease.id);
    return { conn, server: lease.id, retries: failures.length, release: () => lease.release() };
  };
}
