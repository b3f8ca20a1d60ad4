/**
 * Where a {@linkcode FramedConn} reads into, while its decoder still holds what was read before.
 *
 * @module
 */

/** Smallest and largest read buffer, as for `chunks()`: see docs/performance.md. */
const SMALLEST_BUFFER = 1024;
const LARGEST_BUFFER = 256 * 1024;

/** Memory to read into. */
export interface ReadMemory {
  /** Where the next read goes, while the decoder holds `held` of the bytes that were taken. */
  room(held: number): Uint8Array<ArrayBuffer>;
  /** The first `n` bytes of that room, now that they are read. */
  taken(n: number): Uint8Array;
}

/** Never hands out a byte of memory twice: frames are the receiver's to keep. */
export class FreshMemory implements ReadMemory {
  #free = new Uint8Array(SMALLEST_BUFFER);
  #size = SMALLEST_BUFFER;

  room(): Uint8Array<ArrayBuffer> {
    return this.#free;
  }

  taken(n: number): Uint8Array {
    const chunk = this.#free.subarray(0, n);
    if (n === this.#free.length) this.#size = Math.min(this.#size * 4, LARGEST_BUFFER);
    this.#free = this.#free.subarray(n);
    if (this.#free.length < this.#size / 2) this.#free = new Uint8Array(this.#size);
    return chunk;
  }
}

/**
 * Uses two buffers again and again: every frame but the one that has begun is done with when
 * there is something to read. Where that one is longer than a buffer it gets a new one.
 */
export class LentMemory implements ReadMemory {
  #buffer = new Uint8Array(SMALLEST_BUFFER);
  #spare: Uint8Array<ArrayBuffer> | undefined;
  /** How much of the buffer is taken: the end of it may be held. */
  #filled = 0;
  #size = SMALLEST_BUFFER;

  /** Asked again before anything was taken, it is the same: a read may be under way there. */
  room(held: number): Uint8Array<ArrayBuffer> {
    const left = this.#buffer.length - this.#filled;
    if (held === 0) this.#startOver(this.#buffer);
    else if (left < this.#buffer.length / 4) this.#switch(held);
    return this.#filled === 0 ? this.#buffer : this.#buffer.subarray(this.#filled);
  }

  taken(n: number): Uint8Array {
    const start = this.#filled;
    this.#filled += n;
    if (this.#filled === this.#buffer.length) this.#size = Math.min(this.#size * 4, LARGEST_BUFFER);
    return this.#buffer.subarray(start, this.#filled);
  }

  /** The spare buffer is of use if all that is held lies in the other one. */
  #switch(held: number): void {
    const spare = held <= this.#filled ? this.#spare : undefined;
    this.#spare = this.#buffer;
    this.#startOver(spare);
  }

  #startOver(buffer: Uint8Array<ArrayBuffer> | undefined): void {
    this.#buffer = buffer?.length === this.#size ? buffer : new Uint8Array(this.#size);
    this.#filled = 0;
  }
}
