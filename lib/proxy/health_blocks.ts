/**
 * Whether some texts appear in a stream, one after the other: not necessarily one right
 * behind the other, and however the stream is cut.
 *
 * @module
 */

import { ByteQueue } from "../bytes.ts";

/** Seeks one block at a time. What lies before a block that was found is never sought again. */
export class BlockSeeker {
  readonly #queue = new ByteQueue();
  readonly #limit: number;
  #seen = 0;

  /** Gives up after `limit` bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether more bytes came than it looks through. */
  get exhausted(): boolean {
    return this.#seen > this.#limit;
  }

  /** What it has not got past, for a complaint: the last bytes as text. */
  get rest(): string {
    const bytes = Uint8Array.from(
      { length: Math.min(this.#queue.length, 40) },
      (_, i) => this.#queue.peek(i),
    );
    return new TextDecoder("latin1").decode(bytes);
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#seen += chunk.length;
    this.#queue.append(chunk.slice());
  }

  /** Takes everything up to the end of `block`, if it has come. */
  take(block: Uint8Array): boolean {
    for (let at = 0; at + block.length <= this.#queue.length; at++) {
      if (block.every((byte, i) => this.#queue.peek(at + i) === byte)) {
        this.#queue.skip(at + block.length);
        return true;
      }
    }
    return false;
  }
}
