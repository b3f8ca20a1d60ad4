/**
 * How long it takes to reach a server, probe after probe: its name, the handshake and, if that
 * is asked for, its first byte, each timed apart.
 *
 * @example
 * ```ts
 * import { LatencyStats, measureLatency } from "@tcplab/tcplab/client";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, async () => {});
 * const stats = new LatencyStats();
 * const probes = measureLatency(server.addr, { count: 3, interval: 1 });
 * for await (const probe of probes) stats.add(probe);
 *
 * assertEquals(stats.summary().answered, 3);
 * ```
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../addr.ts";
import { closeGracefully } from "../stream/close.ts";
import { writeAll } from "../stream/conn.ts";
import { TimedReader } from "../stream/timed_reader.ts";
import { realWorld, type World } from "../world.ts";
import { dial, type DialedConn } from "./dial.ts";
import { type DialAttempt, dialTimes } from "./dial_attempt.ts";
import { DialError } from "./dial_error.ts";
import { checkTarget, type DialOptions } from "./dial_options.ts";
import type { LatencySample } from "./latency_stats.ts";

/** Options for {@linkcode measureLatency}. Times are milliseconds. */
export interface MeasureLatencyOptions
  extends Pick<DialOptions, "resolve" | "attemptDelay" | "prefer"> {
  /**
   * How many probes; `Infinity` is until `signal`.
   *
   * @default {Infinity}
   */
  count?: number;
  /**
   * From the start of one probe to that of the next, which does not start before it has ended.
   *
   * @default {1000}
   */
  interval?: number;
  /**
   * The most that one probe may take, name resolution and first byte included.
   *
   * @default {2000}
   */
  timeout?: number;
  /**
   * Whether to wait for the peer's first byte: `true` for a server that speaks first, or what to
   * send to one that answers.
   *
   * @default {false}
   */
  firstByte?: boolean | Uint8Array;
  /**
   * After how many failures in a row a name is resolved anew; until then its address stays.
   *
   * @default {3}
   */
  resolveAfter?: number;
  /** Ends it, without an error; a probe that is under way is not told of. */
  signal?: AbortSignal | undefined;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** One probe. */
export interface LatencyProbe extends LatencySample {
  /** What was asked for. */
  readonly addr: TcpAddr;
  /** 1 for the first. */
  readonly number: number;
  /** Who answered; missing if nobody did. */
  readonly remoteAddr?: TcpAddr;
}

/**
 * Connects to `addr` again and again, and yields what each probe found, failures included. A name
 * is resolved until it has answered, and again after so many failures in a row as
 * {@linkcode MeasureLatencyOptions.resolveAfter} says.
 *
 * Probes are polite: each ends with FIN, and hears the peer out for up to a second, which is not
 * part of its time. No connection is left open when the iteration ends.
 *
 * @throws {TypeError | RangeError} If an argument is wrong; nothing was tried then.
 */
export function measureLatency(
  addr: string | { hostname: string; port: number },
  options: MeasureLatencyOptions = {},
): AsyncGenerator<LatencyProbe, void, void> {
  const target = checkTarget(addr);
  const { count = Infinity, interval = 1_000, timeout = 2_000, resolveAfter = 3 } = options;
  for (const [name, value] of Object.entries({ count, resolveAfter })) {
    if (Number.isInteger(value) ? value >= 1 : value === Infinity) continue;
    throw outOfRange(name, "an integer >= 1, or Infinity", value);
  }
  if (!(interval >= 0)) throw outOfRange("interval", ">= 0", interval);
  if (!(timeout > 0)) throw outOfRange("timeout", "> 0", timeout);
  return probes(new Prober(target, options), count, interval, options);
}

async function* probes(
  prober: Prober,
  count: number,
  interval: number,
  { signal, world = realWorld }: MeasureLatencyOptions,
): AsyncGenerator<LatencyProbe, void, void> {
  try {
    for (let number = 1; number <= count && !signal?.aborted; number++) {
      const next = world.now() + interval;
      const probe = await prober.probe(number);
      if (probe === undefined) return;
      yield probe;
      const wait = next - world.now();
      if (number < count && wait > 0) await world.sleep(wait, { signal }).catch(() => {});
    }
  } finally {
    await prober.gone();
  }
}

/** How long a peer may take to answer our FIN. */
const FAREWELL = 1_000;

/** Probes one target, and remembers its address. */
class Prober {
  readonly #target: TcpAddr;
  readonly #options: MeasureLatencyOptions;
  readonly #farewells = new Set<Promise<unknown>>();
  /** The address that a name had, while that counts. */
  #address: TcpAddr | undefined;
  #failures = 0;

  constructor(target: TcpAddr, options: MeasureLatencyOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** One probe; nothing, if it was ended by the signal. */
  async probe(number: number): Promise<LatencyProbe | undefined> {
    const { signal, world = realWorld } = this.#options;
    const known = { addr: this.#target, number, started: world.now() };
    const found: Draft = {};
    try {
      await this.#measure(found, known.started);
    } catch (error) {
      if (signal?.aborted) return undefined;
      found.error = error;
    }
    const { resolveAfter = 3 } = this.#options;
    this.#failures = "error" in found ? this.#failures + 1 : 0;
    if (this.#failures >= resolveAfter) this.#address = undefined;
    return { ...known, ended: world.now(), ...found };
  }

  /** Resolves when all connections are closed. */
  async gone(): Promise<void> {
    await Promise.all(this.#farewells);
  }

  async #measure(found: Draft, started: number): Promise<void> {
    const { firstByte = false, timeout = 2_000, world = realWorld } = this.#options;
    const conn = await this.#dial(found, timeout);
    try {
      if (firstByte !== false) {
        const left = Math.max(1, started + timeout - world.now());
        found.firstByte = await this.#waitForByte(conn, firstByte, left);
      }
    } finally {
      const farewell = closeGracefully(conn, { timeout: FAREWELL, world });
      this.#farewells.add(farewell);
      farewell.then(() => this.#farewells.delete(farewell));
    }
  }

  async #dial(found: Draft, timeout: number): Promise<DialedConn> {
    const note = (attempt: DialAttempt) => {
      const { resolve, connect } = dialTimes(attempt);
      if (attempt.lookups.length > 0 && attempt.connects.length > 0) found.resolve = resolve;
      if (connect !== undefined) found.connect = connect;
      if (attempt.remoteAddr !== undefined) found.remoteAddr = attempt.remoteAddr;
    };
    const { count: _, interval: __, firstByte: ___, resolveAfter: ____, ...how } = this.#options;
    try {
      const conn = await dial(this.#address ?? this.#target, { ...how, timeout, onAttempt: note });
      // A name that Deno resolves as it connects may be all that we are allowed.
      if (found.resolve !== undefined) this.#address = conn.remoteAddr;
      return conn;
    } catch (error) {
      throw error instanceof DialError ? error.cause : error;
    }
  }

  /** How long the peer's first byte takes. */
  async #waitForByte(
    conn: DialedConn,
    ask: true | Uint8Array,
    timeout: number,
  ): Promise<number> {
    const { signal, world = realWorld } = this.#options;
    const started = world.now();
    const reader = new TimedReader(conn, { world });
    // Not waited for: the deadline is on the answer, and a write that fails fails the read.
    if (ask !== true) writeAll(conn, ask).catch(() => {});
    const n = await reader.read(new Uint8Array(4096), { timeout, signal });
    if (n !== null) return world.now() - started;
    throw new Deno.errors.UnexpectedEof(
      `Cannot time the first byte as ${formatAddr(conn.remoteAddr)} closed without one`,
    );
  }
}

/** What a probe has found so far. */
type Draft = { -readonly [Key in keyof LatencyProbe]?: LatencyProbe[Key] };

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(
    `Cannot measure latency as '${name}' must be ${rule}: current value is ${value}`,
  );
}
