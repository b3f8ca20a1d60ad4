/**
 * Messages that say first how long they are.
 *
 * The length is a peer's word. It is held against a limit before anything else is done
 * with it, and memory is taken as bytes come, not as they are promised.
 *
 * @example Two messages, cut where nobody asked for it
 * ```ts
 * import { drain, LengthDecoder, LengthEncoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const encoder = new LengthEncoder(); // 4 bytes, big endian
 * const decoder = new LengthDecoder();
 *
 * const bytes = encoder.encode(Uint8Array.of(1, 2, 3));
 * assertEquals(bytes, Uint8Array.of(0, 0, 0, 3, 1, 2, 3));
 *
 * decoder.push(bytes);
 * decoder.push(bytes.subarray(0, 2));
 * assertEquals([...drain(decoder)], [Uint8Array.of(1, 2, 3)]);
 * decoder.push(bytes.subarray(2));
 * assertEquals([...drain(decoder)], [Uint8Array.of(1, 2, 3)]);
 * ```
 *
 * @example A header of a type, a length that counts the header, and a flag
 * ```ts
 * import { LengthDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new LengthDecoder({ prefix: 2, offset: 1, adjustment: -3, strip: 0 });
 * decoder.push(Uint8Array.of(7, 0, 6, 1, 42, 43));
 * assertEquals(decoder.next(), Uint8Array.of(7, 0, 6, 1, 42, 43));
 * ```
 *
 * @module
 */

import { ByteQueue } from "../bytes.ts";
import {
  FixedField,
  type LengthField,
  LONGEST_VARINT,
  OVERLONG,
  UNFINISHED,
  VarintField,
  WASTEFUL,
} from "./_length_field.ts";
import {
  type Decoder,
  type Encoder,
  FrameError,
  type FrameErrorCode,
  type FrameErrorFacts,
} from "./decoder.ts";

/** How the length of a frame is written; the same for both sides. */
export interface LengthFormat {
  /**
   * How many bytes the length takes; `"varint"` is as many as it needs, 8 at most, seven
   * bits in each and the least significant first (unsigned LEB128).
   *
   * @default {4}
   */
  prefix?: 1 | 2 | 3 | 4 | 8 | "varint";
  /**
   * Whether the least significant byte comes first.
   *
   * @default {false}
   */
  littleEndian?: boolean;
  /**
   * How many bytes of the frame come before the length.
   *
   * @default {0}
   */
  offset?: number;
  /**
   * What to add to the length that is written, to have the number of bytes after it: -4
   * where it counts its own 4 bytes, 1 where it leaves out one byte that follows it.
   *
   * @default {0}
   */
  adjustment?: number;
  /**
   * The largest length that may be written, before `adjustment`; no more, in any case,
   * than fits into `prefix`.
   *
   * @default {1048576} 1 MiB.
   */
  maxLength?: number;
}

/** Options for {@linkcode LengthDecoder}. */
export interface LengthDecoderOptions extends LengthFormat {
  /**
   * How many bytes to drop from the front of a frame, the length included; 0 keeps it
   * whole.
   *
   * @default {undefined} All up to the end of the length.
   */
  strip?: number | undefined;
  /**
   * Whether a varint with more bytes than it needs is malformed.
   *
   * @default {false}
   */
  minimal?: boolean;
}

const DEFAULT_MAX_LENGTH = 1024 * 1024;

/** So few bytes are not worth a read of their own: copying them costs less than a system call. */
const FEW = 16 * 1024;

/**
 * Frames that start with their length.
 *
 * A frame that lies in one chunk is a view of it, without a copy: `slice()` what is to be
 * kept for long. Any other is copied once.
 */
export class LengthDecoder implements Decoder<Uint8Array> {
  readonly #field: LengthField;
  readonly #fieldAt: number;
  readonly #adjustment: number;
  readonly #strip: number | undefined;
  readonly #queue = new ByteQueue();
  /** The largest length accepted, which the prefix can say. */
  #limit: number;
  /** Whether nothing but a length of four bytes comes before a frame: by far the commonest. */
  readonly #isPlain: boolean;
  /** Size of the frame in progress with all its header, or `UNFINISHED`. */
  #size = UNFINISHED;
  /** How much of it to drop. */
  #drop = 0;
  /** Size of the last frame that was not taken in one step, all of it. */
  #last = 0;
  /** How many bytes were pushed. */
  #pushed = 0;
  #ended = false;
  #broken: FrameError | undefined;

