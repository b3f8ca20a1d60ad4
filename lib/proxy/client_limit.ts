/**
 * How many connections one client may have at once.
 *
 * @module
 */

/** Counts connections by client. */
export class ClientLimit {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  /**
   * Nobody is in.
   *
   * @throws {RangeError} If `most` is not >= 1.
   */
  constructor(most: number) {
    if (!(most >= 1)) {
      throw new RangeError(
        `Cannot limit clients as 'maxConnsPerClient' must be >= 1: current value is ${most}`,
      );
    }
    this.#most = most;
  }

  /** How many clients have a connection. */
  get clients(): number {
    return this.#counts.size;
  }

  /** Lets a connection of `client` in: what it returns, called once, lets it out. Or nothing. */
  enter(client: string): (() => void) | undefined {
    if (this.#most === Infinity) return () => {};
    const count = this.#counts.get(client) ?? 0;
    if (count >= this.#most) return undefined;
    this.#counts.set(client, count + 1);
    return () => {
      const left = this.#counts.get(client)! - 1;
      if (left > 0) this.#counts.set(client, left);
      else this.#counts.delete(client);
    };
  }
}
