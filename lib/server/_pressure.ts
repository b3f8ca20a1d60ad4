/**
 * Whether a room should wait for a reader: yes if the reader keeps up, no if it does not.
 *
 * A reader who keeps up may fall behind when many lines come at once, and loses none if
 * whoever sends them waits a little. A reader who does not read must not hold up anybody.
 * The two look the same at first, so the wait has an end, and after it the reader counts
 * as slow until it has caught up.
 *
 * @module
 */

import type { World } from "../world.ts";

/**
 * How long a room waits for a reader to make room, in milliseconds. Guessed: many round
 * trips on a good line, and a pause that nobody in a conversation notices.
 */
const GRACE = 100;

/**
 * Who takes nothing for so long, in milliseconds, is slow before the queue has filled. Guessed:
 * longer than this process may be too busy to notice that something was taken.
 */
const STUCK = 1000;

/** The pressure that one full queue puts on those who fill it. */
export class Pressure {
  readonly #world: World;
  #relief: PromiseWithResolvers<void> | undefined;
  #timer: AbortController | undefined;
  #slow = false;
  /** When the write under way began. */
  #since = 0;

  /** Measures patience by `world`. */
  constructor(world: World) {
    this.#world = world;
  }

  /** Resolves when there is no need to wait any more; nothing if there is none now. */
  get relief(): Promise<void> | undefined {
    return this.#relief?.promise;
  }

  /** Something is being written to the reader. */
  begin(): void {
    this.#since = this.#world.now();
  }

  /**
   * The queue is more than half full. Who has taken nothing for so long by now is known to be
   * slow: many who stopped at different times are not waited for one after the other.
   */
  rise(): void {
    if (this.#slow || this.#relief) return;
    if (this.#world.now() - this.#since >= STUCK) {
      this.#slow = true;
      return;
    }
    this.#relief = Promise.withResolvers();
    this.#timer = new AbortController();
    this.#world.sleep(GRACE, { signal: this.#timer.signal }).then(() => {
      this.#slow = true;
      this.#release();
    }, () => {});
  }

  /** The reader has taken something, and `held` bytes of at most `limit` are left. */
  fall(held: number, limit: number): void {
    if (held === 0) this.#slow = false;
    if (held <= limit / 2) this.#release();
  }

  /** Nobody needs to wait from now on. */
  end(): void {
    this.#slow = true;
    this.#release();
  }

  #release(): void {
    this.#timer?.abort();
    this.#relief?.resolve();
    this.#timer = this.#relief = undefined;
  }
}
