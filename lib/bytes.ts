/**
 * Bytes that wait to be used: they come in chunks and leave in pieces of other sizes,
 * in time linear in their number.
 *
 * @example Two chunks in, three pieces out
 * ```ts
 * import { ByteQueue } from "@tcplab/tcplab/bytes";
 * import { assertEquals } from "@std/assert";
 *
 * const queue = new ByteQueue();
 * queue.append(Uint8Array.of(0, 3, 7));
 * queue.append(Uint8Array.of(8, 9));
 *
 * assertEquals(queue.peekUint(0, 2), 3);
 * queue.skip(2);
 * assertEquals(queue.take(3), Uint8Array.of(7, 8, 9));
 * assertEquals(queue.length, 0);
 * ```
 *
 * @module
 */

const NOTHING = new Uint8Array(0);

/**
 * Shorter chunks are copied together while they wait. A view takes about a hundred
 * bytes of memory itself: a peer who sends a megabyte byte by byte would otherwise
 * make us hold a hundred.
 */
const SMALL = 512;

/** Smallest and largest buffer in which small chunks are collected: a guess. */
const SMALLEST_BLOCK = 1024;
const LARGEST_BLOCK = 64 * 1024;

/**
 * First in, first out, for bytes.
 *
 * Chunks are kept as they are: whoever appended one must not write to it again. What
 * lies in one chunk, or in several that lie one behind the other in the same memory, is
 * taken as a view of it, without a copy; what lies across others is copied once. Only chunks under 512 bytes that come while others wait are copied
 * beforehand.
 */
