/**
 * Messages out of bytes and back, decided without I/O.
 *
 * TCP keeps the order of the bytes and forgets where they were cut: three writes may
 * arrive as one read or as ten. A {@linkcode Decoder} is fed whatever arrived and asked,
 * separately, for the frames that are whole by now. Hence the good frames ahead of a
 * bad one still come out, and any decoder works over any transport, and in a test
 * without one.
 *
 * @example A decoder of one's own: every byte is a frame
 * ```ts
 * import { type Decoder, drain } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * class ByteDecoder implements Decoder<number> {
 *   #bytes: number[] = [];
 *   get buffered(): number {
 *     return this.#bytes.length;
 *   }
 *   push(chunk: Uint8Array): void {
 *     this.#bytes.push(...chunk);
 *   }
 *   end(): void {}
 *   next(): number | undefined {
 *     return this.#bytes.shift();
 *   }
 * }
 *
 * const decoder = new ByteDecoder();
 * decoder.push(Uint8Array.of(1, 2));
 * decoder.push(Uint8Array.of(3));
 * assertEquals([...drain(decoder)], [1, 2, 3]);
 * ```
 *
 * @module
 */

/**
 * Turns bytes into frames. It never reads, never waits, never times out.
 *
 * Whoever pushes a chunk asks for frames until there is none before pushing the next
 * one, as {@linkcode drain} does: only then does a decoder hold no more than its limit
 * and one chunk.
 */
export interface Decoder<Frame> {
  /**
   * Takes bytes as they came; where they were cut means nothing.
   *
   * The chunk is kept, not copied, and frames may be views of it: do not write to it
   * again. After {@linkcode end} it is a mistake that throws; after a
   * {@linkcode FrameError} the bytes are dropped.
   *
   * @throws {TypeError} After `end()`.
   */
  push(chunk: Uint8Array): void;
  /** Says that no more bytes will come. Again is harmless. */
  end(): void;
  /**
   * The next whole frame, or `undefined` until there is one.
   *
   * @throws {FrameError} If the bytes break the rules, or end inside a frame. From then
   * on every call throws that same error: what follows cannot be told apart any more.
   */
  next(): Frame | undefined;
  /** Bytes held now: those of the unfinished frame, and those not yet asked for. */
  readonly buffered: number;
  /**
   * How many bytes the next read had best ask for: a guess, for who can choose, made of the frame
   * that has begun and those before it. A read that ends where a long frame does saves a copy.
   *
   * @default {undefined} Any number is as good.
   */
  readonly wanted?: number;
}

/** Turns a frame into bytes. */
export interface Encoder<Frame> {
  /**
   * The bytes to send, all in one piece, so that they go out in one write.
   *
   * @throws {RangeError} If the frame is one that the decoder of the other side refuses:
   * our own fault, and thus no {@linkcode FrameError}. Nothing was encoded.
   */
  encode(frame: Frame): Uint8Array;
  /**
   * The same bytes, put into `to` from `at` on, for who has a buffer to send from. Returns
   * where they end, or -1 if there is no room for them; `to` is then left as it was.
   *
   * @throws {RangeError} As `encode()` does.
   */
  encodeInto?(frame: Frame, to: Uint8Array, at: number): number;
}

/**
 * What is wrong with the bytes:
 *
 * - `"too-long"`: a frame is longer than the limit.
 * - `"truncated"`: the stream ended inside a frame.
 * - `"malformed"`: no frame looks like this.
 */
export type FrameErrorCode = "too-long" | "truncated" | "malformed";

/** What is known of the fault; a member that means nothing for it is missing. */
export interface FrameErrorFacts {
  /** Where the frame starts, counted from the first byte ever pushed. */
  offset: number;
  /** The limit that was broken, in bytes. */
  limit?: number;
  /** The length that was announced, in bytes; a bigint from 2 ** 53 on. */
  length?: number | bigint;
  /** How many bytes at least were still to come when the stream ended. */
  missing?: number;
  /** What was underneath. */
  cause?: unknown;
}

/** The peer's bytes are not frames. What came before them is not affected. */
export class FrameError extends Error {
  /** What is wrong. */
  readonly code: FrameErrorCode;
  /** Where the frame starts, counted from the first byte ever pushed. */
  readonly offset: number;
  /** The limit that was broken, in bytes. */
  readonly limit: number | undefined;
  /** The length that was announced, in bytes; a bigint from 2 ** 53 on. */
  readonly length: number | bigint | undefined;
  /** How many bytes at least were still to come when the stream ended. */
  readonly missing: number | undefined;

  /** Says what is wrong, in words and as facts. */
  constructor(code: FrameErrorCode, message: string, facts: FrameErrorFacts) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.name = "FrameError";
    this.code = code;
    this.offset = facts.offset;
    this.limit = facts.limit;
    this.length = facts.length;
    this.missing = facts.missing;
  }
}

/** The frames that are whole by now, one by one. */
export function* drain<Frame>(decoder: Decoder<Frame>): Generator<Frame, void> {
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) yield frame;
}
