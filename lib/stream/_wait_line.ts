/**
 * Many waits under one timer. A timer for each costs a connection more than all else that we do
 * for it: but of those who wait for as long, who began first is due first.
 */

import type { World } from "../world.ts";
import { type Linked, LinkedList } from "./_linked_list.ts";

/** Somebody who waits. */
export interface Waiting extends Linked<Waiting> {
  /** When it is due. */
  readonly at: number;
  /** What is called then. */
  readonly due: () => void;
}

/** A reason to abort with: without one, each abort would cost an exception with its stack. */
const EMPTY = "nobody waits any more";

/** Waits of one length. */
export class WaitLine implements Linked<WaitLine> {
  /** Its neighbours among the lines that somebody waits in. */
  before: WaitLine | undefined;
  after: WaitLine | undefined;
  readonly #length: number;
  readonly #alarm: Alarm;
  /** In the order in which they are due. */
  readonly #waiting = new LinkedList<Waiting>();

  /** Nobody waits yet; without an `alarm` it has its own. */
  constructor(length: number, world: World, alarm = new Alarm(world)) {
    this.#length = length;
    this.#alarm = alarm;
  }

  /** Who is due first. */
  get first(): Waiting | undefined {
    return this.#waiting.first;
  }

  /** Calls `due` in so many milliseconds, unless what it returns is removed by then. */
  add(due: () => void): Waiting {
    const at = this.#alarm.world.now() + this.#length;
    const waiting: Waiting = { at, due, before: undefined, after: undefined };
    this.#waiting.add(waiting);
    if (this.#waiting.size === 1) this.#alarm.begin(this);
    return waiting;
  }

  /** Calls it no more. Again, or too late, is harmless. */
  remove(waiting: Waiting): void {
    if (this.#waiting.remove(waiting) && this.#waiting.size === 0) this.#alarm.end(this);
  }
}

/** Rings when somebody in one of several lines is due. */
class Alarm {
  readonly world: World;
  /** Lines that somebody waits in. */
  readonly #busy = new LinkedList<WaitLine>();
  /** Lines by length, those that nobody waits in as well: most fill again soon. */
  readonly #lines = new Map<number, WaitLine>();
  /** When there are so many lines, those are forgotten. */
  #many = 32;
  #timer: AbortController | undefined;
  /** When it rings; in the past while it does, as it looks for the next time when it has. */
  #at = Infinity;

  constructor(world: World) {
    this.world = world;
  }

  line(length: number): WaitLine {
    const known = this.#lines.get(length);
    if (known !== undefined) return known;
    if (this.#lines.size >= this.#many) this.#forget();
    const line = new WaitLine(length, this.world, this);
    this.#lines.set(length, line);
    return line;
  }

  #forget(): void {
    for (const [length, { first }] of this.#lines) if (!first) this.#lines.delete(length);
    this.#many = Math.max(32, 2 * this.#lines.size);
  }

  /** Somebody waits in `line`, where nobody did. */
  begin(line: WaitLine): void {
    this.#busy.add(line);
    if (line.first!.at < this.#at) this.#set(line.first!.at);
  }

  /** Nobody waits in `line` any more. It may ring for nothing, but not when nobody waits at all. */
  end(line: WaitLine): void {
    this.#busy.remove(line);
    if (this.#busy.size > 0) return;
    this.#timer?.abort(EMPTY);
    this.#timer = undefined;
    if (this.#at > -Infinity) this.#at = Infinity;
  }

  #set(at: number): void {
    this.#timer?.abort(EMPTY);
    this.#timer = new AbortController();
    this.#at = at;
    const { signal } = this.#timer;
    // Whoever was woken may have taken longer than that.
    const left = Math.max(0, at - this.world.now());
    this.world.sleep(left, { signal }).then(() => this.#ring(), () => {});
  }

  #ring(): void {
    this.#at = -Infinity;
    const now = this.world.now();
    try {
      for (const line of this.#busy.members()) {
        for (let { first } = line; first && first.at <= now; { first } = line) {
          line.remove(first);
          first.due();
        }
      }
    } finally {
      this.#timer = undefined;
      this.#at = Infinity;
      const next = Math.min(...this.#busy.members().map(({ first }) => first!.at));
      if (next < Infinity) this.#set(next);
    }
  }
}

const alarms = new WeakMap<World, Alarm>();

/** The line of those who wait for so long, all under the one timer of `world`. */
export function waitLine(length: number, world: World): WaitLine {
  let alarm = alarms.get(world);
  if (alarm === undefined) alarms.set(world, alarm = new Alarm(world));
  return alarm.line(length);
}