  /**
   * Knows how the length is written.
   *
   * @throws {TypeError} If `prefix` is none of those known.
   * @throws {RangeError} If another option is not an integer, or, except for
   * `adjustment`, negative.
   */
  constructor(options: LengthDecoderOptions = {}) {
    const { offset = 0, adjustment = 0, strip, minimal = false } = options;
    const { maxLength = DEFAULT_MAX_LENGTH } = options;
    this.#field = fieldOf("decode", options, minimal);
    this.#fieldAt = checkInteger("decode", "offset", offset);
    this.#adjustment = checkInteger("decode", "adjustment", adjustment, -Infinity);
    this.#strip = strip === undefined ? strip : checkInteger("decode", "strip", strip);
    this.#limit = this.#clip(maxLength);
    this.#isPlain = this.#field instanceof FixedField && this.#field.isUint32 &&
      offset === 0 && adjustment === 0 && (strip === undefined || strip === 4);
  }

  /**
   * The largest length accepted: what was asked for, or what the prefix can say. It may be
   * changed at any time, and holds from the next frame whose header is read.
   */
  get maxLength(): number {
    return this.#limit;
  }
  set maxLength(maxLength: number) {
    this.#limit = this.#clip(maxLength);
  }

  /** Bytes held now: those of the unfinished frame, and those not yet asked for. */
  get buffered(): number {
    return this.#queue.length;
  }

