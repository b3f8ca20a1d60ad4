/**
 * Pieces put together to one, in memory that grows with what has come rather than with
 * what was announced.
 *
 * @module
 */

const NOTHING = new Uint8Array(0);

/** Collects bytes of which there will be at most `limit`. */
export class Gather {
  /** How many there are. */
  length = 0;
  readonly #limit: number;
  #bytes: Uint8Array<ArrayBuffer> = NOTHING;

  /** The caller sees to it that no more than `limit` bytes come. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Copies `bytes` to the end and returns the copy, which later calls may move. */
  append(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const end = this.length + bytes.length;
    if (end > this.#bytes.length) {
      const roomy = Math.min(this.#bytes.length * 2, this.#limit);
      const grown = new Uint8Array(Math.max(end, roomy));
      grown.set(this.#bytes.subarray(0, this.length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    const copy = this.#bytes.subarray(this.length, end);
    this.length = end;
    return copy;
  }

  /** Hands over what there is, and starts anew. */
  take(): Uint8Array<ArrayBuffer> {
    const whole = this.#bytes.subarray(0, this.length);
    this.#bytes = NOTHING;
    this.length = 0;
    return whole;
  }
}
