/**
 * Listening to a connection until it is known how its other end ended.
 *
 * @example A server that breaks off
 * ```ts
 * import { dialResettable, endingOf, listenResettable } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * using listener = await listenResettable();
 * using client = await dialResettable(listener.addr);
 * (await listener.accept()).reset();
 *
 * const { how, whole } = await endingOf(client);
 * assertEquals([how, whole], ["rst", false]);
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { type Duplex, isResettable, type Resettable } from "./conn.ts";
import { type Ending, EndingWatch } from "./ending.ts";

/** A connection that knows how its other end ended: see {@linkcode watchEnding}. */
export interface WatchedConn extends Duplex {
  /** What is known by now. */
  readonly ending: Ending;
}

/**
 * The same connection, with a memory: what its calls say goes through unchanged, and
 * {@linkcode WatchedConn.ending} is what that means. It can be reset if `conn` can.
 *
 * One thing does change: after a reset, no `read` says `null`, as a `Deno.TcpConn`'s would.
 * Only what is called through it is heard.
 */
export function watchEnding<Conn extends Duplex>(
  conn: Conn,
): WatchedConn & (Conn extends Resettable ? Resettable : unknown) {
  const watched = isResettable(conn) ? new WatchedResettable(conn) : new Watched(conn);
  return watched as WatchedConn & (Conn extends Resettable ? Resettable : unknown);
}

class Watched<Conn extends Duplex> implements WatchedConn {
  protected readonly conn: Conn;
  readonly #watch = new EndingWatch();

  constructor(conn: Conn) {
    this.conn = conn;
  }

  get ending(): Ending {
    return this.#watch.ending;
  }

  async read(p: Uint8Array): Promise<number | null> {
    let n;
    try {
      n = await this.conn.read(p);
    } catch (error) {
      this.#watch.readFailed(error as Error);
      throw error;
    }
    this.#watch.read(n);
    if (n === null && this.#watch.broken) throw this.#watch.broken;
    return n;
  }

  async write(p: Uint8Array): Promise<number> {
    try {
      const n = await this.conn.write(p);
      this.#watch.wrote(n);
      return n;
    } catch (error) {
      this.#watch.writeFailed(error as Error);
      throw error;
    }
  }

  closeWrite(): Promise<void> {
    this.#watch.finishing();
    return this.conn.closeWrite();
  }

  /** Hears that somebody's patience is over. */
  silent(): void {
    this.#watch.silent();
  }

  [Symbol.dispose](): void {
    this.#watch.closing();
    this.conn[Symbol.dispose]();
  }

  protected closing(): void {
    this.#watch.closing();
  }
}

class WatchedResettable extends Watched<Resettable> implements Resettable {
  reset(): void {
    this.closing();
    this.conn.reset();
  }
}

/** Options for {@linkcode endingOf}. */
export interface EndingOfOptions {
  /**
   * Milliseconds without a byte after which that is called silence; `Infinity` waits.
   *
   * @default {5000}
   */
  timeout?: number;
  /**
   * Written after the peer's FIN, to find out whether anybody takes it: bytes that mean nothing
   * in your protocol. It is written up to `probes` times, `probeWait` apart, since the first may
   * be what brings the RST about, and each proxy on the way takes one more.
   *
   * @default Nothing is written, and `fin` stays in doubt.
   */
  probe?: Uint8Array | undefined;
  /**
   * How often the probe is written at most.
   *
   * @default {3}
   */
  probes?: number;
  /**
   * Milliseconds that a RST has to come back after a probe: more than a round trip, and than a
   * relay's `lingerTimeout`.
   *
   * @default {1000}
   */
  probeWait?: number;
  /** Takes what comes, which is dropped otherwise. It is overwritten later. */
  onData?: ((chunk: Uint8Array) => void) | undefined;
  /** Ends the listening: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/**
 * Reads until the other end has ended or is silent, and tells how. It closes nothing and says
 * no FIN. If `conn` is disposed meanwhile, that is `local`.
 *
 * Of what happened before on a `Deno.TcpConn` it knows nothing: a reset that was told to
 * somebody else already looks like FIN there. A {@linkcode TcpStream} remembers it. After
 * `silence`, or a signal, a read still waits, and would swallow what comes next.
 */
export async function endingOf(conn: Duplex, options: EndingOfOptions = {}): Promise<Ending> {
  const { timeout = 5000, onData, signal, world = realWorld } = options;
  signal?.throwIfAborted();
  const watched = conn instanceof Watched ? conn : new Watched(conn);
  if (!await heardOut(watched, { timeout, onData, signal, world })) {
    watched.silent();
    return watched.ending;
  }
  if (watched.ending.how === "fin") await tryWriting(watched, options);
  return watched.ending;
}

/** Writes the probe until a write fails, or all the time is over. */
async function tryWriting(conn: Duplex, options: EndingOfOptions): Promise<void> {
  const { probe, probes = 3, probeWait = 1000, signal, world = realWorld } = options;
  if (probe === undefined) return;
  let write: Promise<"taken" | "failed"> | undefined;
  for (let left = probes; left > 0; left--) {
    const done = new AbortController();
    const until = signal ? AbortSignal.any([done.signal, signal]) : done.signal;
    write ??= conn.write(probe).then(() => "taken" as const, () => "failed" as const);
    const waiting = world.sleep(probeWait, { signal: until });
    waiting.catch(() => {});
    try {
      const said = await Promise.race([write, waiting]);
      if (said === "failed") return;
      if (said === "taken") write = undefined;
      if (said === "taken" && left > 1) await waiting;
    } finally {
      done.abort();
    }
  }
}

/** Reads to the end, whichever; false if nothing came for too long. */
async function heardOut(
  conn: Watched<Duplex>,
  options: Pick<EndingOfOptions, "onData" | "signal"> & { timeout: number; world: World },
): Promise<boolean> {
  const { timeout, onData, signal, world } = options;
  const over = new AbortController();
  const tooLong = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => reject(signal?.reason);
    signal?.addEventListener("abort", stop, { once: true, signal: over.signal });
  });
  let last = world.now();
  const silence = (async () => {
    for (let left = timeout; left > 0; left = last + timeout - world.now()) {
      await world.sleep(left, { signal: over.signal });
    }
    tooLong.abort();
    return false;
  })();
  silence.catch(() => {});
  const reading = (async () => {
    const buffer = new Uint8Array(16 * 1024);
    try {
      for (let n; (n = await conn.read(buffer)) !== null;) {
        if (tooLong.signal.aborted) break;
        last = world.now();
        onData?.(buffer.subarray(0, n));
      }
    } catch {
      // What was thrown is part of the ending.
    }
    return true;
  })();
  try {
    return await Promise.race([reading, silence, interrupted]);
  } finally {
    over.abort();
  }
}