export class ByteQueue {
  /** The first bytes: `#head` from `#at` on. */
  #head: Uint8Array = NOTHING;
  #at = 0;
  /** Its buffer, and where it starts there: asking the chunk each time costs as much as a view. */
  #buffer: ArrayBufferLike = NOTHING.buffer;
  #start = 0;
  /** The bytes after those of `#head`: `#rest` from `#first` on. */
  #rest: Uint8Array[] = [];
  #first = 0;
  #length = 0;
  /** Collects small chunks; its first `#filled` bytes are in use. */
  #block: Uint8Array = NOTHING;
  #filled = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** Adds `chunk` at the end. */
  append(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#length === 0) {
      this.#begin(chunk);
    } else if (this.#goesOn(chunk)) {
      this.#head = new Uint8Array(this.#buffer, this.#start, this.#head.length + chunk.length);
    } else if (chunk.length < SMALL) {
      this.#collect(chunk);
    } else {
      this.#rest.push(chunk);
    }
    this.#length += chunk.length;
  }

  /** Takes the first `n` bytes, and drops `skip` bytes before them. */
  take(n: number, skip = 0): Uint8Array {
    const head = this.#head;
    const start = this.#at + skip;
    const end = start + n;
    if (end >= head.length) return this.#takeMore(n, skip);
    this.#at = end;
    this.#length -= skip + n;
    // Half the price of subarray(), which first asks what class to make.
    return new Uint8Array(this.#buffer, this.#start + start, n);
  }

  /**
   * Takes the bytes after a length of four bytes, most significant first, and that length: all
   * that a small frame costs, in one step. `undefined`, and nothing is taken, if the length is
   * over `limit`, or not all of it lies in one chunk with more behind.
   */
  takeCounted(limit: number): Uint8Array | undefined {
    const head = this.#head;
    const start = this.#at + 4;
    if (start > head.length) return undefined;
    const n = (head[start - 4]! << 24 | head[start - 3]! << 16 | head[start - 2]! << 8 |
      head[start - 1]!) >>> 0;
    const end = start + n;
    if (n > limit || end >= head.length) return undefined;
    this.#at = end;
    this.#length -= n + 4;
    return new Uint8Array(this.#buffer, this.#start + start, n);
  }

  /** Drops the first `n` bytes. */
  skip(n: number): void {
    if (n < this.#head.length - this.#at) {
      this.#at += n;
      this.#length -= n;
    } else {
      this.#require(n);
      this.#pour(n);
    }
  }

  /** The byte at `index`, which stays. */
  peek(index: number): number {
    const at = this.#at + index;
    if (at < this.#head.length) return this.#head[at]!;
    this.#require(index + 1);
    return this.#peekFar(at - this.#head.length);
  }

  /**
   * The unsigned integer in the `size` bytes at `index`, which stay; the most significant
   * one comes first, unless `littleEndian`. From 2 ** 53 on it is rounded, never to less
   * than 2 ** 53.
   */
  peekUint(index: number, size: number, littleEndian = false): number {
    const head = this.#head;
    const at = this.#at + index;
    if (size === 4 && at + 4 <= head.length) {
      // By far the commonest, so it is spelled out. `>>> 0`, since << gives a signed number.
      return littleEndian
        ? (head[at]! | head[at + 1]! << 8 | head[at + 2]! << 16 | head[at + 3]! << 24) >>> 0
        : (head[at]! << 24 | head[at + 1]! << 16 | head[at + 2]! << 8 | head[at + 3]!) >>> 0;
    }
    let value = 0;
    for (let i = 0; i < size; i++) {
      value = value * 256 + this.peek(index + (littleEndian ? size - 1 - i : i));
    }
    return value;
  }

  /** Drops all bytes. */
  clear(): void {
    this.#rest = [];
    this.#first = this.#length = 0;
    this.#advance();
  }

  #takeMore(n: number, skip: number): Uint8Array {
    this.#require(skip + n);
    if (skip > 0) this.#pour(skip);
    const start = this.#at;
    let bytes: Uint8Array;
    if (start + n <= this.#head.length) {
      bytes = new Uint8Array(this.#buffer, this.#start + start, n);
      this.#pour(n);
    } else {
      bytes = new Uint8Array(n);
      this.#pour(n, bytes);
    }
    return bytes;
  }

  /** Removes `n` bytes, which are there, and puts them into `to`. */
  #pour(n: number, to?: Uint8Array): void {
    let poured = 0;
    while (true) {
      const end = Math.min(this.#at + n - poured, this.#head.length);
      to?.set(this.#head.subarray(this.#at, end), poured);
      poured += end - this.#at;
      this.#at = end;
      if (end === this.#head.length) this.#advance();
      if (poured === n) break;
    }
    this.#length -= n;
  }

  /** Lets the next chunk be the first. */
  #advance(): void {
    if (this.#first === this.#rest.length) {
      // An idle queue holds on to nothing.
      this.#begin(NOTHING);
      this.#block = NOTHING;
      this.#filled = 0;
      return;
    }
    this.#begin(this.#rest[this.#first]!);
    this.#rest[this.#first++] = NOTHING; // so that it can be collected once it was used
    if (this.#first * 2 >= this.#rest.length) {
      this.#rest.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #begin(chunk: Uint8Array): void {
    this.#head = chunk;
    this.#buffer = chunk.buffer;
    this.#start = chunk.byteOffset;
    this.#at = 0;
  }

  /** Whether it lies right behind the first bytes, as where a buffer is filled by several reads. */
  #goesOn(chunk: Uint8Array): boolean {
    return this.#first === this.#rest.length && chunk.buffer === this.#buffer &&
      chunk.byteOffset === this.#start + this.#head.length;
  }

  #collect(chunk: Uint8Array): void {
    if (this.#block.length - this.#filled < chunk.length) {
      const size = Math.min(Math.max(this.#length * 2, SMALLEST_BLOCK), LARGEST_BLOCK);
      this.#block = new Uint8Array(size);
      this.#filled = 0;
    }
    const block = this.#block;
    const last = this.#rest.at(-1);
    const goesOn = last?.buffer === block.buffer && last.byteOffset + last.length === this.#filled;
    const start = goesOn ? last.byteOffset : this.#filled;
    block.set(chunk, this.#filled);
    this.#filled += chunk.length;
    if (goesOn) this.#rest.pop();
    this.#rest.push(block.subarray(start, this.#filled));
  }

  #peekFar(index: number): number {
    for (let i = this.#first; i < this.#rest.length; i++) {
      const chunk = this.#rest[i]!;
      if (index < chunk.length) return chunk[index]!;
      index -= chunk.length;
    }
    return 0;
  }

  #require(n: number): void {
    if (n > this.#length) {
      throw new RangeError(
        `Cannot take more bytes than the queue holds, ${this.#length}: current value is ${n}`,
      );
    }
  }
}
