/**
 * What a lesson works with: a server and clients on loopback whose every call is on the
 * record, a voice, a pencil, and checks.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import {
  type CallEvent,
  connName,
  errorFacts,
  isCall,
  type TraceEvent,
} from "../../lib/observe/events.ts";
import { plainHost } from "../../lib/observe/kernel_socket.ts";
import { type Trace, traced } from "../../lib/observe/trace.ts";
import type { ServeTcpOptions } from "../../lib/server/options.ts";
import { serveTcp } from "../../lib/server/server.ts";
import type { Duplex, Resettable } from "../../lib/stream/conn.ts";
import type { TcpStream } from "../../lib/stream/tcp.ts";
import { realWorld, type World } from "../../lib/world.ts";
import {
  type Expected,
  fits,
  Kernel,
  type States,
  type StatesOptions,
  type Where,
} from "./_states.ts";
import { LabWire, type NextOptions } from "./_wire.ts";

/** A connection between two addresses; a `Deno.TcpConn` is one. */
export interface Addressed extends Duplex {
  /** Our end. */
  readonly localAddr: { readonly hostname: string; readonly port: number };
  /** The peer's end. */
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
}

/** A connection on the record. */
export interface LabConn extends Duplex {
  /** Our end. */
  readonly localAddr: TcpAddr;
  /** The peer's end. */
  readonly remoteAddr: TcpAddr;
}

/** The same connection on the record: it can be reset if it could be before. */
export type OnRecord<Conn> = LabConn & (Conn extends Resettable ? Resettable : unknown);

/** A server on the record. */
export interface LabServer extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: TcpAddr;
  /** Resolves when all handlers that have started are done, and their connections closed. */
  idle(): Promise<void>;
  /** Takes no more connections over, until {@linkcode LabServer.resume}: they wait. */
  suspend(): void;
  /** Takes connections over again. */
  resume(): void;
}

/** Options for {@linkcode Lab.draw}. */
export interface DrawOptions {
  /**
   * The lifelines, from left to right.
   *
   * @default {["client", "server"]}
   */
  lifelines?: readonly string[];
}

/** A call of one kind. */
export type CallOf<Kind> = CallEvent & { readonly kind: Kind };

/** What the lab does with what a lesson hands it. */
export interface LabOptions {
  /** Aborts when the lesson has taken too long, or is interrupted. */
  signal: AbortSignal;
  /** Takes a picture of these events, but for those that are `drawn` already. */
  show: (
    events: readonly TraceEvent[],
    drawn: ReadonlySet<TraceEvent>,
    options: DrawOptions,
  ) => void;
  /** Takes what a server's handler threw. */
  fail: (error: unknown) => void;
  /**
   * How many columns a terminal has.
   *
   * @default {80}
   */
  columns?: number | undefined;
  /**
   * Whether what is seen on the wire is kept packet by packet.
   *
   * @default {false}
   */
  keepPackets?: boolean;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: Pick<World, "now" | "sleep">;
}

/** What a lesson works with. Disposing it ends what looks at the wire. */
export class Lab implements AsyncDisposable {
  /** Everything that happens; for what a lesson opens by itself. */
  readonly trace: Trace;
  /** Aborts when the lesson has taken too long, or is interrupted. */
  readonly signal: AbortSignal;
  /** The kernel's view; {@linkcode Lab.state} is the way to ask it. */
  readonly kernel: Kernel;
  /** How many columns a drawing may have that is said, lest its end be cut off; at least 40. */
  readonly columns: number;
  readonly #options: LabOptions;
  /** What looks at the wire. */
  readonly wires: LabWire[] = [];
  /** What the pictures so far have, and whether it had come to its end in them. */
  readonly #drawn = new Map<TraceEvent, boolean>();

  /** Records in `trace`. */
  constructor(trace: Trace, options: LabOptions) {
    this.trace = trace;
    this.signal = options.signal;
    // What is said stands two columns in, and no wider than where there is no terminal.
    this.columns = Math.max(40, Math.min(options.columns ?? 80, 80) - 2);
    this.#options = options;
    this.kernel = new Kernel(trace, options.world ?? realWorld, options.signal);
  }

  /**
   * Tells the listener what is about to happen, in the picture as well. What is in several lines
   * is a drawing, and keeps its columns: {@linkcode Lab.columns} at most.
   */
  say(text: string): void {
    this.trace.say(text);
  }

  /** Claims that something holds. */
  check(claim: string, holds: boolean): void;
  /** Claims that `actual` is `expected`, as they are printed. */
  check<T>(claim: string, actual: T, expected: T): void;
  check(claim: string, actual: unknown, ...expected: unknown[]): void {
    const seen = printed(actual);
    // That nothing was expected is not the same as nothing being said about it.
    const wanted = printed(expected.length === 0 ? true : expected[0]);
    const ok = seen === wanted;
    const check = { kind: "check", who: "", text: claim, ok } as const;
    this.trace.add(ok ? check : { ...check, actual: seen, expected: wanted });
  }

  /**
   * The kernel's state of both ends of a connection, by lifeline, or of a listener, on the
   * record and in the picture. It waits until what is expected is so, or 3 seconds are over.
   * Where the kernel cannot be asked, it resolves with nothing.
   */
  state(where: Where, expected?: Expected, options?: StatesOptions): Promise<States | undefined> {
    return this.kernel.states(where, expected, options);
  }

