/**
 * Connecting: with a deadline, an end that the caller holds, retries, and a record
 * of every attempt.
 *
 * @example Connect, and see what it took
 * ```ts
 * import { dial } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using conn = await dial(listener.addr as Deno.NetAddr, { timeout: 2_000, attempts: 3 });
 *
 * assertEquals(conn.attempts.length, 1);
 * assertEquals(conn.attempts[0]?.remoteAddr, conn.remoteAddr);
 * ```
 *
 * @module
 */

import { parseAddr, type TcpAddr, tcpAddr } from "../addr.ts";
import { TcpStream } from "../stream/tcp.ts";
import { realWorld, type World } from "../world.ts";
import { backoffDelay } from "./backoff.ts";
import { type DialAttempt, DialError } from "./dial_error.ts";

/** Options for {@linkcode dial}. */
export interface DialOptions {
  /**
   * The most milliseconds that one attempt may take, name resolution included.
   * `Infinity` leaves it to the kernel, which on Linux gives up after about two
   * minutes (tcp(7), tcp_syn_retries).
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * Ends the whole dial, also while it waits for the next attempt: it rejects with
   * the signal's reason. Once connected, the signal means nothing any more.
   */
  signal?: AbortSignal | undefined;
  /**
   * How often to try; `Infinity` is until `signal`.
   *
   * @default {1}
   */
  attempts?: number;
  /**
   * The longest wait after the first failed attempt, in milliseconds; it doubles with
   * each further one, and the dice take up to half of it away: see {@linkcode backoffDelay}.
   *
   * @default {100}
   */
  backoff?: number;
  /**
   * What no wait between two attempts exceeds, in milliseconds.
   *
   * @default {10000}
   */
  maxBackoff?: number;
  /**
   * Whether trying again makes sense after this error.
   *
   * @default {() => true} but false for what time does not heal: `NotCapable`,
   * `PermissionDenied`, `TypeError`, `RangeError`, `URIError`.
   */
  shouldRetry?: (error: unknown) => boolean;
  /** Told of every attempt as it ends, the successful one included. */
  onAttempt?: (attempt: DialAttempt) => void;
  /**
   * Whether small writes go out at once (TCP_NODELAY).
   *
   * @default {true}
   */
  noDelay?: boolean;
  /**
   * Whether the kernel probes an idle peer (SO_KEEPALIVE).
   *
   * @default {false}
   */
  keepAlive?: boolean;
  /**
   * The clock that bounds and spaces the attempts, and the dice that scatter them.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** A connection made by {@linkcode dial}. */
export class DialedConn extends TcpStream {
  /** What it took, in order; the last one succeeded. */
  readonly attempts: readonly DialAttempt[];

  /** Takes over `conn`: from now on, dispose this instead. */
  constructor(conn: Deno.TcpConn, attempts: readonly DialAttempt[]) {
    super(conn);
    this.attempts = attempts;
  }
}

/**
 * Connects to `addr`: text as {@linkcode parseAddr} reads it, or a host and a port.
 * The connection is the caller's to dispose.
 *
 * An attempt that runs out of time fails with a DOMException named `"TimeoutError"`,
 * as `AbortSignal.timeout()` would. `Deno.errors.TimedOut` is the kernel's, which
 * has sent SYN as often as it cares to.
 *
 * A connection that is made too late, after its timeout or the abort, is closed at once.
 *
 * @throws {DialError} If no attempt succeeds, with all of them and the last one's error as `cause`.
 * @throws {TypeError | RangeError} If an argument is wrong; nothing was tried then.
 */
export async function dial(
  addr: string | { hostname: string; port: number },
  options: DialOptions = {},
): Promise<DialedConn> {
  const target = checkTarget(addr);
  const { attempts: limit = 1, backoff: base = 100, maxBackoff: cap = 10_000 } = options;
  const { timeout = 10_000, signal, shouldRetry = mayPass, onAttempt } = options;
  const { noDelay = true, keepAlive = false, world = realWorld } = options;
  checkLimit(limit);
  if (!(timeout > 0)) throw outOfRange("timeout", "> 0", timeout);
  if (!(base >= 0)) throw outOfRange("backoff", ">= 0", base);
  if (!(cap >= 0)) throw outOfRange("maxBackoff", ">= 0", cap);

  const attempts: DialAttempt[] = [];
  const note = (attempt: DialAttempt) => {
    attempts.push(attempt);
    onAttempt?.(attempt);
  };
  for (let number = 1;; number++) {
    signal?.throwIfAborted();
    const started = world.now();
    const [result] = await Promise.allSettled([connect(target, timeout, signal, world)]);
    const asked = { addr: target, number, started, ended: world.now() };
    if (result.status === "fulfilled") {
      const conn = new DialedConn(result.value, attempts);
      try {
        conn.setNoDelay(noDelay);
        conn.setKeepAlive(keepAlive);
        note({ ...asked, remoteAddr: conn.remoteAddr });
        return conn;
      } catch (error) {
        conn[Symbol.dispose]();
        throw error;
      }
    }
    note({ ...asked, error: result.reason });
    signal?.throwIfAborted();
    if (number >= limit || !shouldRetry(result.reason)) throw new DialError(target, attempts);
    await world.sleep(backoffDelay(number, world.random(), { base, cap }), { signal });
  }
}

/** One attempt: resolves with an open connection, or leaves nothing open. */
async function connect(
  { hostname, port }: TcpAddr,
  timeout: number,
  signal: AbortSignal | undefined,
  world: World,
): Promise<Deno.TcpConn> {
  const cut = new AbortController();
  const settled = new AbortController();
  signal?.addEventListener("abort", () => cut.abort(signal.reason), { signal: settled.signal });
  world.sleep(timeout, { signal: settled.signal }).then(
    () => cut.abort(new DOMException(`Cannot connect within ${timeout} ms`, "TimeoutError")),
    () => {}, // settled in time
  );
  try {
    const conn = await Deno.connect({ hostname, port, signal: cut.signal });
    if (!cut.signal.aborted) return conn;
    conn[Symbol.dispose](); // too late: it was made in the moment it was cut off
    throw cut.signal.reason;
  } finally {
    settled.abort();
  }
}

/** Errors that time does not heal: what is forbidden stays so, and a wrong argument wrong. */
const LASTING = [
  Deno.errors.NotCapable,
  Deno.errors.PermissionDenied,
  TypeError,
  RangeError,
  URIError,
];

function mayPass(error: unknown): boolean {
  return !LASTING.some((kind) => error instanceof kind);
}

function checkTarget(addr: string | { hostname: string; port: number }): TcpAddr {
  const { hostname, port } = typeof addr === "string" ? parseAddr(addr) : addr;
  if (typeof hostname !== "string" || hostname === "") {
    throw new TypeError(
      `Cannot dial as 'hostname' must be a name or an IP address: current value is ${
        JSON.stringify(hostname)
      }`,
    );
  }
  if (!Number.isInteger(port)) {
    throw new TypeError(`Cannot dial as 'port' must be an integer: current value is ${port}`);
  }
  if (port < 1 || port > 65535) throw outOfRange("port", "1 to 65535", port);
  return tcpAddr(hostname, port);
}

function checkLimit(attempts: number): void {
  if (Number.isInteger(attempts) ? attempts >= 1 : attempts === Infinity) return;
  throw outOfRange("attempts", "an integer >= 1, or Infinity", attempts);
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot dial as '${name}' must be ${rule}: current value is ${value}`);
}
