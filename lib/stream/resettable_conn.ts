/**
 * A TCP connection over `node:net` that can be reset.
 *
 * @module
 */

import type { Socket } from "node:net";
import { type TcpAddr, tcpAddr } from "../addr.ts";
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
export class SocketConn implements ResettableConn {
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
