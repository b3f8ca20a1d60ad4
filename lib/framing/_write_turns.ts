/**
 * Writes that take turns, so that no message comes into the middle of another.
 *
 * @module
 */

import { writeAll, type Writer } from "../stream/conn.ts";

/** Writes to one writer, whole pieces in the order of the calls. */
export class WriteTurns {
  readonly #to: Writer;
  #last: Promise<unknown> = Promise.resolve();
  #latest: Uint8Array | undefined;

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
   * Writes `bytes` without being waited for; if others are given here before their turn has
   * come, only the latest are written. An error is left to those who wait.
   */
  writeLatest(bytes: Uint8Array): void {
    const queued = this.#latest !== undefined;
    this.#latest = bytes;
    if (!queued) this.#take(() => this.#takeLatest()).catch(() => {});
  }

  #takeLatest(): Uint8Array {
    const latest = this.#latest!;
    this.#latest = undefined;
    return latest;
  }

  #take(bytes: () => Uint8Array): Promise<void> {
    const turn = this.#last.then(() => writeAll(this.#to, bytes()));
    this.#last = turn.catch(() => {});
    return turn;
  }
}
