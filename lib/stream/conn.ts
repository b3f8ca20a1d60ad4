/**
 * A byte stream in two directions, and the loops that every use of one needs.
 *
 * `Deno.TcpConn` and `Deno.TlsConn` are {@linkcode Duplex}es as they are; so are
 * {@linkcode memoryPair} ends, resettable connections and traced ones. What is
 * written here works with them all.
 *
 * None of these functions closes anything: who opened a connection disposes it.
 *
 * @example Send all, say so, and read the answer to its end
 * ```ts
 * import { memoryPair, readExact, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair();
 * await writeAll(client, new TextEncoder().encode("ping"));
 * await client.closeWrite(); // FIN: no more from us, but we still read
 *
 * const asked = await readExact(server, 4);
 * await writeAll(server, asked);
 * await server.closeWrite();
 *
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "ping");
 * ```
 *
 * @module
 */

import { LARGEST_BUFFER, SMALL_BUFFER } from "./_small_buffers.ts";

/** Something bytes can be read from. */
export interface Reader {
  /**
   * Reads what is there, at most `p.length` bytes, waiting for the first one.
   * Resolves with the number of bytes put at the front of `p`, or `null` once
   * the peer has said FIN and all before it was read.
   */
  read(p: Uint8Array): Promise<number | null>;
}

/** Something bytes can be written to. */
export interface Writer {
  /**
   * Writes from the front of `p` and resolves with the number of bytes taken,
   * which may be fewer than `p.length`: {@linkcode writeAll} is the loop.
   */
  write(p: Uint8Array): Promise<number>;
  /** Sends FIN after all that was written. Reading goes on. Again is harmless. */
  closeWrite(): Promise<void>;
}

/** A byte stream in two directions that end one by one. */
export interface Duplex extends Reader, Writer, Disposable {
  /**
   * Closes both directions. A read or write still pending is rejected; again is
   * harmless.
   */
  [Symbol.dispose](): void;
}

/** A {@linkcode Duplex} that can also break off, as RST does to a TCP connection. */
export interface Resettable extends Duplex {
  /**
   * Closes at once: what was not sent yet is dropped, and the peer's reads reject with
   * `ConnectionReset` where FIN would have told it that it has everything. Of a closed
   * connection nothing is left to reset, so it does nothing there.
   */
  reset(): void;
}

/** Whether `conn` can be {@linkcode Resettable.reset | reset}; a `Deno.TcpConn` cannot. */
export function isResettable<Conn extends Duplex>(conn: Conn): conn is Conn & Resettable {
  return "reset" in conn && typeof conn.reset === "function";
}

/**
 * The bytes as they arrive, until FIN. Each chunk is the caller's to keep: it is
 * never written to again.
 *
 * The buffer starts at 1 KiB and is multiplied by four whenever a read fills it, up
 * to 256 KiB, so that an idle connection costs little and a busy one is fast.
 * Leaving the loop early leaves `from` open, with nothing read but what was yielded.
 */
export async function* chunks(from: Reader): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let size = SMALL_BUFFER;
  let free = new Uint8Array(size);
  while (true) {
    const n = await from.read(free);
    if (n === null) return;
    const filled = n === free.length;
    const chunk = free.subarray(0, n);
    free = free.subarray(n);
    if (filled) size = Math.min(size * 4, LARGEST_BUFFER);
    // What is left of a buffer serves the next read, as long as that is worth a call.
    if (free.length < size / 2) free = new Uint8Array(size);
    if (n > 0) yield chunk;
  }
}

/**
 * Writes all of `data`, in as many writes as that takes.
 *
 * @throws {Error} What `to.write` throws; how much of `data` went out is then unknown.
 */
export async function writeAll(to: Writer, data: Uint8Array): Promise<void> {
  let written = await to.write(data);
  while (written < data.length) {
    const n = await to.write(data.subarray(written));
    if (n === 0) throw new Deno.errors.WriteZero(`Cannot write all as a write took 0 bytes`);
    written += n;
  }
}

/** The peer said FIN before all the bytes had come that {@linkcode readExact} was to read. */
export class UnexpectedEofError extends Deno.errors.UnexpectedEof {
  /** How many bytes were wanted. */
  readonly wanted: number;
  /** Those that came. */
  readonly received: Uint8Array<ArrayBuffer>;

  /** Says how many bytes came of how many. */
  constructor(wanted: number, received: Uint8Array<ArrayBuffer>) {
    super(
      `Cannot read ${wanted} bytes as the peer ended the stream after ${received.length}`,
    );
    this.name = "UnexpectedEofError";
    this.wanted = wanted;
    this.received = received;
  }
}

/**
 * Reads exactly `size` bytes, and not one more.
 *
 * The memory for them is taken at once, so `size` must not be a peer's word
 * that nobody checked.
 *
 * @throws {UnexpectedEofError} If FIN comes first.
 * @throws {RangeError} If `size` is not an integer >= 0.
 */
export async function readExact(from: Reader, size: number): Promise<Uint8Array<ArrayBuffer>> {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(
      `Cannot read as 'size' must be an integer >= 0: current value is ${size}`,
    );
  }
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const n = await from.read(bytes.subarray(filled));
    if (n === null) throw new UnexpectedEofError(size, bytes.subarray(0, filled));
    filled += n;
  }
  return bytes;
}

/** Options for {@linkcode readToEnd}. */
export interface ReadToEndOptions {
  /**
   * The most bytes to accept.
   *
   * @default {16777216} 16 MiB.
   */
  maxBytes?: number;
}

/** The peer sent more than {@linkcode readToEnd} may hold. */
export class TooMuchDataError extends RangeError {
  /** The most bytes that were allowed. */
  readonly maxBytes: number;

  /** Says what the limit was. */
  constructor(maxBytes: number) {
    super(`Cannot read to the end as at most ${maxBytes} bytes may come and the peer sent more`);
    this.name = "TooMuchDataError";
    this.maxBytes = maxBytes;
  }
}

/**
 * Reads until FIN and returns it all.
 *
 * @throws {TooMuchDataError} As soon as more than `maxBytes` have come.
 * @throws {RangeError} If `maxBytes` is not >= 0.
 */
export async function readToEnd(
  from: Reader,
  options: ReadToEndOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes = 16 * 1024 * 1024 } = options;
  if (!(maxBytes >= 0)) {
    throw new RangeError(`Cannot read as 'maxBytes' must be >= 0: current value is ${maxBytes}`);
  }
  const parts: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of chunks(from)) {
    total += chunk.length;
    if (total > maxBytes) throw new TooMuchDataError(maxBytes);
    parts.push(chunk);
  }
  const whole = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
