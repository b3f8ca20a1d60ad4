/** One timer for many deadlines, instead of one for each. */

import type { World } from "../world.ts";

/** Why a timer is called off. Without a reason, an exception with its stack would be made. */
const CLEARED = "nobody waits for it any more";

/** Options for {@linkcode Alarm}. */
export interface AlarmOptions {
  /** The clock. */
  world: World;
  /** Whether it keeps the process alive while it is set. */
  ref: boolean;
  /**
   * The most milliseconds to sleep in one go.
   *
   * @default {Infinity}
   */
  nap?: number;
  /** Does what is due, and returns when the next is: `Infinity` if nothing is left. */
  ring: (now: number) => number;
}

/**
 * Rings at the earliest moment it is set to, or earlier. A deadline that is gone by then costs
 * one look at what is left: cheaper than a timer made and cleared for each. With short naps it need
 * not even be cleared so that a process can end.
 */
export class Alarm {
  readonly #options: AlarmOptions;
  #due = Infinity;
  #cancel: AbortController | undefined;

  /** Makes one that is not set. */
  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  /** Rings at `due` or earlier. */
  set(due: number): void {
    if (due >= this.#due) return;
    const { world, ref, nap = Infinity } = this.#options;
    const now = world.now();
    const wake = Math.min(due, now + nap);
    if (wake >= this.#due) return;
    this.clear();
    this.#due = wake;
    const { signal } = this.#cancel = new AbortController();
    world.sleep(Math.max(0, wake - now), { signal, ref }).then(() => this.#ring(), () => {});
  }

  /** Does not ring any more, until it is set again. */
  clear(): void {
    this.#due = Infinity;
    this.#cancel?.abort(CLEARED);
    this.#cancel = undefined;
  }

  #ring(): void {
    this.#due = Infinity;
    this.#cancel = undefined;
    const { world, ring } = this.#options;
    this.set(ring(world.now()));
  }
}
