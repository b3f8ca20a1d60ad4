/**
 * The bytes that say how long a frame is.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";

/** How a length is written. */
export interface LengthField {
  /** The largest length it can say. */
  readonly most: number;
  /** The fewest bytes it takes. */
  readonly least: number;
  /**
   * The length that is written `at` bytes into the queue, {@linkcode UNFINISHED},
   * {@linkcode OVERLONG} or {@linkcode WASTEFUL}. From 2 ** 53 on it is rounded, never to less than that.
   */
  peek(queue: ByteQueue, at: number): number;
  /** The same length to the last digit; for one that was peeked just now. */
  peekExact(queue: ByteQueue, at: number): bigint;
  /** How many bytes the length takes that was peeked last. */
  readonly size: number;
  /** How many bytes this length takes. */
  sizeOf(length: number): number;
  /** Writes the length. */
  write(length: number, to: Uint8Array, at: number): void;
}

/** Not all bytes of the length are there yet. */
export const UNFINISHED = -1;
/** It goes on for longer than any length. */
export const OVERLONG = -2;
/** It has more bytes than it needs, where that is forbidden. */
export const WASTEFUL = -3;

/** A length of always the same size. */
export class FixedField implements LengthField {
  readonly most: number;
  readonly least: number;
  readonly size: number;
  readonly #littleEndian: boolean;

  constructor(size: number, littleEndian: boolean) {
    this.size = this.least = size;
    this.most = 2 ** (8 * size) - 1;
    this.#littleEndian = littleEndian;
  }

  /** Whether it is four bytes with the most significant first. */
  get isUint32(): boolean {
    return this.size === 4 && !this.#littleEndian;
  }

  peek(queue: ByteQueue, at: number): number {
    if (queue.length < at + this.size) return UNFINISHED;
    return queue.peekUint(at, this.size, this.#littleEndian);
  }

  peekExact(queue: ByteQueue, at: number): bigint {
    let length = 0n;
    for (let i = 0; i < this.size; i++) {
      const next = this.#littleEndian ? this.size - 1 - i : i;
      length = length << 8n | BigInt(queue.peek(at + next));
    }
    return length;
  }

  sizeOf(): number {
    return this.size;
  }

  write(length: number, to: Uint8Array, at: number): void {
    const { size } = this;
    for (let i = 0; i < size; i++) {
      to[this.#littleEndian ? at + i : at + size - 1 - i] = length;
      // Not >>, which knows 32 bits only.
      length = Math.floor(length / 256);
    }
  }
}

/** The longest varint that is read, as in unsigned-varint; 2 ** 53 - 1 needs 8 bytes. */
export const LONGEST_VARINT = 8;

/**
 * An unsigned LEB128: seven bits to a byte, the least significant first, and the highest
 * bit of a byte set if another one follows.
 */
export class VarintField implements LengthField {
  readonly most = 2 ** (7 * LONGEST_VARINT) - 1;
  readonly least = 1;
  size = 1;
  readonly #minimal: boolean;

  constructor(minimal: boolean) {
    this.#minimal = minimal;
  }

  peek(queue: ByteQueue, at: number): number {
    const there = Math.min(queue.length - at, LONGEST_VARINT);
    let length = 0;
    let scale = 1;
    for (let i = 0; i < there; i++) {
      const byte = queue.peek(at + i);
      length += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        this.size = i + 1;
        return this.#minimal && byte === 0 && i > 0 ? WASTEFUL : length;
      }
    }
    return there === LONGEST_VARINT ? OVERLONG : UNFINISHED;
  }

  peekExact(queue: ByteQueue, at: number): bigint {
    let length = 0n;
    for (let i = this.size - 1; i >= 0; i--) {
      length = length << 7n | BigInt(queue.peek(at + i) & 0x7f);
    }
    return length;
  }

  sizeOf(length: number): number {
    let size = 1;
    while (length >= 0x80) {
      length = Math.floor(length / 128);
      size++;
    }
    return size;
  }

  write(length: number, to: Uint8Array, at: number): void {
    while (length >= 0x80) {
      to[at++] = length % 128 | 0x80;
      length = Math.floor(length / 128);
    }
    to[at] = length;
  }
}
