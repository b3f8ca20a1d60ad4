/** What links over sockets and in memory have in common. */

import { realWorld, type World } from "../world.ts";
import type { Direction, Fault } from "./fault.ts";
import { FaultBoard, type FaultSettings } from "./fault_board.ts";
import { eventLine, type LinkEvent } from "./link_event.ts";
import type { Link } from "./link.ts";
import { freshSeed } from "./seed.ts";
import { parseTimeline, type Timeline } from "./timeline.ts";
import { followLinkTimeline, followTimeline, timelineRefuses } from "./_timeline_run.ts";

/** A fault, alone or with a name and settings. */
export type FaultEntry = Fault | ({ fault: Fault; name?: string } & FaultSettings);

/** Options of every kind of link. */
export interface FaultsOptions {
  /** Faults on the way from the client to the server, in order. */
  up?: readonly FaultEntry[];
  /** Faults on the way from the server to the client, in order. */
  down?: readonly FaultEntry[];
  /**
   * What is to go wrong and when: a script, or one that {@linkcode parseTimeline} has read.
   *
   * @default {undefined}
   */
  timeline?: string | Timeline | undefined;
  /**
   * Decides all chance: an integer from 0 to 2^32 - 1.
   *
   * @default A new one, which `seed` of the link tells.
   */
  seed?: number;
  /** Hears all that happens, as it happens. What it throws goes to `reportError`. */
  onEvent?: (event: LinkEvent) => void;
  /**
   * Milliseconds without a byte after which a connection is closed.
   *
   * @default {Infinity}
   */
  idleTimeout?: number;
  /**
   * The same once one end has said FIN.
   *
   * @default {600000}
   */
  halfClosedTimeout?: number;
  /**
   * Milliseconds to hear the peers out when a fault closes both ends: see {@linkcode LinkOptions}.
   *
   * @default {500}
   */
  lingerTimeout?: number;
  /**
   * How many of the last events {@linkcode FaultyConnections.report} keeps; 0 for none.
   *
   * @default {1000}
   */
  keepEvents?: number;
  /**
   * The clock, and the dice for a new seed.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** What every kind of link can be asked and told. */
export interface FaultyConnections extends AsyncDisposable {
  /** What decides all chance: the same seed and traffic give the same faults. */
  readonly seed: number;
  /** The faults and the connections that they are at work on. */
  readonly board: FaultBoard;
  /** The last events, oldest first. */
  readonly events: readonly LinkEvent[];
  /** Puts a fault on open connections and those to come: see {@linkcode FaultBoard.add}. */
  add(name: string, direction: Direction, fault: Fault, settings?: FaultSettings): void;
  /** Changes one: see {@linkcode FaultBoard.change}. */
  change(name: string, change: FaultSettings & { fault?: Fault }): void;
  /** Takes one away: see {@linkcode FaultBoard.remove}. */
  remove(name: string): boolean;
  /** The seed and the last events as text: what a failing test should print. */
  report(): string;
  /**
   * Runs a test, and if it fails, throws an error that holds {@linkcode report} as well, with what
   * the test threw as its `cause`.
   */
  explain<T>(test: () => T | Promise<T>): Promise<T>;
}

/** The part that does not know what a connection is made of. */
export abstract class Connections implements FaultyConnections {
  readonly seed: number;
  readonly board: FaultBoard;
  readonly events: LinkEvent[] = [];
  protected readonly world: World;
  protected readonly options: FaultsOptions;
  /** How many connections there were. */
  protected count = 0;
  readonly #timeline: Timeline | undefined;
  /** Aborts when the link is disposed. */
  readonly #over = new AbortController();

  constructor(options: FaultsOptions) {
    const { world = realWorld, seed = freshSeed(world.random), keepEvents = 1000 } = options;
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
      throw new RangeError(
        `Cannot make a link as 'seed' must be an integer from 0 to 4294967295: current value is ${seed}`,
      );
    }
    if (!(keepEvents >= 0)) {
      throw new RangeError(
        `Cannot make a link as 'keepEvents' must be >= 0: current value is ${keepEvents}`,
      );
    }
    const { idleTimeout = Infinity, halfClosedTimeout = 600_000, lingerTimeout = 500 } = options;
    for (const [name, value] of Object.entries({ idleTimeout, halfClosedTimeout })) {
      if (value > 0) continue;
      throw new RangeError(
        `Cannot make a link as '${name}' must be > 0: current value is ${value}`,
      );
    }
    if (!(lingerTimeout >= 0)) {
      throw new RangeError(
        `Cannot make a link as 'lingerTimeout' must be >= 0: current value is ${lingerTimeout}`,
      );
    }
    const { timeline } = options;
    this.#timeline = typeof timeline === "string" ? parseTimeline(timeline) : timeline;
    this.options = options;
    this.world = world;
    this.seed = seed;
    this.board = new FaultBoard(seed, (event) => this.tell({ at: world.now(), ...event }));
    for (const direction of ["up", "down"] as const) {
      for (const [i, entry] of (options[direction] ?? []).entries()) {
        const { fault, name = `${direction}${i + 1}`, ...settings } = typeof entry === "function"
          ? { fault: entry }
          : entry;
        this.add(name, direction, fault, settings);
      }
    }
    if (this.#timeline) {
      followLinkTimeline(this.#timeline, this.board, world, this.#over.signal);
    }
  }

  /** Whether a connection is not to be. */
  protected refuses(connection: number): boolean {
    if (this.#timeline && timelineRefuses(this.#timeline, connection)) return true;
    return this.board.refuses(connection);
  }

  /** Puts a connection under all faults that are for it. */
  protected join(link: Link): void {
    this.board.join(link);
    if (this.#timeline) followTimeline(this.#timeline, link, this.seed, this.world);
  }

  /** Nothing is to happen any more. */
  protected stopTimeline(): void {
    this.#over.abort();
  }

  add(name: string, direction: Direction, fault: Fault, settings?: FaultSettings): void {
    this.board.add(name, direction, fault, settings);
  }

  change(name: string, change: FaultSettings & { fault?: Fault }): void {
    this.board.change(name, change);
  }

  remove(name: string): boolean {
    return this.board.remove(name);
  }

  report(): string {
    const faults = this.board.faults.map(({ name, direction, toxicity, enabled }) =>
      `  ${name} (${direction}${toxicity < 1 ? `, toxicity ${toxicity}` : ""}${
        enabled ? "" : ", disabled"
      })`
    );
    return [
      `seed ${this.seed}`,
      "faults:",
      ...faults.length > 0 ? faults : ["  none"],
      ...this.#timeline
        ? ["script:", ...this.#timeline.text.trimEnd().split("\n").map((l) => `  ${l}`)]
        : [],
      "timeline:",
      ...this.events.map(eventLine),
    ].join("\n");
  }

  async explain<T>(test: () => T | Promise<T>): Promise<T> {
    try {
      return await test();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(
        `${message}\n\nTo have this again, use the same faults and ${this.report()}`,
        {
          cause,
        },
      );
    }
  }

  protected tell(event: LinkEvent): void {
    const { keepEvents = 1000, onEvent } = this.options;
    this.events.push(event);
    if (this.events.length > keepEvents) this.events.shift();
    try {
      onEvent?.(event);
    } catch (error) {
      reportError(error); // what the caller does with it must not change what is between its ends
    }
  }

  abstract [Symbol.asyncDispose](): Promise<void>;
}
