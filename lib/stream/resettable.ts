/**
 * TCP connections that can send RST on purpose, which `Deno.TcpConn` cannot: its
 * close() says FIN first whatever is pending. They run over `node:net`.
 *
 * They are a lab's instrument, and for plain work a {@linkcode TcpStream} is the better
 * tool: `node:net` in Deno 2.9.6 fails a write that has to wait with BrokenPipe once the
 * peer has said FIN and all before it is read (denoland/deno#33860), and a listener that
 * once ran out of descriptors accepts nobody any more.
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

import { connect, createServer, type Server, type Socket } from "node:net";
import { type TcpAddr, tcpAddr } from "../addr.ts";
import { realWorld, type World } from "../world.ts";
import { badResource, brokenPipe, interrupted, type SystemError, systemError } from "./_errors.ts";
import type { Resettable } from "./conn.ts";
import type { TcpSocket } from "./tcp.ts";

/** A TCP connection that can be reset. */
export interface ResettableConn extends Resettable, TcpSocket {
  /** Our end. */
  readonly localAddr: TcpAddr;
  /** The peer's end. */
  readonly remoteAddr: TcpAddr;
  /**
   * Sends RST instead of FIN: the peer sees ECONNRESET, and our kernel forgets the
   * connection at once, without TIME_WAIT. Bytes that are still on their way may never
   * arrive. Of a closed connection nothing is left to reset.
   */
  reset(): void;
  /**
   * Closes both directions. A kernel says RST here as well if bytes came that nobody
   * read, while a `Deno.TcpConn` would say FIN (RFC 2525, section 2.17).
   */
  [Symbol.dispose](): void;
}

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
 * Connects to `addr`.
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
 * Listens for connections that can be reset.
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

class SocketListener implements ResettableListener {
  readonly addr: TcpAddr;
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

interface WaitingRead {
  readonly p: Uint8Array;
  readonly resolve: (n: number | null) => void;
  readonly reject: (error: Error) => void;
}

/** The most bytes one write takes, so that a write is done when the kernel has it all. */
const LARGEST_WRITE = 64 * 1024;

/**
 * The most bytes the first write takes. Where the peer's FIN came before it, Deno fails
 * that write with EPIPE without having tried it, so it is made again. That is safe as an
 * empty socket takes this much whole or not at all.
 */
const FIRST_WRITE = 4 * 1024;

/**
 * A socket without Node's stream around it. That stream keeps up to 64 KiB each way and,
 * upon any error, drops them and closes: a BrokenPipe would cost the bytes that the peer
 * sent before it left. So this stands where a stream's own implementation stands: it
 * takes bytes at `push`, asks for them by `_read`, and gives them to `_write`.
 */
class SocketConn implements ResettableConn {
  readonly localAddr: TcpAddr;
  readonly remoteAddr: TcpAddr;
  readonly #socket: Socket;
  /** Bytes that no read has taken yet: one piece at most, unless reads are tiny. */
  readonly #arrived: Uint8Array[] = [];
  readonly #reads: WaitingRead[] = [];
  /** How to reject the writes that wait. */
  readonly #writes = new Set<(error: Error) => void>();
  /** Whether a write went through. */
  #taken = false;
  #finishing: PromiseWithResolvers<void> | undefined;
  /** Whether nothing more will arrive. */
  #ended = false;
  #failure: Error | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.localAddr = tcpAddr(socket.localAddress!, socket.localPort!);
    this.remoteAddr = tcpAddr(socket.remoteAddress!, socket.remotePort!);
    const push = socket.push;
    socket.push = (chunk: Uint8Array | null) => {
      if (chunk === null) {
        this.#end();
        return push.call(socket, null);
      }
      this.#arrived.push(chunk);
      this.#serveReads();
      return this.#arrived.length === 0;
    };
    socket.on("error", (error) => {
      const failure = this.#remember(error);
      for (const reject of this.#writes) reject(failure);
      this.#end();
    });
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#closed) return Promise.reject(badResource());
    if (p.length === 0) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      this.#reads.push({ p, resolve, reject });
      this.#serveReads();
      if (this.#reads.length > 0) this.#socket._read(p.length);
    });
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(badResource());
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#finishing) return Promise.reject(brokenPipe());
    if (p.length === 0) return Promise.resolve(0);
    const part = p.subarray(0, this.#taken ? LARGEST_WRITE : FIRST_WRITE);
    return new Promise((resolve, reject) => {
      this.#writes.add(reject);
      this.#send(part, !this.#taken, (error) => {
        this.#writes.delete(reject);
        if (error) reject(this.#remember(error));
        else resolve(part.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    if (this.#closed) return Promise.reject(badResource());
    if (!this.#finishing) {
      this.#finishing = Promise.withResolvers();
      this.#socket.end(this.#finishing.resolve);
    }
    return this.#finishing.promise;
  }

  setNoDelay(noDelay = true): void {
    this.#socket.setNoDelay(noDelay);
  }

  setKeepAlive(keepAlive = true): void {
    this.#socket.setKeepAlive(keepAlive);
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  reset(): void {
    if (this.#close()) this.#socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    if (this.#close()) this.#socket.destroy();
  }

  #send(part: Uint8Array, again: boolean, done: (error?: Error | null) => void): void {
    this.#socket._write(part, "buffer" as BufferEncoding, (error?: SystemError | null) => {
      // Cancelled by a read that failed: its error is about to come.
      if (error?.code === "ECANCELED") return;
      if (error?.code === "EPIPE" && again && !this.#taken) return this.#send(part, false, done);
      this.#taken ||= !error;
      done(error);
    });
  }

  #close(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    for (const read of this.#reads.splice(0)) read.reject(interrupted());
    for (const reject of this.#writes) reject(interrupted());
    this.#finishing?.reject(interrupted());
    return true;
  }

  /** Gives what has arrived to the reads that wait, then tells them if that was all. */
  #serveReads(): void {
    while (this.#reads.length > 0 && this.#arrived.length > 0) {
      const { p, resolve } = this.#reads.shift()!;
      const chunk = this.#arrived[0]!;
      const part = chunk.subarray(0, p.length);
      p.set(part);
      if (part.length === chunk.length) this.#arrived.shift();
      else this.#arrived[0] = chunk.subarray(part.length);
      resolve(part.length);
    }
    if (!this.#ended) return;
    for (const read of this.#reads.splice(0)) {
      if (this.#failure) read.reject(this.#failure);
      else read.resolve(null);
    }
  }

  #end(): void {
    this.#ended = true;
    this.#serveReads();
  }

  /** The first error that ended the connection; BrokenPipe ends only our own direction. */
  #remember(error: Error): Error {
    const failure = systemError(error);
    if (failure instanceof Deno.errors.BrokenPipe) return failure;
    return this.#failure ??= failure;
  }
}
