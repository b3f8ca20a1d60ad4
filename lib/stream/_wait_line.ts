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

  constructor(length: number, world: World) {
    this.#length = length;
    this.#world = world;
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
  }
}

const lines = new WeakMap<World, Map<number, WaitLine>>();

/** The line of those who wait for so long. */
export function waitLine(length: number, world: World): WaitLine {
  let ofWorld = lines.get(world);
  if (ofWorld === undefined) lines.set(world, ofWorld = new Map());
  let line = ofWorld.get(length);
  if (line === undefined) ofWorld.set(length, line = new WaitLine(length, world));
  return line;
}
