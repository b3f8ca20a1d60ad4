/**
 * Cuts a stream of bytes at its delimiters: what the decoders of `delimited.ts` share.
 *
 * @module
 */

import { ByteQueue } from "../bytes.ts";
import type { Search } from "./_search.ts";
import { FrameError } from "./decoder.ts";

const NOTHING = new Uint8Array(0);

/** What is known of a frame that is too long. */
export interface TooLong {
  /** The most bytes it may have. */
  readonly limit: number;
  /** Where it starts, counted from the first byte ever pushed. */
  readonly offset: number;
}

/** Options for every decoder that looks for delimiters. */
export interface CutterOptions<Marker extends NonNullable<unknown> = never> {
  /**
   * The most bytes in a frame, its delimiter not counted.
   *
   * @default {65536}
   */
  maxLength?: number;
  /**
   * What comes after the last delimiter: a frame, or an error since the stream was cut.
   * No bytes at all are neither. The start of a delimiter, such as the CR of a CR LF, is
   * not part of such a frame.
   *
   * @default {"frame"} for lines, as in a text file; `"error"` for other delimiters.
   */
  unterminated?: "frame" | "error";
  /**
   * Makes what stands in for a frame that is too long. It is called once, as soon as the
   * limit is passed; then the frame is skipped up to its delimiter, without being held.
   * Without this, such a frame is a {@linkcode FrameError}, at once and for good.
   */
  onTooLong?: ((tooLong: TooLong) => Marker) | undefined;
}

/** Frames that end with a delimiter. */
export class Cutter<Marker extends NonNullable<unknown>> {
  /** Where the frame starts that is being looked for, counted from the first byte pushed. */
  offset = 0;
  readonly #search: Search;
  readonly #maxLength: number;
  readonly #unterminated: "frame" | "error";
  readonly #onTooLong: ((tooLong: TooLong) => Marker) | undefined;
  /** The chunk being searched; what comes before `#at` is used. */
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** Chunks to be searched after it. */
  #waiting: Uint8Array[] = [];
  /** The start of the frame, from chunks that were searched to their end. */
  readonly #held = new ByteQueue();
  /** Whether the frame turned out too long, and its bytes are dropped up to its delimiter. */
  #skipping = false;
  #ended = false;
  #broken: FrameError | undefined;

  constructor(search: Search, options: CutterOptions<Marker>) {
    const { maxLength, unterminated = "error", onTooLong } = options;
    this.#search = search;
    this.#maxLength = checkMaxLength("decode", maxLength);
    this.#unterminated = unterminated;
    this.#onTooLong = onTooLong;
  }

  get buffered(): number {
    return this.#waiting.reduce(
      (sum, chunk) => sum + chunk.length,
      this.#held.length + this.#chunk.length - this.#at,
    );
  }

  push(chunk: Uint8Array): void {
    if (this.#ended) throw new TypeError("Cannot push as the decoder was told of the end");
    if (this.#broken) return;
    if (this.#at < this.#chunk.length) {
      this.#waiting.push(chunk);
    } else {
      this.#chunk = chunk;
      this.#at = 0;
    }
  }

  end(): void {
    this.#ended = true;
  }

  next(): Uint8Array | Marker | undefined {
    if (this.#broken) throw this.#broken;
    while (true) {
      const start = this.#at;
      const end = this.#search.find(this.#chunk, start);
      if (end < 0) {
        const marker = this.#hold();
        if (marker !== undefined) return marker;
        if (this.#waiting.length === 0) return this.#ended ? this.#last() : undefined;
        this.#chunk = this.#waiting.shift()!;
        continue;
      }
      this.#at = end;
      const offset = this.offset;
      const size = this.#held.length + end - start;
      const length = size - this.#search.found;
      this.offset += size;
      if (this.#skipping) {
        this.#skipping = false;
      } else if (length > this.#maxLength) {
        this.#held.clear();
        return this.#tooLong(offset);
      } else if (size > end - start) {
        return this.#join(start, end, length);
      } else {
        return new Uint8Array(this.#chunk.buffer, this.#chunk.byteOffset + start, length);
      }
    }
  }

  /**
   * Whole frames, with their delimiters, that lie next in one chunk: as many as there are
   * in `maxLength` bytes, so that none of them is too long. They stay. All delimiters end
   * with `lastByte`, and it is in nothing else.
   */
  peekWhole(lastByte: number): Uint8Array | undefined {
    const start = this.#at;
    if (this.#skipping || this.#held.length > 0 || start === this.#chunk.length) return undefined;
    const end = this.#chunk.lastIndexOf(lastByte, start + this.#maxLength) + 1;
    return end > start ? this.#chunk.subarray(start, end) : undefined;
  }

  /** Drops `n` bytes of the chunk, which {@linkcode peekWhole} has shown. */
  skip(n: number): void {
    this.#at += n;
    this.offset += n;
  }

  /** Breaks for good. */
  fail(error: FrameError): never {
    this.#held.clear();
    this.#chunk = NOTHING;
    this.#at = 0;
    this.#waiting = [];
    this.#broken = error;
    throw error;
  }

  /** A frame across chunks, the last part of which is in this one. */
  #join(start: number, end: number, length: number): Uint8Array {
    this.#held.append(this.#chunk.subarray(start, end));
    const frame = this.#held.take(length);
    this.#held.clear();
    return frame;
  }

  /** Puts by the rest of the chunk, if it may still become a frame. */
  #hold(): Marker | undefined {
    const rest = this.#chunk.length - this.#at;
    const length = this.#held.length + rest;
    if (this.#skipping) {
      this.offset += rest;
    } else if (length >= this.#maxLength + this.#search.longest) {
      // The delimiter that could end a frame within the limit would be complete by now.
      const offset = this.offset;
      this.offset += length;
      this.#held.clear();
      this.#skipping = true;
      this.#chunk = NOTHING;
      this.#at = 0;
      return this.#tooLong(offset);
    } else if (rest > 0) {
      this.#held.append(this.#at > 0 ? this.#chunk.subarray(this.#at) : this.#chunk);
    }
    this.#chunk = NOTHING;
    this.#at = 0;
    return undefined;
  }

  /** What came after the last delimiter, without a delimiter that was begun. */
  #last(): Uint8Array | Marker | undefined {
    const size = this.#held.length;
    const offset = this.offset;
    if (size === 0) return undefined;
    if (this.#unterminated === "error") {
      this.fail(
        new FrameError(
          "truncated",
          `Cannot decode as a frame must end with a delimiter: the stream ended after ${size} bytes of it`,
          { offset, missing: 1 },
        ),
      );
    }
    const length = size - this.#search.partial;
    const frame = this.#held.take(length);
    this.#held.clear();
    this.offset += size;
    if (length > this.#maxLength) return this.#tooLong(offset);
    return length > 0 ? frame : undefined;
  }

  #tooLong(offset: number): Marker {
    const limit = this.#maxLength;
    if (this.#onTooLong) return this.#onTooLong({ limit, offset });
    this.fail(
      new FrameError(
        "too-long",
        `Cannot decode as a frame must have at most ${limit} bytes before its delimiter: more came`,
        { limit, offset },
      ),
    );
  }
}

const DEFAULT_MAX_LENGTH = 64 * 1024;

/** The limit meant by an option. */
export function checkMaxLength(deed: string, maxLength: number = DEFAULT_MAX_LENGTH): number {
  if (!Number.isSafeInteger(maxLength) || maxLength < 0) {
    throw new RangeError(
      `Cannot ${deed} as 'maxLength' must be an integer >= 0: current value is ${maxLength}`,
    );
  }
  return maxLength;
}
