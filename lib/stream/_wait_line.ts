/**
 * Many waits under one timer. A timer for each costs a connection more than all else that we do
 * for it: but of those who wait for as long, who began first is due first.
 */

import { type Linked, LinkedList } from "../_linked_list.ts";
import type { World } from "../world.ts";
import { Alarm } from "./_alarm.ts";

/** Somebody who waits. */
export interface Waiting extends Linked<Waiting> {
  /** When it is due. */
  readonly at: number;
  /** What is called then. */
  readonly due: () => void;
}

/** Waits of one length. */
export class WaitLine implements Linked<WaitLine> {
  /** Its neighbours among the lines that somebody waits in. */
  before: WaitLine | undefined;
  after: WaitLine | undefined;
  readonly #length: number;
  readonly #lines: Lines;
  /** In the order in which they are due. */
  readonly #waiting = new LinkedList<Waiting>();

  /** Nobody waits yet; it is one of `lines`, or it has a timer of its own. */
  constructor(length: number, world: World, lines = new Lines(world)) {
    this.#length = length;
    this.#lines = lines;
  }

  /** Who is due first. */
  get first(): Waiting | undefined {
    return this.#waiting.first;
  }

  /** Calls `due` in so many milliseconds, unless what it returns is removed by then. */
  add(due: () => void): Waiting {
    const at = this.#lines.world.now() + this.#length;
    const waiting: Waiting = { at, due, before: undefined, after: undefined };
    this.#waiting.add(waiting);
    if (this.#waiting.size === 1) this.#lines.begin(this);
    return waiting;
  }

  /** Calls it no more. Again, or too late, is harmless. */
  remove(waiting: Waiting): void {
    if (this.#waiting.remove(waiting) && this.#waiting.size === 0) this.#lines.end(this);
  }
}

/** Several lines, and the one timer of those who wait in them. */
class Lines {
  readonly world: World;
  /** Lines that somebody waits in. */
  readonly #busy = new LinkedList<WaitLine>();
  /** Lines by length, those that nobody waits in as well: most fill again soon. */
  readonly #byLength = new Map<number, WaitLine>();
  /** When there are so many lines, those are forgotten. */
  #many = 32;
  readonly #alarm: Alarm;

  constructor(world: World) {
    this.world = world;
    this.#alarm = new Alarm({ world, ref: true, ring: (now) => this.#ring(now) });
  }

  of(length: number): WaitLine {
    const known = this.#byLength.get(length);
    if (known !== undefined) return known;
    if (this.#byLength.size >= this.#many) this.#forget();
    const line = new WaitLine(length, this.world, this);
    this.#byLength.set(length, line);
    return line;
  }

  #forget(): void {
    for (const [length, { first }] of this.#byLength) if (!first) this.#byLength.delete(length);
    this.#many = Math.max(32, 2 * this.#byLength.size);
  }

  /** Somebody waits in `line`, where nobody did. */
  begin(line: WaitLine): void {
    this.#busy.add(line);
    this.#alarm.set(line.first!.at);
  }

  /** Nobody waits in `line` any more. It may ring for nothing, but not when nobody waits at all. */
  end(line: WaitLine): void {
    this.#busy.remove(line);
    if (this.#busy.size === 0) this.#alarm.clear();
  }

  #ring(now: number): number {
    try {
      for (const line of this.#busy.members()) {
        for (let { first } = line; first && first.at <= now; { first } = line) {
          line.remove(first);
          first.due();
        }
      }
    } finally { // an error of who was woken must not keep the others waiting
      this.#alarm.set(Math.min(...this.#busy.members().map(({ first }) => first!.at)));
    }
    return Infinity; // it is set
  }
}

const linesOf = new WeakMap<World, Lines>();

/** The line of those who wait for so long, all under the one timer of `world`. */
export function waitLine(length: number, world: World): WaitLine {
  let lines = linesOf.get(world);
  if (lines === undefined) linesOf.set(world, lines = new Lines(world));
  return lines.of(length);
}
