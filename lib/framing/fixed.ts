/**
 * Messages that are all of one size.
 *
 * @example Samples of two bytes
 * ```ts
 * import { drain, FixedDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new FixedDecoder(2);
 * decoder.push(Uint8Array.of(1, 2, 3));
 * assertEquals([...drain(decoder)], [Uint8Array.of(1, 2)]);
 * decoder.push(Uint8Array.of(4));
 * assertEquals([...drain(decoder)], [Uint8Array.of(3, 4)]);
 * ```
 *
 * @module
 */

import { ByteQueue } from "../bytes.ts";
import { type Decoder, type Encoder, FrameError } from "./decoder.ts";

/**
 * Frames of one size. A frame that lies in one chunk is a view of it, without a copy:
 * `slice()` what is to be kept for long.
 */
export class FixedDecoder implements Decoder<Uint8Array> {
  /** How many bytes a frame has. */
  readonly size: number;
  readonly #queue = new ByteQueue();
  #offset = 0;
  #ended = false;
  #broken: FrameError | undefined;

  /**
   * Knows the size.
   *
   * @throws {RangeError} If `size` is not an integer >= 1.
   */
  constructor(size: number) {
    this.size = checkSize("decode", size);
  }

  /** Bytes held now: those of the unfinished frame, and those not yet asked for. */
  get buffered(): number {
    return this.#queue.length;
  }

  /** Takes bytes as they came, and keeps them: do not write to the chunk again. */
  push(chunk: Uint8Array): void {
    if (this.#ended) throw new TypeError("Cannot push as the decoder was told of the end");
    if (!this.#broken) this.#queue.append(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#ended = true;
  }

  /**
   * The next frame, `undefined` until there is one.
   *
   * @throws {FrameError} `"truncated"` if the end came inside a frame.
   */
  next(): Uint8Array | undefined {
    if (this.#broken) throw this.#broken;
    if (this.#queue.length >= this.size) {
      this.#offset += this.size;
      return this.#queue.take(this.size);
    }
    if (this.#ended && this.#queue.length > 0) this.#truncated();
    return undefined;
  }

  #truncated(): never {
    const missing = this.size - this.#queue.length;
    this.#queue.clear();
    this.#broken = new FrameError(
      "truncated",
      `Cannot decode as the stream ended inside a frame: ${missing} bytes are missing`,
      { offset: this.#offset, missing },
    );
    throw this.#broken;
  }
}

/** Sees to it that each frame has the one size. */
export class FixedEncoder implements Encoder<Uint8Array> {
  /** How many bytes a frame has. */
  readonly size: number;

  /**
   * Knows the size.
   *
   * @throws {RangeError} If `size` is not an integer >= 1.
   */
  constructor(size: number) {
    this.size = checkSize("encode", size);
  }

  /**
   * The frame, as it is.
   *
   * @throws {RangeError} If it has another size.
   */
  encode(frame: Uint8Array): Uint8Array {
    if (frame.length === this.size) return frame;
    throw new RangeError(
      `Cannot encode as a frame must have ${this.size} bytes: current value has ${frame.length}`,
    );
  }
}

function checkSize(deed: string, size: number): number {
  if (Number.isSafeInteger(size) && size >= 1) return size;
  throw new RangeError(
    `Cannot ${deed} as 'size' must be an integer >= 1: current value is ${size}`,
  );
}
