/**
 * A connection's place on a server.
 *
 * @module
 */

/** Counts as one connection to its server, until it is released. */
export class Lease<T> implements Disposable {
  /** The server's name. */
  readonly id: string;
  /** The server. */
  readonly target: T;
  #give: (() => void) | undefined;

  /** `give` is called once, when it is released. */
  constructor(id: string, target: T, give: () => void) {
    this.id = id;
    this.target = target;
    this.#give = give;
  }

  /** Gives the place back. Again is harmless. */
  release(): void {
    const give = this.#give;
    this.#give = undefined;
    give?.();
  }

  /** Gives the place back. */
  [Symbol.dispose](): void {
    this.release();
  }
}
