/**
 * Text with its length before it: 4 bytes, big endian, and then as many bytes of UTF-8.
 *
 * @example On the wire
 * ```ts
 * import { MessageDecoder, MessageEncoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new MessageEncoder().encode("é");
 * assertEquals(bytes, Uint8Array.of(0, 0, 0, 2, 0xc3, 0xa9));
 *
 * const decoder = new MessageDecoder();
 * decoder.push(bytes);
 * assertEquals(decoder.next(), "é");
 * ```
 *
 * @module
 */

import { type Decoder, type Encoder, FrameError } from "./decoder.ts";
import { LengthDecoder, LengthEncoder } from "./length.ts";

/** Options for whatever sends or receives messages. */
export interface MessageOptions {
  /**
   * The most bytes that a message may have as UTF-8.
   *
   * @default {1048576} 1 MiB.
   */
  maxLength?: number;
}

/** Bytes of a length. */
const PREFIX = 4;

/** Makes messages of bytes. A byte order mark is text like any other. */
export class MessageDecoder implements Decoder<string> {
  #frames: LengthDecoder;
  readonly #utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** Where the next message starts, counted from the first byte pushed. */
  #offset = 0;
  #broken: FrameError | undefined;

  /**
   * Knows how long a message may be.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: MessageOptions = {}) {
    this.#frames = new LengthDecoder(options);
  }

  /** Bytes held now: those of the unfinished message, and those not yet asked for. */
  get buffered(): number {
    return this.#frames.buffered;
  }

  /**
   * How many bytes at least the message needs that {@linkcode next} did not have: whoever
   * reads just these reads nothing that comes after it.
   */
  get missing(): number {
    return this.#frames.missing;
  }

  /** Takes bytes as they came, and keeps them: do not write to the chunk again. */
  push(chunk: Uint8Array): void {
    if (this.#broken === undefined) this.#frames.push(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#frames.end();
  }

  /**
   * The next message; `undefined` until there is one.
   *
   * @throws {FrameError} `"too-long"` as soon as the length is read; `"truncated"` if the
   * end came inside a message; `"malformed"` if it is not UTF-8.
   */
  next(): string | undefined {
    if (this.#broken !== undefined) throw this.#broken;
    const frame = this.#frames.next();
    if (frame === undefined) return undefined;
    const offset = this.#offset;
    this.#offset += PREFIX + frame.length;
    try {
      return this.#utf8.decode(frame);
    } catch (cause) {
      this.#frames = new LengthDecoder(); // lets go of what waits in the other
      const why = "Cannot decode as a message must be UTF-8";
      throw this.#broken = new FrameError("malformed", why, { offset, cause });
    }
  }
}

/** Makes bytes of messages. Half a surrogate pair, which no UTF-8 can say, goes as U+FFFD. */
export class MessageEncoder implements Encoder<string> {
  readonly #frames: LengthEncoder;
  readonly #utf8 = new TextEncoder();

  /**
   * Knows how long a message may be.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: MessageOptions = {}) {
    this.#frames = new LengthEncoder(options);
  }

  /**
   * The length and the text, in one piece.
   *
   * @throws {RangeError} If the message is too long.
   */
  encode(message: string): Uint8Array {
    return this.#frames.encode(this.#utf8.encode(message));
  }
}
