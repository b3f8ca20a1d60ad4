/**
 * Two connected streams without a socket between them, for tests and for wiring one
 * part of a program to another.
 *
 * They behave as a TCP connection does in Deno, with one difference: once an end is
 * closed, the peer's very next write fails, while a kernel takes one more before it has
 * heard.
 *
 * @example A pipe that holds one byte
 * ```ts
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair({ capacity: 1 });
 * assertEquals(await client.write(Uint8Array.of(1, 2, 3)), 1);
 *
 * const second = client.write(Uint8Array.of(2, 3)); // waits: the pipe is full
 * const buffer = new Uint8Array(8);
 * assertEquals(await server.read(buffer), 1);
 * assertEquals(await second, 1);
 * ```
 *
 * @module
 */

import { badResource, brokenPipe, connectionReset, interrupted } from "./_errors.ts";
import type { Resettable } from "./conn.ts";

/** Options for {@linkcode memoryPair}. */
export interface MemoryPairOptions {
  /**
   * How many bytes each direction holds that nobody has read yet: an integer >= 1. A
   * write takes what fits, and waits while nothing does.
   *
   * @default {65536}
   */
  capacity?: number;
}

/** One end of a {@linkcode memoryPair}. */
export interface MemoryConn extends Resettable {
  /** Bytes that the peer has written and this end has not read. */
  readonly buffered: number;
}

/**
 * Makes two streams, each the other's peer.
 *
 * Reads that wait are served in order, and so are writes. A write finds its way into a
 * waiting read directly, without being held in between.
 *
 * @throws {RangeError} If `capacity` is not an integer >= 1.
 */
export function memoryPair(options: MemoryPairOptions = {}): [MemoryConn, MemoryConn] {
  const { capacity = 65536 } = options;
  if (!Number.isSafeInteger(capacity) || capacity < 1) {
    throw new RangeError(
      `Cannot make a memory pair as 'capacity' must be an integer >= 1: current value is ${capacity}`,
    );
  }
  const there = new Pipe(capacity);
  const back = new Pipe(capacity);
  return [new End(back, there), new End(there, back)];
}

class End implements MemoryConn {
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  #closed = false;

  constructor(incoming: Pipe, outgoing: Pipe) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  get buffered(): number {
    return this.#incoming.held;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#closed ? Promise.reject(badResource()) : this.#incoming.read(p);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#closed ? Promise.reject(badResource()) : this.#outgoing.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#closed ? Promise.reject(badResource()) : this.#outgoing.finish();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming.closeReader();
    this.#outgoing.closeWriter();
  }

  reset(): void {
    if (this.#closed) return;
    this.#closed = true;
    // As in a kernel: to a peer that has our FIN, a RST only says that we take no more.
    const error = this.#outgoing.finished ? brokenPipe : connectionReset;
    this.#incoming.closeReader(error);
    this.#outgoing.closeWriter(error);
  }
}

interface WaitingRead {
  readonly p: Uint8Array;
  readonly resolve: (n: number | null) => void;
  readonly reject: (error: Error) => void;
}

interface WaitingWrite {
  readonly p: Uint8Array;
  readonly resolve: (n: number) => void;
  readonly reject: (error: Error) => void;
}

/** One direction. Reads wait only while it is empty, writes only while it is full. */
class Pipe {
  /** Bytes written and not read. */
  held = 0;
  /** Whether FIN is behind the last byte. */
  finished = false;
  readonly #capacity: number;
  /** A ring, allocated when a write first finds nobody reading. */
  #ring: Uint8Array | undefined;
  #start = 0;
  #reads: WaitingRead[] = [];
  #writes: WaitingWrite[] = [];
  /** Settles once FIN has found its place behind the writes that wait. */
  #finishing: PromiseWithResolvers<void> | undefined;
  #readError: (() => Error) | undefined;
  #writeError: (() => Error) | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return Promise.resolve(0);
    if (this.held > 0) {
      const n = this.#takeOut(p);
      this.#serveWrites();
      return Promise.resolve(n);
    }
    if (this.finished) return Promise.resolve(null);
    if (this.#readError) return Promise.reject(this.#readError());
    return new Promise((resolve, reject) => this.#reads.push({ p, resolve, reject }));
  }

  write(p: Uint8Array): Promise<number> {
    if (this.#writeError) return Promise.reject(this.#writeError());
    if (p.length === 0) return Promise.resolve(0);
    const n = this.#putIn(p);
    if (n > 0) return Promise.resolve(n);
    return new Promise((resolve, reject) => this.#writes.push({ p, resolve, reject }));
  }

  finish(): Promise<void> {
    this.#writeError ??= brokenPipe;
    if (this.finished || this.#readError) return Promise.resolve();
    this.#finishing ??= Promise.withResolvers();
    const { promise } = this.#finishing;
    this.#serveWrites();
    return promise;
  }

  /** Nobody will read: what is held is dropped, and the writer learns `error`. */
  closeReader(error: () => Error = brokenPipe): void {
    this.#failReads(interrupted);
    this.#ring = undefined;
    this.held = 0;
    this.#failWrites(error);
    this.#writeError = error;
    this.#finishing?.resolve();
  }

  /** Nobody will write: what is held can be read, then comes FIN, or `error`. */
  closeWriter(error?: () => Error): void {
    this.#failWrites(interrupted);
    this.#writeError = interrupted;
    this.#finishing?.reject(interrupted());
    if (error) {
      this.#readError = error;
      this.#failReads(error);
    } else {
      this.#markFinished();
    }
  }

  /** Moves what it can from `p` to waiting reads, then into the ring. */
  #putIn(p: Uint8Array): number {
    let moved = 0;
    while (moved < p.length && this.#reads.length > 0) {
      const read = this.#reads.shift()!;
      const part = p.subarray(moved, moved + read.p.length);
      read.p.set(part);
      moved += part.length;
      read.resolve(part.length);
    }
    const part = p.subarray(moved, moved + this.#capacity - this.held);
    if (part.length === 0) return moved;
    const ring = this.#ring ??= new Uint8Array(this.#capacity);
    const end = (this.#start + this.held) % ring.length;
    const first = part.subarray(0, ring.length - end);
    ring.set(first, end);
    ring.set(part.subarray(first.length), 0);
    this.held += part.length;
    return moved + part.length;
  }

  /** Moves what it can from the ring to `p`. */
  #takeOut(p: Uint8Array): number {
    const ring = this.#ring!;
    const n = Math.min(p.length, this.held);
    const first = ring.subarray(this.#start, this.#start + n);
    p.set(first);
    p.set(ring.subarray(0, n - first.length), first.length);
    this.#start = (this.#start + n) % ring.length;
    this.held -= n;
    return n;
  }

  #serveWrites(): void {
    while (this.#writes.length > 0) {
      const write = this.#writes[0]!;
      const n = this.#putIn(write.p);
      if (n === 0) return;
      this.#writes.shift();
      write.resolve(n);
    }
    if (this.#finishing && !this.finished) {
      this.#markFinished();
      this.#finishing.resolve();
    }
  }

  #markFinished(): void {
    this.finished = true;
    for (const read of this.#reads.splice(0)) read.resolve(null);
  }

  #failReads(error: () => Error): void {
    for (const read of this.#reads.splice(0)) read.reject(error());
  }

  #failWrites(error: () => Error): void {
    for (const write of this.#writes.splice(0)) write.reject(error());
  }
}
