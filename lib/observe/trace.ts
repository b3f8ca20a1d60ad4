/**
 * A record of what programs did with their connections: every call, when it was made,
 * when it returned and with what. Tracing looks and never touches the data.
 *
 * @example Both ends of a conversation, drawn
 * ```ts
 * import { ladder, Trace, traced } from "@tcplab/tcplab/observe";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const trace = new Trace();
 * const [a, b] = memoryPair();
 * using client = traced(a, "client", trace);
 * using server = traced(b, "server", trace);
 *
 * await writeAll(client, new TextEncoder().encode("hello"));
 * await client.closeWrite();
 * await readToEnd(server);
 *
 * assertStringIncludes(ladder(trace.events), "═ FIN ═");
 * ```
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../addr.ts";
import { type Duplex, isResettable, type Resettable } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import { type CallEvent, connName, errorFacts, type TraceEvent } from "./events.ts";

/** Options for {@linkcode Trace}. */
export interface TraceOptions {
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: Pick<World, "now" | "epoch">;
  /**
   * How many bytes of each read and write to keep, for {@linkcode Trace.dataOf}.
   *
   * @default {0}
   */
  keepBytes?: number;
  /** Told of every event once it is complete: of a call, when it has returned. */
  onEvent?: ((event: TraceEvent) => void) | undefined;
}

/** An event as it is handed in: the trace knows the time. */
export type Untimed<Event> = Event extends TraceEvent ? Omit<Event, "at" | "end"> : never;

/** What came of a call: facts that were not known when it was made. */
export type CallOutcome = Partial<Pick<CallEvent, "error" | "conn">> & {
  /** For `read` and `write`. */
  readonly bytes?: number | null;
  /** For `listen` and `connect`. */
  readonly local?: string;
  /** For `accept`. */
  readonly remote?: string;
};

/** A growing list of events, in the order in which they were told. It is never cut. */
export class Trace {
  readonly #events: TraceEvent[] = [];
  readonly #world: Pick<World, "now" | "epoch">;
  readonly #onEvent: ((event: TraceEvent) => void) | undefined;
  readonly #start: number;
  readonly #keepBytes: number;
  /** Beside the events, which are plain JSON. */
  readonly #data = new WeakMap<TraceEvent, Uint8Array>();

  /** Starts the clock at 0. */
  constructor(options: TraceOptions = {}) {
    const { world = realWorld, onEvent, keepBytes = 0 } = options;
    this.#keepBytes = keepBytes;
    this.#world = world;
    this.#onEvent = onEvent;
    this.#start = world.now();
  }

  /** Everything so far. A call that has not returned is there too, without an `end`. */
  get events(): readonly TraceEvent[] {
    return this.#events;
  }

