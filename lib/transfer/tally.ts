/**
 * What one end knows of a transfer while it runs: whose bytes, how many, and thus how to
 * say that it failed.
 *
 * @module
 */

import { TransferError } from "./error.ts";
import { quote } from "./name.ts";
import type { Progress } from "./progress.ts";

/** Counts the bytes of one file. */
export class Tally implements Progress {
  name: string | undefined;
  size: number | undefined;
  done = 0;
  resumed = 0;
  readonly #verb: string;
  readonly #onProgress: ((progress: Progress) => void) | undefined;

  /** Counts for who does `verb`, and tells `onProgress`. */
  constructor(verb: string, onProgress: ((progress: Progress) => void) | undefined) {
    this.#verb = verb;
    this.#onProgress = onProgress;
  }

  /** So many bytes are there, and need not come again. */
  resume(at: number): void {
    this.done = this.resumed = at;
    this.tell();
  }

  /** So many bytes more. */
  add(bytes: number): void {
    this.done += bytes;
    this.tell();
  }

  /** Tells how far it is. */
  tell(): void {
    const { name, size, done, resumed } = this;
    this.#onProgress?.({ name, size, done, resumed });
  }

  /** What fails when something does: the first words of a message. */
  get deed(): string {
    return `Cannot ${this.#verb} ${this.name === undefined ? "a file" : quote(this.name)}`;
  }

  /** How far it came: the last words of a message. */
  get sofar(): string {
    return this.size === undefined ? `${this.done} bytes` : `${this.done} of ${this.size} bytes`;
  }

  /**
   * The same, as a {@linkcode TransferError}: whatever a connection throws means that it
   * broke. A mistake of our own, which a TypeError or a RangeError is, stays what it is.
   */
  failure(error: unknown): unknown {
    if (error instanceof TransferError) return error;
    if (error instanceof TypeError || error instanceof RangeError) return error;
    const message = `${this.deed} as the connection ended after ${this.sofar}`;
    return new TransferError("broken", message, { cause: error });
  }
}
