/**
 * A TCP connection as this toolkit hands it out: a `Deno.TcpConn` that counts its
 * bytes, knows who has finished, and never lets a reset pass for EOF.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { type Duplex, isResettable, type Resettable } from "./conn.ts";

/** What a {@linkcode TcpStream} can stand upon: a `Deno.TcpConn` does, and a {@linkcode ResettableConn}. */
export interface TcpSocket extends Duplex {
  /** Our end. */
  readonly localAddr: { readonly hostname: string; readonly port: number };
  /** The peer's end. */
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  /** Whether small writes go out at once (TCP_NODELAY). */
  setNoDelay(noDelay?: boolean): void;
  /** Whether the kernel probes an idle peer (SO_KEEPALIVE). */
  setKeepAlive(keepAlive?: boolean): void;
  /** Lets a pending operation keep the process alive. */
  ref(): void;
  /** Lets the process end although an operation is pending. */
  unref(): void;
}

/**
 * An open TCP connection.
 *
 * Deno reports a peer's RST once; the next `read` resolves with `null`, as if the
 * peer had said FIN. Here a reset is remembered: once the bytes that came before it
 * are read, every read rejects with that same error, and so does every write.
 *
 * `readable` and `writable` are missing on purpose, since Deno's close the whole
 * connection at the first EOF (denoland/deno#27510): {@linkcode toReadable} and
 * {@linkcode toWritable} do not.
 */
export class TcpStream implements Duplex {
  /** Bytes read so far. */
  bytesRead = 0;
  /** Bytes written so far: taken by the kernel, which is not yet received by the peer. */
  bytesWritten = 0;
  /** Whether the peer's FIN was read. */
  peerFinished = false;
  /** Whether {@linkcode closeWrite} was called: our FIN is sent or on its way. */
  writeClosed = false;
  /** Whether this end was disposed. */
  closed = false;
  /** What broke the connection in both directions, such as a reset; our own closing is none. */
  failure: Error | undefined;
  /** The BrokenPipe by which the peer first refused a write; that our own FIN causes is none. */
  refusal: Error | undefined;
  readonly #conn: TcpSocket;
  #localAddr: TcpAddr | undefined;
  #remoteAddr: TcpAddr | undefined;

  /** Takes over `conn`: from now on, dispose this instead. */
  constructor(conn: TcpSocket) {
    this.#conn = conn;
  }

  /** Our end. */
  get localAddr(): TcpAddr {
    const { hostname, port } = this.#conn.localAddr;
    return this.#localAddr ??= tcpAddr(hostname, port);
  }

  /** The peer's end. */
  get remoteAddr(): TcpAddr {
    const { hostname, port } = this.#conn.remoteAddr;
    return this.#remoteAddr ??= tcpAddr(hostname, port);
  }

  /**
   * Reads what is there, at most `p.length` bytes, or `null` after the peer's FIN.
   * Bytes that came before a reset are read first, then it rejects with the reset.
   */
  read(p: Uint8Array): Promise<number | null> {
    // Not async functions, this and write(): a waiting one holds 200 bytes more, and an
    // echoed message takes a third more of the time that is spent above Deno's own.
    return this.#conn.read(p).then((n) => this.#took(n), (error) => {
      throw this.#remember(error);
    });
  }

  /** Writes from the front of `p`; resolves with the number of bytes taken. */
  write(p: Uint8Array): Promise<number> {
    if (this.failure) return Promise.reject(this.failure);
    return this.#conn.write(p).then((n) => {
      this.bytesWritten += n;
      return n;
    }, (error) => {
      throw this.#remember(error);
    });
  }

  /** Sends FIN after all that was written. Reading goes on. Again is harmless. */
  closeWrite(): Promise<void> {
    this.writeClosed = true;
    return this.#conn.closeWrite();
  }

  /** Whether small writes go out at once (TCP_NODELAY) or wait for an ACK (Nagle, RFC 896). */
  setNoDelay(noDelay = true): void {
    this.#conn.setNoDelay(noDelay);
  }

  /** Whether the kernel probes an idle peer; on Linux first after two hours (tcp(7)). */
  setKeepAlive(keepAlive = true): void {
    this.#conn.setKeepAlive(keepAlive);
  }

  /** Lets an operation pending here keep the process alive, as it does at first. */
  ref(): void {
    this.#conn.ref();
  }

  /** Lets the process end although an operation is pending here. */
  unref(): void {
    this.#conn.unref();
  }

  /** Closes both directions. A pending read or write rejects; again is harmless. */
  [Symbol.dispose](): void {
    this.closed = true;
    this.#conn[Symbol.dispose]();
  }

  /** The same as disposing. */
  close(): void {
    this[Symbol.dispose]();
  }

  #took(n: number | null): number | null {
    if (n !== null) this.bytesRead += n;
    else if (this.failure) throw this.failure;
    else this.peerFinished = true;
    return n;
  }

  #remember(error: unknown): Error {
    const broken = error instanceof Error ? error : new Error(String(error));
    if (this.failure || this.closed || broken instanceof TypeError) return this.failure ?? broken;
    if (!(broken instanceof Deno.errors.BrokenPipe)) return this.failure = broken;
    // The peer takes no more; what it sent before can still be read.
    return this.writeClosed ? broken : this.refusal ??= broken;
  }
}

/** A {@linkcode TcpStream} that can send RST, over a connection that can. */
export class ResettableStream extends TcpStream implements Resettable {
  readonly #conn: TcpSocket & Resettable;

  /** Takes over `conn`: from now on, dispose or reset this instead. */
  constructor(conn: TcpSocket & Resettable) {
    super(conn);
    this.#conn = conn;
  }

  /** Closes at once, by RST; does nothing once it is closed. */
  reset(): void {
    this.closed = true;
    this.#conn.reset();
  }
}

/** Takes over `conn`, in a stream that can be reset if `conn` can. */
export function tcpStream(conn: TcpSocket): TcpStream {
  return isResettable(conn) ? new ResettableStream(conn) : new TcpStream(conn);
}