  /** Milliseconds since the trace began, to the microsecond. */
  now(): number {
    return Math.round((this.#world.now() - this.#start) * 1000) / 1000;
  }

  /** The time of day as milliseconds since the trace began; negative if it was before that. */
  timeOf(epochMs: number): number {
    return Math.round((epochMs - (this.#world.epoch ?? 0) - this.#start) * 1000) / 1000;
  }

  /** Milliseconds since the Unix epoch at which the trace began; 0 in a world without. */
  get began(): number {
    return this.#world.epoch === undefined ? 0 : this.#world.epoch + this.#start;
  }

  /** Records something that takes no time; if it is no news, `at` says when it was. */
  add(event: Untimed<TraceEvent> & { readonly at?: number }): void {
    const timed = { at: this.now(), ...event } as TraceEvent;
    this.#events.push(timed);
    this.#onEvent?.(timed);
  }

  /** The first bytes that a read or a write moved, as many as are kept; nothing if none are. */
  dataOf(call: CallEvent): Uint8Array | undefined {
    return this.#data.get(call);
  }

  /** Records the narrator's words; what is in several lines is a drawing, and keeps its columns. */
  say(text: string): void {
    this.add({ kind: "note", who: "", text });
  }

  /** Records that a call was made; the function it returns records what came of it. */
  begin(call: Untimed<CallEvent>): (outcome?: CallOutcome) => void {
    const open = { at: this.now(), ...call } as CallEvent;
    this.#events.push(open);
    return (outcome = {}) => {
      Object.assign(open, { end: this.now() }, outcome);
      this.#onEvent?.(open);
    };
  }

  /**
   * Makes a call on the record: runs `make` at once, and records what `outcome` says
   * of its result, or the error, which is thrown on. Of `data`, which the call moves, as much
   * is kept as the outcome says was moved.
   */
  async call<T>(
    call: Untimed<CallEvent>,
    make: () => Promise<T>,
    outcome?: (result: T) => CallOutcome,
    data?: Uint8Array,
  ): Promise<T> {
    const done = this.begin(call);
    const event = this.#events.at(-1)!;
    // What is written may be overwritten before it is taken; what is read is there at the end.
    const written = call.kind === "write" ? data?.slice(0, this.#keepBytes) : undefined;
    try {
      const result = await make();
      const came = outcome?.(result);
      if (this.#keepBytes > 0 && data !== undefined && typeof came?.bytes === "number") {
        const most = Math.min(came.bytes, this.#keepBytes);
        this.#data.set(event, written?.subarray(0, most) ?? data.slice(0, most));
      }
      done(came);
      return result;
    } catch (error) {
      done({ error: errorFacts(error) });
      throw error;
    }
  }

  /** The events as JSON, one on each line. */
  toString(): string {
    return this.#events.map((event) => JSON.stringify(event) + "\n").join("");
  }
}

/**
 * The same connection on the record: every call on it goes through unchanged, with its
 * result or its error, and leaves an event on the lifeline `who`.
 *
 * Disposing it disposes `duplex`; only the first `close` or `reset` is recorded, since
 * what follows does nothing. It can be reset if `duplex` can.
 */
export function traced(duplex: Resettable, who: string, trace: Trace): Resettable;
/** The same, for a connection that cannot be reset. */
export function traced(duplex: Duplex, who: string, trace: Trace): Duplex;
export function traced(duplex: Duplex, who: string, trace: Trace): Duplex {
  return isResettable(duplex)
    ? new TracedResettable(duplex, who, trace)
    : new TracedDuplex(duplex, who, trace);
}

class TracedDuplex<Inner extends Duplex> implements Duplex {
  protected readonly inner: Inner;
  readonly #trace: Trace;
  readonly #facts: { readonly who: string; readonly conn?: string };
  #gone = false;

  constructor(inner: Inner, who: string, trace: Trace) {
    this.inner = inner;
    this.#trace = trace;
    const conn = connOf(inner);
    this.#facts = conn === undefined ? { who } : { who, conn };
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#trace.call(
      { kind: "read", ...this.#facts, size: p.length },
      () => this.inner.read(p),
      (bytes) => ({ bytes }),
      p,
    );
  }

  write(p: Uint8Array): Promise<number> {
    return this.#trace.call(
      { kind: "write", ...this.#facts, size: p.length },
      () => this.inner.write(p),
      (bytes) => ({ bytes }),
      p,
    );
  }

  closeWrite(): Promise<void> {
    return this.#trace.call(
      { kind: "closeWrite", ...this.#facts },
      () => this.inner.closeWrite(),
    );
  }

  [Symbol.dispose](): void {
    this.finish("close", () => this.inner[Symbol.dispose]());
  }

  /** Ends both directions, on the record if they had not ended yet. */
  protected finish(kind: "close" | "reset", end: () => void): void {
    const done = this.#gone ? undefined : this.#trace.begin({ kind, ...this.#facts });
    this.#gone = true;
    end();
    done?.();
  }
}

class TracedResettable extends TracedDuplex<Resettable> implements Resettable {
  reset(): void {
    this.finish("reset", () => this.inner.reset());
  }
}

/** The name of the connection, if it is between addresses; in memory it is not. */
function connOf(duplex: Duplex): string | undefined {
  const { localAddr, remoteAddr } = duplex as { localAddr?: TcpAddr; remoteAddr?: TcpAddr };
  if (localAddr === undefined || remoteAddr === undefined) return undefined;
  return connName(formatAddr(localAddr), formatAddr(remoteAddr));
}
