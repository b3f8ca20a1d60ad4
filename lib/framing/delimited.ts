/**
 * Messages that end with a delimiter.
 *
 * A frame cannot contain its delimiter, and is handed out without it. A peer cannot make
 * us hold more than the limit and one chunk, nor search a byte twice.
 *
 * @example Commands that end with a semicolon, and what they may not contain
 * ```ts
 * import { DelimitedDecoder, DelimitedEncoder, drain } from "@tcplab/tcplab/framing";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const [utf8, text] = [new TextEncoder(), new TextDecoder()];
 * const encoder = new DelimitedEncoder({ delimiters: [";"] });
 * const decoder = new DelimitedDecoder({ delimiters: [";"] });
 *
 * decoder.push(encoder.encode(utf8.encode("go")));
 * decoder.push(encoder.encode(utf8.encode("stop")));
 * assertEquals([...drain(decoder)].map((frame) => text.decode(frame)), ["go", "stop"]);
 * assertThrows(() => encoder.encode(utf8.encode("a;b")), RangeError);
 * ```
 *
 * @module
 */

import { checkMaxLength, Cutter, type CutterOptions, type TooLong } from "./_cutter.ts";
import { type Search, searchFor } from "./_search.ts";
import type { Decoder, Encoder } from "./decoder.ts";

export type { CutterOptions, TooLong };

/** What may end a frame. */
export interface Delimiters {
  /**
   * What ends a frame: texts, meant as UTF-8, or bytes. Whichever is complete first ends
   * it; of two that end at the same byte, the longer one.
   */
  delimiters: readonly (string | Uint8Array)[];
}

/**
 * Frames that end with one of some delimiters of one or more bytes.
 *
 * A frame that lies in one chunk is a view of it, without a copy: `slice()` what is to
 * be kept for long.
 */
export class DelimitedDecoder<Marker extends NonNullable<unknown> = never>
  implements Decoder<Uint8Array | Marker> {
  readonly #cutter: Cutter<Marker>;

  /**
   * Knows what ends a frame.
   *
   * @throws {TypeError} If there is no delimiter, an empty one, or one that never matches
   * since another one is complete before its end, as in `["\r", "\r\n"]`.
   * @throws {RangeError} If the delimiters have over 1024 bytes together, or `maxLength` is
   * not an integer >= 0.
   */
  constructor(options: Delimiters & CutterOptions<Marker>) {
    this.#cutter = new Cutter(searchFor(toBytes(options.delimiters)), options);
  }

  /** Bytes held now: those of the unfinished frame, and those not yet asked for. */
  get buffered(): number {
    return this.#cutter.buffered;
  }

  /** Takes bytes as they came, and keeps them: do not write to the chunk again. */
  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#cutter.end();
  }

  /**
   * The next frame, without its delimiter; `undefined` until there is one.
   *
   * @throws {FrameError} `"too-long"`, or `"truncated"` if the end came inside a frame.
   */
  next(): Uint8Array | Marker | undefined {
    return this.#cutter.next();
  }
}

/** Options for {@linkcode DelimitedEncoder}. */
export interface DelimitedEncoderOptions extends Delimiters {
  /**
   * The most bytes in a frame, its delimiter not counted.
   *
   * @default {65536}
   */
  maxLength?: number;
}

/** Puts a delimiter after each frame: the first of those that it knows. */
export class DelimitedEncoder implements Encoder<Uint8Array> {
  readonly #delimiter: Uint8Array;
  readonly #search: Search;
  readonly #maxLength: number;

  /**
   * Knows the delimiters.
   *
   * @throws {TypeError | RangeError} As {@linkcode DelimitedDecoder} does.
   */
  constructor(options: DelimitedEncoderOptions) {
    const delimiters = toBytes(options.delimiters);
    this.#delimiter = delimiters[0]!;
    this.#search = searchFor(delimiters);
    this.#maxLength = checkMaxLength("encode", options.maxLength);
  }

  /**
   * The frame and its delimiter.
   *
   * @throws {RangeError} If the frame is too long, or the peer would see another frame: a
   * delimiter is inside, or its last bytes make a longer one together with ours.
   */
  encode(frame: Uint8Array): Uint8Array {
    if (frame.length > this.#maxLength) {
      throw new RangeError(
        `Cannot encode as a frame must have at most ${this.#maxLength} bytes: current value has ${frame.length}`,
      );
    }
    const bytes = new Uint8Array(frame.length + this.#delimiter.length);
    bytes.set(frame);
    bytes.set(this.#delimiter, frame.length);
    const end = this.#search.find(bytes, 0);
    if (end < bytes.length || this.#search.found > this.#delimiter.length) {
      throw new RangeError(
        `Cannot encode as a delimiter must come at the end of the frame only: current value has one at byte ${
          end - this.#search.found
        }`,
      );
    }
    return bytes;
  }
}

function toBytes(delimiters: readonly (string | Uint8Array)[]): Uint8Array[] {
  const utf8 = new TextEncoder();
  const all = delimiters.map((one) => typeof one === "string" ? utf8.encode(one) : one.slice());
  if (all.length === 0 || all.some((one) => one.length === 0)) {
    throw new TypeError(
      `Cannot delimit as 'delimiters' must be one or more, none of them empty: current value is [${
        all.map((one) => `[${one}]`)
      }]`,
    );
  }
  return all;
}
