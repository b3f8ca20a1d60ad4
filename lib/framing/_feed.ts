/**
 * What every decoder here does around its own rules: it keeps the bytes, knows whether more
 * will come, and once broken stays broken.
 *
 * @module
 */

import { ByteQueue } from "../bytes.ts";
import type { Decoder, FrameError, FrameErrorCode, FrameErrorFacts } from "./decoder.ts";

/** Makes the error that says why what came is no such thing: "Cannot decode … as `rule`". */
export type Fault = (
  code: FrameErrorCode,
  rule: string,
  facts?: Omit<FrameErrorFacts, "offset">,
) => FrameError;

/** The bytes of one decoder, and the step that makes frames of them. */
export class Feed<Frame> implements Decoder<Frame> {
  /** The bytes not yet used. */
  readonly queue: ByteQueue = new ByteQueue();
  /** Whether no more will come. */
  ended = false;
  readonly #step: () => Frame | undefined;
  readonly #letGo: () => void;
  #error: unknown;
  #pushed = 0;

  /**
   * `step` is asked for the next frame; if it throws, that was the last time, and `letGo`
   * drops what it holds besides the queue.
   */
  constructor(step: () => Frame | undefined, letGo: () => void = () => {}) {
    this.#step = step;
    this.#letGo = letGo;
  }

  /** How many bytes were used, which is where the next one stands in the stream. */
  get used(): number {
    return this.#pushed - this.queue.length;
  }

  /** How many bytes wait. */
  get buffered(): number {
    return this.queue.length;
  }

  /** Takes bytes; after an error they are dropped. */
  push(chunk: Uint8Array): void {
    if (this.ended) throw new TypeError("Cannot push as the end was announced");
    if (this.#error !== undefined) return;
    this.#pushed += chunk.length;
    this.queue.append(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.ended = true;
  }

  /** The next frame, or the error there was. */
  next(): Frame | undefined {
    if (this.#error !== undefined) throw this.#error;
    try {
      return this.#step();
    } catch (error) {
      this.#error = error;
      this.queue.clear();
      this.#letGo();
      throw error;
    }
  }
}
