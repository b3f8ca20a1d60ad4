/** One timer for all connections, instead of one for each. */

import type { World } from "../world.ts";

/** Options for {@linkcode Sweeper}. */
export interface SweeperOptions {
  /** Milliseconds from one round to the next. */
  every: number;
  /** Looks after all that waits; says whether anything is left to come back for. */
  sweep: (now: number) => boolean;
  /** Ends the sweeping. */
  signal: AbortSignal;
  /** The clock. */
  world: World;
}

/**
 * Makes its rounds while there is something to look after. Its timer never keeps the
 * process alive: what it looks after does, or need not.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  #running = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** There is something to look after: starts the rounds, unless they are under way. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#rounds();
  }

  async #rounds(): Promise<void> {
    const { every, sweep, signal, world } = this.#options;
    try {
      do await world.sleep(every, { signal, ref: false }); while (sweep(world.now()));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#running = false;
    }
  }
}
