/**
 * Writes that take turns, so that no message comes into the middle of another.
 *
 * @module
 */

import { writeAll, type Writer } from "../stream/conn.ts";
import { Gather } from "./_gather.ts";

/** So many pieces wait that nobody waits for. Guessed: more than a peer asks for at once. */
const MOST_UNAWAITED = 32;

/** Writes to one writer, whole pieces in the order of the calls. */
export class WriteTurns {
  readonly #to: Writer;
  #last: Promise<unknown> = Promise.resolve();
  #unawaited: Uint8Array[] = [];

  /** Writes to `to`, which nobody else does. */
  constructor(to: Writer) {
    this.#to = to;
  }

  /** Resolves once all that was asked for until now is written, or has failed. */
  get done(): Promise<unknown> {
    return this.#last;
  }

  /** Writes `bytes` after all before them. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#take(() => bytes);
  }

  /**
   * Writes `bytes` without being waited for. Of those given here that wait for their turn,
   * the latest 32 are written: a peer that does not read makes us hold no more. An error is
   * left to those who wait.
   */
  writeSoon(bytes: Uint8Array): void {
    this.#unawaited.push(bytes);
    if (this.#unawaited.length > MOST_UNAWAITED) this.#unawaited.shift();
    if (this.#unawaited.length === 1) this.#take(() => this.#takeUnawaited()).catch(() => {});
  }

  #takeUnawaited(): Uint8Array {
    const all = new Gather(Infinity);
    for (const bytes of this.#unawaited.splice(0)) all.append(bytes);
    return all.take();
  }

  #take(bytes: () => Uint8Array): Promise<void> {
    const turn = this.#last.then(() => writeAll(this.#to, bytes()));
    this.#last = turn.catch(() => {});
    return turn;
  }
}
