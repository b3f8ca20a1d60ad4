/**
 * The faults of a link: which there are, by name and in order, and on which of its connections
 * they are at work. Every change reaches the connections that are open, and those to come.
 */

import type { Direction, Fault } from "./fault.ts";
import type { Link } from "./link.ts";
import type { LinkEvent } from "./link_event.ts";
import { refuses } from "./refuse.ts";
import { randomAt, seedOf } from "./seed.ts";

/** How a fault is put on a link. */
export interface FaultSettings {
  /**
   * The part of all connections that have it, from 0 to 1; which ones the seed decides.
   *
   * @default {1}
   */
  toxicity?: number;
  /**
   * Whether it is at work.
   *
   * @default {true}
   */
  enabled?: boolean;
  /** Only on these connections, by their numbers, from 1; on all if it is missing. */
  connections?: ((connection: number) => boolean) | undefined;
}

/** A fault of a link. */
export interface NamedFault extends Required<Omit<FaultSettings, "connections">> {
  /** What it is called; no other of the link is called so. */
  readonly name: string;
  /** Which way. */
  readonly direction: Direction;
  /** What it does. */
  readonly fault: Fault;
  /** On which connections alone. */
  readonly connections?: ((connection: number) => boolean) | undefined;
}

/** The faults of a link, in order, and the connections that they are for. */
export class FaultBoard {
  readonly #seed: number;
  readonly #tell: (event: Omit<LinkEvent, "at">) => void;
  readonly #faults = new Map<string, NamedFault>();
  readonly #links = new Set<Link>();
  /** Of connections that are over. */
  readonly #past = { up: { received: 0, sent: 0 }, down: { received: 0, sent: 0 } };

  /** Makes one without faults; `tell` hears of what is done to which connection. */
  constructor(seed: number, tell: (event: Omit<LinkEvent, "at">) => void) {
    this.#seed = seed;
    this.#tell = tell;
  }

  /** All of them, in the order in which bytes pass them. */
  get faults(): readonly NamedFault[] {
    return [...this.#faults.values()];
  }

  /** The connections that are open. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /**
   * Puts a fault behind those that there are.
   *
   * @throws {TypeError} If the name is taken.
   * @throws {RangeError} If `toxicity` is not from 0 to 1.
   */
  add(name: string, direction: Direction, fault: Fault, settings: FaultSettings = {}): void {
    if (this.#faults.has(name)) {
      throw new TypeError(`Cannot add fault '${name}' as its name must be new: there is one`);
    }
    const { toxicity = 1, enabled = true, connections } = settings;
    checkToxicity(name, toxicity);
    const added = { name, direction, fault, toxicity, enabled, connections };
    this.#faults.set(name, added);
    for (const link of this.#links) this.#bring(link, undefined, added);
  }

  /**
   * Puts another fault, or other settings, in the place of one.
   *
   * @throws {TypeError} If there is no such fault.
   * @throws {RangeError} If `toxicity` is not from 0 to 1.
   */
  change(name: string, change: FaultSettings & { fault?: Fault }): void {
    const old = this.#faults.get(name);
    if (old === undefined) {
      throw new TypeError(`Cannot change fault '${name}' as there must be one: there is none`);
    }
    const changed = { ...old, ...change };
    checkToxicity(name, changed.toxicity);
    this.#faults.set(name, changed);
    for (const link of this.#links) this.#bring(link, old, changed);
  }

  /** Takes a fault away; `false` if there was none. Never waits. */
  remove(name: string): boolean {
    const old = this.#faults.get(name);
    if (old === undefined) return false;
    this.#faults.delete(name);
    for (const link of this.#links) this.#bring(link, old, undefined);
    return true;
  }

  /** Takes all away. */
  clear(): void {
    for (const name of [...this.#faults.keys()]) this.remove(name);
  }

  /** Whether a new connection is to be refused, without calling the server. */
  refuses(connection: number): boolean {
    return this.faults.some((named) => this.#hits(named, connection) && refuses(named.fault));
  }

  /** Puts a connection under the board's faults, until it is over. */
  join(link: Link): void {
    this.#links.add(link);
    for (const named of this.#faults.values()) this.#bring(link, undefined, named);
    link.finished.then(() => {
      for (const direction of ["up", "down"] as const) {
        this.#past[direction].received += link[direction].received;
        this.#past[direction].sent += link[direction].sent;
      }
      this.#links.delete(link);
    });
  }

  /** Bytes of all connections, open and past: those that came, and those that went out. */
  traffic(direction: Direction): { received: number; sent: number } {
    const sum = { ...this.#past[direction] };
    for (const link of this.#links) {
      sum.received += link[direction].received;
      sum.sent += link[direction].sent;
    }
    return sum;
  }

  #hits({ name, enabled, toxicity, connections }: NamedFault, connection: number): boolean {
    if (!enabled || connections?.(connection) === false) return false;
    return toxicity === 1 || randomAt(seedOf(this.#seed, name), connection) < toxicity;
  }

  #bring(link: Link, old: NamedFault | undefined, now: NamedFault | undefined): void {
    const { connection } = link;
    const had = old !== undefined && this.#hits(old, connection);
    const has = now !== undefined && this.#hits(now, connection);
    if (!had && !has) return;
    const { name, direction } = (now ?? old)!;
    const lane = link.lane(direction);
    const tell = (type: "added" | "changed" | "removed") =>
      this.#tell({ type, connection, direction, fault: name, offset: lane.offset });
    if (had && has) {
      if (old.fault === now.fault) return;
      tell("changed");
      lane.change(name, now.fault);
    } else if (has) {
      tell("added");
      lane.add(name, now.fault);
    } else {
      tell("removed");
      lane.remove(name);
    }
  }
}

function checkToxicity(name: string, toxicity: number): void {
  if (toxicity >= 0 && toxicity <= 1) return;
  throw new RangeError(
    `Cannot use fault '${name}' as 'toxicity' must be from 0 to 1: current value is ${toxicity}`,
  );
}
