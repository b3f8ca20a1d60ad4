/**
 * A pool's day as spans of time: who waited how long, and for how long each connection was held
 * and idle. As JSON, and as a drawing.
 *
 * @example One connection, lent twice
 * ```ts
 * import { createPool, PoolTimeline } from "@tcplab/tcplab/client";
 * import { seededWorld } from "@tcplab/tcplab/world";
 * import { assertEquals } from "@std/assert";
 *
 * const world = seededWorld(1);
 * const timeline = new PoolTimeline();
 * const open = () => ({ [Symbol.dispose]() {} });
 * await using pool = createPool({ world, open, onEvent: (event) => timeline.add(event) });
 *
 * const lease = await pool.acquire();
 * await world.advance(30);
 * lease.release();
 * await world.advance(10);
 *
 * assertEquals(timeline.draw({ width: 8, until: 40 }), [
 *   "    0 ms 40 ms",
 *   "#1  ██████··  lent 1 time, held 30 ms, idle 10 ms",
 *   "",
 * ].join("\n"));
 * ```
 *
 * @module
 */

import type { PoolCloseReason, PoolEvent } from "./pool_events.ts";

/** A stretch of time on the clock of the pool's `World`, in milliseconds. */
export interface PoolSpan {
  /**
   * `"wait"`: an acquire waited; `"hold"`: a connection was lent; `"idle"`: it was free;
   * `"check"`: it was looked at before it was lent.
   */
  readonly kind: "wait" | "hold" | "idle" | "check";
  /** When it began. */
  readonly start: number;
  /** When it ended; missing while it goes on. */
  readonly end?: number;
  /** The connection, if it is about one, or if the wait ended with one. */
  readonly id?: number;
  /** The number of the acquire, if it is about one. */
  readonly ticket?: number;
}

/** One connection's life. */
export interface PoolLife {
  /** Its number. */
  readonly id: number;
  /** When it was open. */
  readonly opened: number;
  /** When it was closed; missing while it is open. */
  readonly closed?: number;
  /** Why it was closed. */
  readonly reason?: PoolCloseReason;
}

/** Options for {@linkcode PoolTimeline.draw}. */
export interface DrawPoolOptions {
  /**
   * How many columns the time gets.
   *
   * @default {60}
   */
  width?: number;
  /**
   * Where the drawing ends, in milliseconds on the pool's clock.
   *
   * @default {the last event}
   */
  until?: number;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

const INK = { hold: "█", check: "?", idle: "·" } as const;

/** Collects the events of one pool: `onEvent: (event) => timeline.add(event)`. */
export class PoolTimeline {
  /** Every stretch of time, in the order in which they began. */
  readonly spans: readonly PoolSpan[];
  /** Every connection, in the order in which they were opened. */
  readonly lives: readonly PoolLife[];
  readonly #spans: Mutable<PoolSpan>[];
  readonly #lives: Mutable<PoolLife>[];
  readonly #openSpan = new Map<number, Mutable<PoolSpan>>();
  readonly #openWait = new Map<number, Mutable<PoolSpan>>();
  #last = 0;
  #first: number | undefined;

  /** Begins with nothing. */
  constructor() {
    this.spans = this.#spans = [];
    this.lives = this.#lives = [];
  }

  /** Takes the next event. */
  add(event: PoolEvent): void {
    const { at } = event;
    this.#first ??= event.type === "opened" ? at - event.took : at;
    this.#last = Math.max(this.#last, at);
    switch (event.type) {
      case "opened":
        this.#lives.push({ id: event.id, opened: at });
        break;
      case "idle":
        this.#turn(event.id, { kind: "idle", start: at, id: event.id });
        break;
      case "checking":
        this.#turn(event.id, { kind: "check", start: at, id: event.id });
        break;
      case "lent": {
        const { id, ticket } = event;
        this.#turn(id, { kind: "hold", start: at, id, ticket });
        this.#endWait(ticket, at, id);
        break;
      }
      case "returned":
        this.#end(event.id, at);
        break;
      case "closed": {
        this.#end(event.id, at);
        const life = this.#lives.find(({ id }) => id === event.id);
        if (life !== undefined) Object.assign(life, { closed: at, reason: event.reason });
        break;
      }
      case "waiting": {
        const wait = { kind: "wait", start: at, ticket: event.ticket } as const;
        this.#openWait.set(event.ticket, wait);
        this.#spans.push(wait);
        break;
      }
      case "left":
        this.#endWait(event.ticket, at);
    }
  }

