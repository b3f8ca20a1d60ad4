/**
 * Standard input and output as one end of a connection.
 *
 * @module
 */

import type { Duplex } from "../lib/stream/conn.ts";
import type { Io } from "./_cli.ts";

/**
 * What a person or a pipe says, and what it is told. End of input is FIN.
 *
 * Nothing can cancel a read from standard input. So once it has ended here, or is
 * disposed, a read that is pending resolves with `null` at once, and what it gets is lost.
 */
export class Stdio implements Duplex {
  readonly #io: Io;
  #ended = false;
  #wake: (() => void) | undefined;

  /** Speaks through `io`. */
  constructor(io: Io) {
    this.#io = io;
  }

  /** Reads from standard input. */
  read(p: Uint8Array): Promise<number | null> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(null);
      if (this.#ended) resolve(null);
      else this.#io.stdin.read(p).then(resolve, reject);
    });
  }

  /** Writes all of `p` to standard output. If nobody reads that, the input ends as well. */
  async write(p: Uint8Array): Promise<number> {
    try {
      await this.#io.print(p);
      return p.length;
    } catch (error) {
      this.endInput();
      throw error;
    }
  }

  /**
   * The other side has finished. A person would not know whom to type to, so that ends the
   * input as well; what comes from a pipe or a file may still be wanted.
   */
  closeWrite(): Promise<void> {
    if (this.#io.stdin.isTerminal()) this.endInput();
    return Promise.resolve();
  }

  /** Takes no more from standard input. */
  endInput(): void {
    this.#ended = true;
    this.#wake?.();
  }

  [Symbol.dispose](): void {
    this.endInput();
  }
}