  /**
   * How many bytes at least the frame needs that {@linkcode next} did not have: whoever
   * reads just these reads nothing that comes after it.
   */
  get missing(): number {
    const header = Math.max(this.#fieldAt + this.#field.least, this.#queue.length + 1);
    return (this.#size === UNFINISHED ? header : this.#size) - this.#queue.length;
  }

  /**
   * How many bytes there are to the end of the frame, and, if those are few or it has not
   * begun, of one more that is as long as the last one was.
   */
  get wanted(): number {
    const left = (this.#size === UNFINISHED ? 0 : this.#size) - this.#queue.length;
    return left >= FEW ? left : left + this.#last;
  }

  /** Takes bytes as they came, and keeps them: do not write to the chunk again. */
  push(chunk: Uint8Array): void {
    if (this.#ended) throw new TypeError("Cannot push as the decoder was told of the end");
    if (this.#broken) return;
    this.#queue.append(chunk);
    this.#pushed += chunk.length;
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#ended = true;
  }

  /**
   * The next frame, `undefined` until there is one.
   *
   * @throws {FrameError} `"too-long"` as soon as the length is read; `"malformed"` if the
   * length, adjusted, is negative or leaves less than is to be stripped, or is no varint;
   * `"truncated"` if the end came inside a frame.
   */
  next(): Uint8Array | undefined {
    if (this.#isPlain && this.#size === UNFINISHED) {
      const frame = this.#queue.takeCounted(this.#limit);
      if (frame !== undefined) return frame;
    }
    if (this.#broken) throw this.#broken;
    if (this.#size === UNFINISHED) this.#readHeader();
    const size = this.#size;
    if (size === UNFINISHED || size > this.#queue.length) {
      if (this.#ended && this.#queue.length > 0) this.#truncated();
      return undefined;
    }
    this.#size = UNFINISHED;
    this.#last = size;
    return this.#queue.take(size - this.#drop, this.#drop);
  }

  #readHeader(): void {
    const length = this.#field.peek(this.#queue, this.#fieldAt);
    // The raw length comes first, since the sum with another number may be rounded.
    if (length < 0 || length > this.#limit) return this.#refuse(length);
    const header = this.#fieldAt + this.#field.size;
    const drop = this.#strip ?? header;
    const size = header + length + this.#adjustment;
    if (size > Number.MAX_SAFE_INTEGER) {
      const rule = "a frame must be shorter than 2 ** 53 bytes";
      this.#fail("too-long", `${rule}: its length is ${length}`, { length });
    }
    if (size < header || size < drop) {
      const rule = `a frame must have the ${Math.max(header, drop)} bytes of its header`;
      this.#fail("malformed", `${rule}: current value is ${size}`, { length });
    }
    this.#size = size;
    this.#drop = drop;
  }

  #refuse(length: number): void {
    if (length === UNFINISHED) return;
    if (length === OVERLONG) {
      this.#fail("malformed", `a varint must have at most ${LONGEST_VARINT} bytes`);
    }
    if (length === WASTEFUL) {
      this.#fail("malformed", "a varint must have no more bytes than its length needs");
    }
    this.#tooLong(length);
  }

  #tooLong(rounded: number): never {
    const limit = this.#limit;
    const length = Number.isSafeInteger(rounded)
      ? rounded
      : this.#field.peekExact(this.#queue, this.#fieldAt);
    this.#fail("too-long", `a length must be <= ${limit}: current value is ${length}`, {
      length,
      limit,
    });
  }

  #truncated(): never {
    const { missing } = this;
    const why = this.#size === UNFINISHED
      ? `the stream ended inside a header: at least ${missing} bytes are missing`
      : `the stream ended inside a frame: ${missing} bytes are missing`;
    this.#fail("truncated", why, { missing });
  }

  #fail(code: FrameErrorCode, why: string, facts: Partial<FrameErrorFacts> = {}): never {
    const offset = this.#pushed - this.#queue.length;
    this.#queue.clear();
    this.#broken = new FrameError(code, `Cannot decode as ${why}`, { offset, ...facts });
    throw this.#broken;
  }

  #clip(maxLength: number): number {
    return Math.min(checkInteger("decode", "maxLength", maxLength), this.#field.most);
  }
}

/** Options for {@linkcode LengthEncoder}. */
export type LengthEncoderOptions = LengthFormat;

/** Puts its length before each frame, or into it: see {@linkcode LengthFormat.offset}. */
export class LengthEncoder implements Encoder<Uint8Array> {
  readonly #field: LengthField;
  readonly #fieldAt: number;
  readonly #adjustment: number;
  readonly #limit: number;

  /**
   * Knows how the length is written.
   *
   * @throws {TypeError} If `prefix` is none of those known.
   * @throws {RangeError} If another option is not an integer, or, except for
   * `adjustment`, negative.
   */
  constructor(options: LengthEncoderOptions = {}) {
    const { offset = 0, adjustment = 0, maxLength = DEFAULT_MAX_LENGTH } = options;
    this.#field = fieldOf("encode", options, true);
    this.#fieldAt = checkInteger("encode", "offset", offset);
    this.#adjustment = checkInteger("encode", "adjustment", adjustment, -Infinity);
    this.#limit = Math.min(checkInteger("encode", "maxLength", maxLength), this.#field.most);
  }

  /**
   * The frame with its length in one piece: the first `offset` bytes of the frame, the
   * length, and the rest.
   *
   * @throws {RangeError} If the length, adjusted, would be negative or over the limit, or
   * if the frame is shorter than `offset`.
   */
  encode(frame: Uint8Array): Uint8Array {
    const length = this.#lengthOf(frame);
    const bytes = new Uint8Array(this.#field.sizeOf(length) + frame.length);
    this.#put(frame, length, bytes, 0);
    return bytes;
  }

  /**
   * The same bytes, put into `to` from `at` on. Returns where they end, or -1 if there is
   * no room for them.
   *
   * @throws {RangeError} As {@linkcode encode} does.
   */
  encodeInto(frame: Uint8Array, to: Uint8Array, at: number): number {
    const length = this.#lengthOf(frame);
    const end = at + this.#field.sizeOf(length) + frame.length;
    if (end > to.length) return -1;
    this.#put(frame, length, to, at);
    return end;
  }

  #lengthOf(frame: Uint8Array): number {
    const length = frame.length - this.#fieldAt - this.#adjustment;
    if (frame.length >= this.#fieldAt && length >= 0 && length <= this.#limit) return length;
    throw frame.length < this.#fieldAt
      ? new RangeError(
        `Cannot encode as a frame must have >= ${this.#fieldAt} bytes: current value has ${frame.length}`,
      )
      : new RangeError(
        `Cannot encode as the length of a frame must be 0 to ${this.#limit}: current value is ${length}`,
      );
  }

  #put(frame: Uint8Array, length: number, to: Uint8Array, at: number): void {
    const before = this.#fieldAt;
    this.#field.write(length, to, at + before);
    if (before === 0) {
      to.set(frame, at + this.#field.sizeOf(length));
    } else {
      to.set(frame.subarray(0, before), at);
      to.set(frame.subarray(before), at + before + this.#field.sizeOf(length));
    }
  }
}

function fieldOf(deed: string, format: LengthFormat, minimal: boolean): LengthField {
  const { prefix = 4, littleEndian = false } = format;
  if (prefix === "varint") return new VarintField(minimal);
  if ([1, 2, 3, 4, 8].includes(prefix)) return new FixedField(prefix, littleEndian);
  throw new TypeError(
    `Cannot ${deed} as 'prefix' must be 1, 2, 3, 4, 8 or "varint": current value is ${prefix}`,
  );
}

function checkInteger(deed: string, name: string, value: number, least = 0): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  const rule = least === 0 ? "an integer >= 0" : "an integer";
  throw new RangeError(`Cannot ${deed} as '${name}' must be ${rule}: current value is ${value}`);
}