  /** How many milliseconds the spans of one kind add up to, until `until`, of one connection or all. */
  total(kind: PoolSpan["kind"], id?: number, until: number = this.#last): number {
    return this.#spans
      .filter((span) => span.kind === kind && (id === undefined || span.id === id))
      .reduce((sum, { start, end = until }) => sum + end - start, 0);
  }

  /**
   * One line for each connection: `█` lent, `·` idle, `?` being checked; and the longest wait.
   *
   * @throws {RangeError} If `width` is no integer >= 1.
   */
  draw(options: DrawPoolOptions = {}): string {
    const { width = 60, until = this.#last } = options;
    if (!(Number.isSafeInteger(width) && width >= 1)) {
      throw new RangeError(
        `Cannot draw a timeline as 'width' must be an integer >= 1: current value is ${width}`,
      );
    }
    const first = this.#first ?? 0;
    const column = (at: number) => Math.round((at - first) / (until - first || 1) * width);
    const names = Math.max(2, `#${this.#lives.at(-1)?.id ?? ""}`.length);
    const right = ms(until - first);
    const axis = `${" ".repeat(names)}  0 ms ${right.padStart(width - "0 ms ".length)}`;
    const lines = this.#lives.map(({ id, reason }) => {
      const row = Array<string>(width).fill(" ");
      const spans = this.#spans.filter((span) => span.id === id && span.kind !== "wait");
      // The short ones last: a check of microseconds beside a lease must not be drawn over it.
      for (const kind of ["idle", "check", "hold"] as const) {
        for (const { start, end = until } of spans.filter((span) => span.kind === kind)) {
          const from = Math.min(column(start), width - 1);
          const to = Math.max(column(end), kind === "hold" ? from + 1 : from);
          row.fill(INK[kind], from, to);
        }
      }
      const lent = spans.filter(({ kind }) => kind === "hold").length;
      const told = [
        `lent ${lent} ${lent === 1 ? "time" : "times"}`,
        `held ${ms(this.total("hold", id, until))}`,
        `idle ${ms(this.total("idle", id, until))}`,
        ...(reason === undefined ? [] : [`closed: ${reason}`]),
      ];
      return `${`#${id}`.padEnd(names)}  ${row.join("")}  ${told.join(", ")}`;
    });
    const waits = this.#spans.filter(({ kind, start, end = until }) =>
      kind === "wait" && end > start
    );
    if (waits.length > 0) {
      const longest = waits.reduce(
        (most, { start, end = until }) => Math.max(most, end - start),
        0,
      );
      const count = waits.length === 1 ? "1 acquire" : `${waits.length} acquires`;
      lines.push(`${count} waited, the longest ${ms(longest)}`);
    }
    return [axis, ...lines, ""].join("\n");
  }

  /** What `JSON.stringify` makes of it: `{ "lives": […], "spans": […] }`. */
  toJSON(): { lives: readonly PoolLife[]; spans: readonly PoolSpan[] } {
    return { lives: this.lives, spans: this.spans };
  }

  /** What a connection does from now on. */
  #turn(id: number, span: Mutable<PoolSpan>): void {
    this.#end(id, span.start);
    this.#openSpan.set(id, span);
    this.#spans.push(span);
  }

  #end(id: number, at: number): void {
    const span = this.#openSpan.get(id);
    if (span !== undefined) span.end = at;
    this.#openSpan.delete(id);
  }

  #endWait(ticket: number, at: number, id?: number): void {
    const wait = this.#openWait.get(ticket);
    if (wait === undefined) return;
    wait.end = at;
    if (id !== undefined) wait.id = id;
    this.#openWait.delete(ticket);
  }
}

function ms(value: number): string {
  return `${Number(value.toPrecision(3))} ms`;
}
