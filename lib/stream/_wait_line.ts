/**
 * Many waits of one length under one timer. A timer for each costs a connection more than
 * all else that we do for it: but who began to wait first is due first.
 */

import type { World } from "../world.ts";

/** Somebody who waits. */
export interface Waiting {
  /** When it is due. */
  readonly at: number;
  /** What is called then. */
  readonly due: () => void;
}

/** A reason to abort with: without one, each abort would cost an exception with its stack. */
const EMPTY = "nobody waits any more";

/** Waits of one length. */
export class WaitLine {
  readonly #length: number;
  readonly #world: World;
  /** In the order in which they are due. */
  readonly #waiting = new Set<Waiting>();
  #timer: AbortController | undefined;
  readonly #onEmpty: () => void;

  constructor(length: number, world: World, onEmpty = () => {}) {
    this.#length = length;
    this.#world = world;
    this.#onEmpty = onEmpty;
  }

  /** Calls `due` in so many milliseconds, unless what it returns is removed by then. */
  add(due: () => void): Waiting {
    const waiting = { at: this.#world.now() + this.#length, due };
    this.#waiting.add(waiting);
    if (this.#timer === undefined) this.#run();
    return waiting;
  }

  /** Calls it no more. Again, or too late, is harmless. */
  remove(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#timer?.abort(EMPTY);
  }

  async #run(): Promise<void> {
    const timer = this.#timer = new AbortController();
    const sleep = { signal: timer.signal };
    for (const waiting of this.#waiting) {
      // Who joins meanwhile stands behind; who was removed is not met.
      try {
        const left = waiting.at - this.#world.now();
        if (left > 0) await this.#world.sleep(left, sleep);
      } catch {
        break; // the last one has gone
      }
      if (this.#waiting.delete(waiting)) waiting.due();
    }
    this.#timer = undefined;
    if (this.#waiting.size > 0) this.#run();
    else this.#onEmpty();
  }
}

const lines = new WeakMap<World, Map<number, WaitLine>>();

/** The line of those who wait for so long; one that nobody waits in is forgotten. */
export function waitLine(length: number, world: World): WaitLine {
  const ofWorld = lines.get(world) ?? new Map<number, WaitLine>();
  lines.set(world, ofWorld);
  const line = ofWorld.get(length) ?? new WaitLine(length, world, () => ofWorld.delete(length));
  ofWorld.set(length, line);
  return line;
}
