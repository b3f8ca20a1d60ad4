/**
 * Dialing and accepting TCP connections that can send RST on purpose, which `Deno.TcpConn`
 * cannot: its close() says FIN first whatever is pending. They run over `node:net`.
 *
 * They are a lab's instrument, and for plain work a {@linkcode TcpStream} is the better
 * tool: `node:net` in Deno 2.9.6 fails a write that has to wait with BrokenPipe once the
 * peer has said FIN and all before it is read (denoland/deno#33860), and a listener whose
 * process runs out of descriptors is told nothing of it, and accepts again up to a second
 * after there are some.
 *
 * @example The peer learns that something broke
 * ```ts
 * import { dialResettable, listenResettable } from "@tcplab/tcplab/stream";
 * import { assertRejects } from "@std/assert";
 *
 * using listener = await listenResettable();
 * using client = await dialResettable(listener.addr);
 * using server = await listener.accept();
 *
 * server.reset();
 * await assertRejects(() => client.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
 * ```
 *
 * @module
 */

import { connect, createServer, type Server } from "node:net";
import { type TcpAddr, tcpAddr } from "../addr.ts";
import { realWorld, type World } from "../world.ts";
import { badResource, systemError } from "./_errors.ts";
import { type ResettableConn, SocketConn } from "./resettable_conn.ts";

export type { ResettableConn } from "./resettable_conn.ts";

/** Options for {@linkcode dialResettable}. */
export interface DialResettableOptions {
  /**
   * Milliseconds for resolving the name and connecting; `Infinity` for as long as the
   * kernel tries.
   *
   * @default {10000}
   */
  timeout?: number;
  /** Ends the attempt: it rejects with the signal's reason. Later it does nothing. */
  signal?: AbortSignal | undefined;
  /**
   * Whether small writes go out at once (TCP_NODELAY).
   *
   * @default {true}
   */
  noDelay?: boolean;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/**
 * Connects to `addr`. The connection is the caller's to dispose or reset.
 *
 * @throws {DOMException} `TimeoutError` if that takes longer than `timeout`.
 * @throws {Deno.errors.ConnectionRefused} If nobody listens there, and other system
 * errors with their class and code.
 */
export async function dialResettable(
  addr: { hostname: string; port: number },
  options: DialResettableOptions = {},
): Promise<ResettableConn> {
  const { timeout = 10_000, signal, noDelay = true, world = realWorld } = options;
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<ResettableConn>();
  const { hostname: host, port } = addr;
  const socket = connect({ host, port, noDelay, allowHalfOpen: true });
  const settled = new AbortController();
  const giveUp = (reason: unknown) => {
    if (settled.signal.aborted) return;
    reject(reason);
    socket.destroy();
  };
  const abort = () => giveUp(signal?.reason);
  socket.once("connect", () => {
    settled.abort();
    resolve(new SocketConn(socket));
  });
  socket.once("error", (error) => reject(systemError(error)));
  signal?.addEventListener("abort", abort, { once: true });
  world.sleep(timeout, { signal: settled.signal }).then(
    () => giveUp(new DOMException(`Cannot connect within ${timeout} ms`, "TimeoutError")),
    () => {},
  );
  try {
    return await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
    settled.abort();
  }
}

/** Options for {@linkcode listenResettable}. */
export interface ListenResettableOptions {
  /**
   * Where to listen.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port; 0 lets the system choose.
   *
   * @default {0}
   */
  port?: number;
  /**
   * How many connections may wait to be accepted, in the kernel and again here, since
   * `node:net` takes them out of the kernel's queue at once; more are reset.
   *
   * @default {511}
   */
  backlog?: number;
  /**
   * Whether small writes go out at once (TCP_NODELAY).
   *
   * @default {true}
   */
  noDelay?: boolean;
}

/** Hands out {@linkcode ResettableConn}s. */
export interface ResettableListener extends Disposable {
  /** Where it listens, with the port that the system chose. */
  readonly addr: TcpAddr;
  /**
   * The next connection, of which nothing is read yet. Several calls are served in order.
   *
   * @throws {Deno.errors.BadResource} Once the listener is disposed.
   */
  accept(): Promise<ResettableConn>;
  /** The same as disposing. */
  close(): void;
  /** Lets the listener keep the process alive, as it does at first. */
  ref(): void;
  /** Lets the process end although this listens. */
  unref(): void;
  /** Stops listening. Connections that nobody accepted are reset; others go on. */
  [Symbol.dispose](): void;
}

/**
 * Listens for connections that can be reset. The listener is the caller's to dispose, and so is
 * each connection that it hands out.
 *
 * A client that resets at once costs only itself its connection.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken, and other system errors with
 * their class and code.
 */
export async function listenResettable(
  options: ListenResettableOptions = {},
): Promise<ResettableListener> {
  const { hostname = "127.0.0.1", port = 0, backlog = 511, noDelay = true } = options;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay });
  const listening = Promise.withResolvers<void>();
  server.once("error", (error) => listening.reject(systemError(error)));
  server.listen({ host: hostname, port, backlog }, listening.resolve);
  await listening.promise;
  return new SocketListener(server, backlog);
}

/** Milliseconds from one time that a listener is told to listen to the next; a guess. */
const WAKE = 1000;

/** What is behind a server: in Node as well. */
interface Listening {
  readonly _handle?: { listen?(backlog: number): number } | null;
}

class SocketListener implements ResettableListener {
  readonly addr: TcpAddr;
  readonly #over = new AbortController();
  readonly #server: Server;
  readonly #arrived: SocketConn[] = [];
  readonly #accepts: PromiseWithResolvers<ResettableConn>[] = [];
  #closed = false;

  constructor(server: Server, backlog: number) {
    this.#server = server;
    const addr = server.address();
    if (addr === null || typeof addr === "string") throw badResource();
    this.addr = tcpAddr(addr.address, addr.port);
    // What went wrong with one client must not end the listener, nor the process.
    server.on("error", () => {});
    server.on("connection", (socket) => {
      // Who was reset before we looked has no address any more.
      if (socket.remoteAddress === undefined) {
        socket.destroy();
        return;
      }
      const conn = new SocketConn(socket);
      const accept = this.#accepts.shift();
      if (accept) accept.resolve(conn);
      else if (this.#closed || this.#arrived.length >= backlog) conn.reset();
      else this.#arrived.push(conn);
    });
    this.#wake(backlog);
  }

  /**
   * Deno 2.9.6 that cannot accept for want of descriptors does not try again, and no event says
   * so. Being told to listen again makes it try; where it does anyway, that changes nothing.
   */
  async #wake(backlog: number): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      await realWorld.sleep(WAKE, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) (this.#server as Listening)._handle?.listen?.(backlog);
    }
  }

  accept(): Promise<ResettableConn> {
    if (this.#closed) return Promise.reject(badResource());
    const conn = this.#arrived.shift();
    if (conn) return Promise.resolve(conn);
    const accept = Promise.withResolvers<ResettableConn>();
    this.#accepts.push(accept);
    return accept.promise;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#over.abort();
    this.#server.close();
    for (const conn of this.#arrived.splice(0)) conn.reset();
    for (const accept of this.#accepts.splice(0)) accept.reject(badResource());
  }

  close(): void {
    this[Symbol.dispose]();
  }

  ref(): void {
    this.#server.ref();
  }

  unref(): void {
    this.#server.unref();
  }
}