  /** Claims that both ends come to these states; says so if that cannot be seen. */
  async checkState(
    claim: string,
    where: Where,
    expected: Expected,
    options?: StatesOptions,
  ): Promise<void> {
    const states = await this.state(where, expected, options);
    if (states === undefined) this.unseen(claim, this.kernel.unseen!);
    else this.check(claim, fits(states, expected) ? expected : states, expected);
  }

  /**
   * Looks at what goes over the wire from now on, from and to these addresses or ports. What is
   * seen goes on the record, and takes the place of the arrows that would be guessed. Where it
   * cannot be seen, the lesson goes on without.
   */
  async wire(...where: (TcpAddr | number)[]): Promise<LabWire> {
    const { signal, keepPackets = false } = this.#options;
    const wire = new LabWire(this.trace, { signal, keepPackets });
    this.wires.push(wire);
    await wire.open(where.map((it) => typeof it === "number" ? it : it.port));
    return wire;
  }

  /**
   * Claims that what went over the wire since the last such claim is just `expected`, such as
   * `["client SYN", "server SYN-ACK", "client ACK"]`; says so if that cannot be seen.
   */
  async checkWire(
    claim: string,
    wire: LabWire,
    expected: readonly string[],
    options?: NextOptions,
  ): Promise<void> {
    const seen = await wire.next(expected.length, options);
    if (seen === undefined) this.unseen(claim, wire.unseen!);
    else this.check(claim, seen, expected);
  }

  /** Says of a claim that it could not be put to the test, and why. */
  unseen(claim: string, why: string): void {
    this.trace.add({ kind: "unseen", who: "", text: claim, why });
  }

  /** Starts a server; each connection that `handler` is given is closed when it returns. */
  serve(
    handler: (conn: LabConn) => Promise<void>,
    who = "server",
    at: Pick<ServeTcpOptions, "hostname" | "port" | "backlog" | "maxConns"> = {},
  ): LabServer {
    const sessions: Promise<void>[] = [];
    const { signal } = this;
    const session = async (conn: TcpStream) => {
      using end = this.accepted(conn, who);
      await handler(end);
    };
    const listening = this.trace.begin({ kind: "listen", who });
    const serve = () =>
      serveTcp({ ...at, signal, onError: this.#options.fail }, (conn) => {
        sessions.push(session(conn));
        return sessions.at(-1)!;
      });
    let server;
    try {
      server = serve();
    } catch (error) {
      listening({ error: errorFacts(error) });
      throw error;
    }
    listening({ local: formatAddr(server.addr) });
    return {
      addr: server.addr,
      idle: async () => void await Promise.allSettled(sessions),
      suspend: () => server.suspend(),
      resume: () => server.resume(),
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  }

  /** Connects to `addr`. */
  dial(addr: TcpAddr, who = "client"): Promise<LabConn> {
    return this.connect(addr, who, () => dial(addr, { signal: this.signal }));
  }

  /** Connects to `addr` by other means. */
  async connect<Conn extends Addressed>(
    addr: TcpAddr,
    who: string,
    make: () => Promise<Conn>,
  ): Promise<OnRecord<Conn>> {
    const conn = await this.trace.call(
      { kind: "connect", who, remote: formatAddr(addr) },
      make,
      (conn) => ({ local: formatAddr(plain(conn.localAddr)), conn: nameOf(conn) }),
    );
    return this.#record(conn, who);
  }

  /** Puts a connection that a server of the lesson's own accepted on the record. */
  accepted<Conn extends Addressed>(conn: Conn, who = "server"): OnRecord<Conn> {
    const remote = formatAddr(plain(conn.remoteAddr));
    this.trace.begin({ kind: "accept", who, remote, conn: nameOf(conn) })();
    return this.#record(conn, who);
  }

  /** The calls of a kind on a lifeline, in the order in which they were made. */
  calls<Kind extends CallEvent["kind"]>(who: string, kind: Kind): CallOf<Kind>[] {
    const found = this.trace.events.filter((event) => event.who === who && event.kind === kind);
    return found as CallOf<Kind>[];
  }

  /** Draws what has happened since the last picture, or since the start. */
  draw(options: DrawOptions = {}): void {
    for (const wire of this.wires) wire.pull();
    const { events } = this.trace;
    // A call that was still waiting then, and returned since, is drawn a second time.
    const drawn = events.filter((event) => this.#drawn.get(event) === hasEnded(event));
    this.#options.show(events, new Set(drawn), options);
    for (const event of events) this.#drawn.set(event, hasEnded(event));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.wires.map((wire) => wire[Symbol.asyncDispose]()));
  }

  #record<Conn extends Addressed>(conn: Conn, who: string): OnRecord<Conn> {
    const localAddr = plain(conn.localAddr);
    const remoteAddr = plain(conn.remoteAddr);
    return Object.assign(traced(conn, who, this.trace), { localAddr, remoteAddr }) as OnRecord<
      Conn
    >;
  }
}

function hasEnded(event: TraceEvent): boolean {
  return !isCall(event) || event.end !== undefined;
}

function nameOf({ localAddr, remoteAddr }: Addressed): string {
  return connName(formatAddr(localAddr), formatAddr(remoteAddr));
}

/** An IPv4 address is one also where an IPv6 socket has it. */
function plain({ hostname, port }: { hostname: string; port: number }): TcpAddr {
  return tcpAddr(plainHost(hostname), port);
}

function printed(value: unknown): string {
  return Deno.inspect(value, { depth: Infinity, sorted: true, strAbbreviateSize: 200 });
}
