/**
 * Where a {@linkcode FramedConn} reads into, while its decoder still holds what was read before.
 *
 * @module
 */

/** Smallest and largest read buffer, as for `chunks()`: see docs/performance.md. */
const SMALLEST_BUFFER = 1024;
const LARGEST_BUFFER = 256 * 1024;

/**
 * From so much on a read asks for what the decoder wants rather than for what fits: measured. Only
 * once reads have filled smaller buffers, for what is wanted may be a peer's mere word.
 */
const LONG = 16 * 1024;

/** Memory to read into. */
export interface ReadMemory {
  /**
   * Where the next read goes, while the decoder holds `held` of the bytes that were taken, and
   * would best have `wanted` more. Asked again before anything was taken it is the same: a read
   * may be under way there.
   */
  room(held: number, wanted?: number): Uint8Array<ArrayBuffer>;
  /** The first `n` bytes of that room, now that they are read. */
  taken(n: number): Uint8Array;
}

/** Never hands out a byte of memory twice: frames are the receiver's to keep. */
export class FreshMemory implements ReadMemory {
  #free = new Uint8Array(0);
  readonly #size = new BufferSize();

  room(_held: number, wanted = 0): Uint8Array<ArrayBuffer> {
    const size = this.#size.of(wanted);
    const least = size === wanted ? size : size / 2;
    if (this.#free.length < least) this.#free = new Uint8Array(size);
    return this.#free.length > size ? this.#free.subarray(0, size) : this.#free;
  }

  taken(n: number): Uint8Array {
    const chunk = this.#free.subarray(0, n);
    this.#size.read(n);
    this.#free = this.#free.subarray(n);
    return chunk;
  }
}

/**
 * Uses two buffers again and again: every frame but the one that has begun is done with when
 * there is something to read. Where that one is longer than a buffer it gets a new one.
 */
export class LentMemory implements ReadMemory {
  #buffer = new Uint8Array(0);
  #spare: Uint8Array<ArrayBuffer> | undefined;
  /** How much of the buffer is taken: the end of it may be held. */
  #filled = 0;
  readonly #size = new BufferSize();

  room(held: number, wanted = 0): Uint8Array<ArrayBuffer> {
    const size = this.#size.of(wanted);
    const least = size === wanted ? size : size / 4;
    if (held === 0) this.#startOver(this.#buffer, size);
    else if (this.#buffer.length - this.#filled < least) this.#switch(held, size);
    return this.#buffer.subarray(this.#filled, this.#filled + size);
  }

  taken(n: number): Uint8Array {
    const start = this.#filled;
    this.#filled += n;
    this.#size.read(n);
    return this.#buffer.subarray(start, this.#filled);
  }

  /** The spare buffer is of use if all that is held lies in the other one. */
  #switch(held: number, size: number): void {
    const spare = held <= this.#filled ? this.#spare : undefined;
    this.#spare = this.#buffer;
    this.#startOver(spare, size);
  }

  #startOver(buffer: Uint8Array<ArrayBuffer> | undefined, size: number): void {
    this.#buffer = buffer !== undefined && buffer.length >= size ? buffer : new Uint8Array(size);
    this.#filled = 0;
  }
}

/** How much to read at a time: more once reads fill it, or what is wanted. */
class BufferSize {
  #size = SMALLEST_BUFFER;
  /** What the next read may bring at most. */
  #asked = SMALLEST_BUFFER;

  of(wanted: number): number {
    const isWanted = wanted >= LONG && wanted <= LARGEST_BUFFER && this.#size > LONG;
    return this.#asked = isWanted ? wanted : this.#size;
  }

  read(n: number): void {
    if (n >= this.#asked) this.#size = Math.min(this.#size * 4, LARGEST_BUFFER);
  }
}
