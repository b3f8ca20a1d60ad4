/**
 * The heart of a proxy: two connections joined so that nobody can tell.
 *
 * @example A question goes there, its answer comes back
 * ```ts
 * import { memoryPair, readToEnd, relay, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, a] = memoryPair();
 * const [b, server] = memoryPair();
 * const relaying = relay(a, b);
 *
 * await writeAll(client, new TextEncoder().encode("ping"));
 * await client.closeWrite();
 * const asked = await readToEnd(server); // FIN came through …
 * await writeAll(server, asked); // … and the way back is open
 * await server.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "ping");
 *
 * assertEquals(await relaying, { forward: 4, backward: 4, reason: "finished", by: "b" });
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { isOurClosing } from "./_errors.ts";
import {
  giveSmallBuffer,
  LARGEST_BUFFER,
  SMALL_BUFFER,
  takeSmallBuffer,
} from "./_small_buffers.ts";
import { type Waiting, WaitLine, waitLine } from "./_wait_line.ts";
import { type Duplex, isResettable } from "./conn.ts";

/** Options for {@linkcode relay}. */
export interface RelayOptions {
  /** Ends the relay at once. */
  signal?: AbortSignal | undefined;
  /**
   * Milliseconds without a byte in either direction after which the relay ends; `Infinity`
   * for no limit.
   *
   * @default {600000}
   */
  idleTimeout?: number;
  /**
   * The same, from when one direction has ended, in place of `idleTimeout`: who said FIN
   * waits for an answer, and one that never comes must not hold two sockets for long.
   *
   * @default {30000}
   */
  halfClosedTimeout?: number;
  /**
   * Milliseconds to go on taking, and dropping, what one end sends, when the other takes no more
   * and all that it had to say is carried: closing at once would make the kernel send RST, which
   * can destroy the end of what was carried. It ends earlier when FIN comes, or 16 MiB have. 0 closes at once.
   *
   * @default {500}
   */
  lingerTimeout?: number;
  /** Told of an end's FIN as it comes. */
  onFin?: (end: "a" | "b") => void;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** What a relay has carried, and why it ended. */
export interface RelayReport {
  /** Bytes that `b` has taken. */
  readonly forward: number;
  /** Bytes that `a` has taken. */
  readonly backward: number;
  /**
   * - `finished`: both said FIN, and both FINs were carried across.
   * - `reset`: a connection was reset.
   * - `error`: a connection failed otherwise; with `BrokenPipe` it was closed before it
   *   had read everything.
   * - `idle`: nothing came from either side for too long.
   * - `half-closed`: one direction had ended, and nothing came in the other for too long.
   * - `aborted`: the signal said so, or somebody disposed an end meanwhile.
   */
  readonly reason: "finished" | "reset" | "error" | "idle" | "half-closed" | "aborted";
  /**
   * Whose doing that was: the end that said FIN last, that broke, or that the relay waited
   * for in vain, be it to speak or, when idle, to take what the other had said; `relay` if both
   * were silent; `caller` for an abort.
   */
  readonly by: "a" | "b" | "relay" | "caller";
  /** What was thrown, if something was. */
  readonly error?: Error;
  /**
   * Ends whose stream was cut, and that could only be closed, since they have no `reset()`: to
   * their peers, what they got may look whole. Missing if there are none.
   */
  readonly disguised?: readonly ("a" | "b")[];
}

/**
 * Copies both ways at once until both sides have said FIN, and resolves, whatever the
 * peers do. Then both ends are disposed and nothing is pending.
 *
 * FIN on one end becomes `closeWrite` on the other, and nothing else. When `b` closes
 * without reading everything, what it sent before still reaches `a`, under the half-closed
 * deadline, while what `a` still sends is dropped.
 *
 * RST becomes RST: an end that has not been given the other's FIN is reset, if it can be, so
 * that a stream which was cut does not look whole. Connections of `listenResettable()` and
 * `dialResettable()` can be, those that Deno makes can not, and `disguised` tells. FIN then RST
 * becomes FIN, then a close that lets the kernel answer the next write with RST.
 *
 * @throws {RangeError} If a timeout is not > 0, or `lingerTimeout` not >= 0.
 */
export function relay(
  a: Duplex,
  b: Duplex,
  options: RelayOptions = {},
): Promise<RelayReport> {
  try {
    return begin(a, b, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

function begin(a: Duplex, b: Duplex, options: RelayOptions): Promise<RelayReport> {
  const {
    signal,
    idleTimeout = 600_000,
    halfClosedTimeout = 30_000,
    lingerTimeout = 500,
    onFin = () => {},
    world = realWorld,
  } = options;
  checkTimeout("idleTimeout", idleTimeout);
  checkTimeout("halfClosedTimeout", halfClosedTimeout);
  if (!(lingerTimeout >= 0)) {
    throw new RangeError(
      `Cannot relay as 'lingerTimeout' must be >= 0: current value is ${lingerTimeout}`,
    );
  }
  const limits = { idleTimeout, halfClosedTimeout, lingerTimeout };
  const running = new Relay(a, b, { ...limits, onFin, world });
  // Not awaited where there is nothing to be done afterwards: a relay that waits for long is
  // mostly memory, and each function that waits for it is some more.
  return signal === undefined ? running.run() : aborting(running, signal);
}

async function aborting(running: Relay, signal: AbortSignal): Promise<RelayReport> {
  const abort = () => running.end({ reason: "aborted", by: "caller" });
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  const report = await running.run();
  signal.removeEventListener("abort", abort);
  return report;
}

function checkTimeout(name: string, value: number): void {
  if (value > 0) return;
  throw new RangeError(`Cannot relay as '${name}' must be > 0: current value is ${value}`);
}

type Cause = Pick<RelayReport, "reason" | "by" | "error">;

/** One direction. */
interface Leg {
  readonly from: Duplex;
  readonly to: Duplex;
  readonly source: "a" | "b";
  readonly sink: "a" | "b";
  /** Bytes that `to` has taken. */
  carried: number;
  /** Whom the leg waits for. */
  waitsFor: "a" | "b";
  /** Whether FIN came, be it carried across or not. */
  ended: boolean;
  /** Whether FIN was carried across. */
  finished: boolean;
  /** Why `to` takes no more. */
  refusal: Error | undefined;
  /** Whether `from` said FIN after that. */
  drained: boolean;
}

/** What an end may still send while it lingers: a stream without end is not worth the wait. */
const LINGER_BYTES = 16 * 1024 * 1024;

/** So many reads in a row that a quarter of the buffer could have held shrink it. */
const SMALL_READS = 8;

class Relay {
  readonly #forward: Leg;
  readonly #backward: Leg;
  readonly #options: Required<Omit<RelayOptions, "signal">>;
  readonly #over = Promise.withResolvers<void>();
  /** The first thing that went wrong; the legs that follow from it change nothing. */
  #cause: Cause | undefined;
  #isOver = false;
  #lastActivity: number;
  /** When all was carried that could be, and one end still sent to one that takes no more. */
  #lingerSince: number | undefined;
  /** Bytes taken since then that nobody wants. */
  #dropped = 0;
  /** Where the next look at the deadlines waits. */
  #line: WaitLine | undefined;
  #waiting: Waiting | undefined;

  constructor(a: Duplex, b: Duplex, options: Required<Omit<RelayOptions, "signal">>) {
    const leg = { carried: 0, ended: false, finished: false, refusal: undefined, drained: false };
    this.#forward = { from: a, to: b, source: "a", sink: "b", waitsFor: "a", ...leg };
    this.#backward = { from: b, to: a, source: "b", sink: "a", waitsFor: "b", ...leg };
    this.#options = options;
    this.#lastActivity = options.world.now();
  }

  async run(): Promise<RelayReport> {
    const tasks = [
      this.#carry(this.#forward, this.#backward),
      this.#carry(this.#backward, this.#forward),
    ];
    this.#watch();
    await this.#over.promise;
    const cause = this.#cause!;
    const broken = cause.reason === "reset" || cause.reason === "error" ? cause.by : undefined;
    const disguised: ("a" | "b")[] = [];
    for (const { to, sink, finished } of [this.#backward, this.#forward]) {
      if (!finished && isResettable(to)) to.reset();
      else if (!finished && sink !== broken) disguised.push(sink);
      to[Symbol.dispose]();
    }
    await Promise.all(tasks);
    return {
      forward: this.#forward.carried,
      backward: this.#backward.carried,
      ...cause,
      ...(disguised.length > 0 ? { disguised } : {}),
    };
  }

  end(cause: Cause): void {
    this.#cause ??= cause;
    this.#isOver = true;
    this.#wake();
    this.#over.resolve();
  }

  async #carry(leg: Leg, twin: Leg): Promise<void> {
    try {
      await this.#copy(leg);
      this.#options.onFin(leg.source);
      // A Deno.TcpConn that told a write of a reset says null here.
      if (twin.refusal && !isBrokenPipe(twin.refusal)) throw twin.refusal;
      this.#halfClose(leg);
      leg.waitsFor = leg.sink;
      await leg.to.closeWrite();
      leg.finished = true;
      if (twin.finished) this.end({ reason: "finished", by: leg.source });
      else if (twin.refusal) this.#linger(twin);
    } catch (error) {
      if (leg.waitsFor === leg.source) this.end(causeOf(error, leg.source));
      else await this.#refuse(leg, twin, error as Error);
    }
  }

  /** The hot loop: no closure, no timer, no promise of our own for each chunk. */
  async #copy(leg: Leg): Promise<void> {
    const { from, to, source, sink } = leg;
    const { world } = this.#options;
    let buffer = takeSmallBuffer();
    let smallReads = 0;
    while (true) {
      leg.waitsFor = source;
      const n = await from.read(buffer);
      // After an error an operation of Deno's might still hold it: then it is let go.
      if (n === null) return giveSmallBuffer(buffer);
      this.#lastActivity = world.now();
      leg.waitsFor = sink;
      for (let at = 0; at < n;) {
        const taken = await to.write(buffer.subarray(at, n));
        if (taken === 0) throw new Deno.errors.WriteZero("Cannot relay as a write took 0 bytes");
        at += taken;
        leg.carried += taken;
        this.#lastActivity = world.now();
      }
      const { length } = buffer;
      if (n === length && length < LARGEST_BUFFER) {
        giveSmallBuffer(buffer);
        buffer = new Uint8Array(length * 4);
      }
      smallReads = n * 4 <= length && length > SMALL_BUFFER ? smallReads + 1 : 0;
      if (smallReads === SMALL_READS) {
        buffer = length / 4 === SMALL_BUFFER ? takeSmallBuffer() : new Uint8Array(length / 4);
        smallReads = 0;
      }
    }
  }

  /** `to` takes no more; what it has sent is still to be carried. */
  async #refuse(leg: Leg, twin: Leg, error: Error): Promise<void> {
    leg.refusal = error;
    this.#cause ??= causeOf(error, leg.sink);
    this.#halfClose(leg);
    if (twin.refusal) this.end(this.#cause);
    else if (twin.finished) this.#linger(leg);
    // Drop what still comes, or a peer that sends before it reads would wait forever.
    const buffer = new Uint8Array(SMALL_BUFFER);
    try {
      for (let n; !this.#isOver && (n = await leg.from.read(buffer)) !== null;) {
        if (this.#lingerSince !== undefined && (this.#dropped += n) > LINGER_BYTES) break;
      }
      leg.drained = true;
      if (twin.finished) this.end(this.#cause);
    } catch {
      this.end(this.#cause);
    }
  }

  /** The leg's source has all it will get: it may notice, and end, before we close on it. */
  #linger(leg: Leg): void {
    if (leg.drained || this.#options.lingerTimeout === 0) return this.end(this.#cause!);
    this.#lingerSince = this.#options.world.now();
    this.#wake();
    this.#watch();
  }

  /** From now on the other deadline counts. */
  #halfClose(leg: Leg): void {
    leg.ended = true;
    this.#lastActivity = this.#options.world.now();
  }

  /** Ends it if a deadline has passed, or looks again when one may have. */
  readonly #watch = (): void => {
    if (this.#isOver) return;
    const { idleTimeout, halfClosedTimeout, lingerTimeout, world } = this.#options;
    if (this.#lingerSince !== undefined) {
      const left = this.#lingerSince + lingerTimeout - world.now();
      return left > 0 ? this.#wait(left) : this.end(this.#cause!);
    }
    const legs = [this.#forward, this.#backward];
    const halfClosed = legs.some((leg) => leg.ended);
    const timeout = halfClosed ? halfClosedTimeout : idleTimeout;
    const left = this.#lastActivity + timeout - world.now();
    if (left > 0) return this.#wait(left);
    if (halfClosed) {
      const late = legs.find((leg) => !leg.finished && !leg.refusal)!;
      return this.end({ reason: "half-closed", by: late.waitsFor });
    }
    const stuck = legs.find((leg) => leg.waitsFor === leg.sink);
    this.end({ reason: "idle", by: stuck?.sink ?? "relay" });
  };

  /**
   * Waits for so long, or less: mostly as long as the shorter timeout is, in line with all
   * others, so that a FIN, from which on the other one counts, need not end any wait.
   */
  #wait(left: number): void {
    const { idleTimeout, halfClosedTimeout, world } = this.#options;
    const usual = Math.min(idleTimeout, halfClosedTimeout);
    if (usual === Infinity && left === Infinity) return;
    this.#line = left < usual ? new WaitLine(left, world) : waitLine(usual, world);
    this.#waiting = this.#line.add(this.#watch);
  }

  #wake(): void {
    if (this.#waiting !== undefined) this.#line?.remove(this.#waiting);
    this.#waiting = undefined;
  }
}

function causeOf(reason: unknown, side: "a" | "b"): Cause {
  const error = reason instanceof Error ? reason : new Error(String(reason));
  if (isOurClosing(error)) return { reason: "aborted", by: "caller", error };
  const reset = error instanceof Deno.errors.ConnectionReset;
  return { reason: reset ? "reset" : "error", by: side, error };
}

function isBrokenPipe(error: Error): boolean {
  return error instanceof Deno.errors.BrokenPipe;
}
