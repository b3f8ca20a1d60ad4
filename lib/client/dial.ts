/**
 * Connecting: to whichever address of a name answers first, with a deadline, an end that the
 * caller holds, retries, and a record of every attempt.
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

import type { TcpAddr } from "../addr.ts";
import { WaitLine, waitLine } from "../stream/_wait_line.ts";
import { TcpStream } from "../stream/tcp.ts";
import { realWorld, type World } from "../world.ts";
import { type DialAttempt, mostTelling } from "./dial_attempt.ts";
import { DialError } from "./dial_error.ts";
import { checkOptions, checkTarget, type DialOptions } from "./dial_options.ts";
import { RetryPlan } from "./dial_retry.ts";
import { race, type RaceResult, type Resolve } from "./eyeballs.ts";
import type { RaceRecord } from "./race_record.ts";
import { familyOf, mayUseAddresses, systemResolve } from "./resolve.ts";

export type { DialOptions } from "./dial_options.ts";

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
 * A name is resolved by {@linkcode systemResolve}, and its addresses raced as RFC 8305 (Happy
 * Eyeballs) says: IPv6 and IPv4 take turns, the first to connect wins, and the others are
 * closed. For that Deno must be allowed to connect to any address (`--allow-net`). Where it
 * is allowed the name only, Deno itself does both, and the record shows them as one.
 *
 * An attempt that runs out of time fails with a DOMException named `"TimeoutError"`,
 * as `AbortSignal.timeout()` would. `Deno.errors.TimedOut` is the kernel's, which
 * has sent SYN as often as it cares to.
 *
 * A connection that is made too late, after its timeout, the abort or a faster one, is
 * closed at once.
 *
 * @throws {DialError} If no attempt succeeds, with all of them and the last one's error as `cause`.
 * What `signal` aborts with is thrown as it is.
 * @throws {TypeError | RangeError} If an argument is wrong; nothing was tried then.
 */
export async function dial(
  addr: string | { hostname: string; port: number },
  options: DialOptions = {},
): Promise<DialedConn> {
  const target = checkTarget(addr);
  checkOptions(options);
  const { attempts: limit = 1, timeout = USUAL, budget = Infinity, signal } = options;
  const { shouldRetry = mayPass, onAttempt, world = realWorld } = options;
  const { noDelay = true, keepAlive = false } = options;

  const attempts: DialAttempt[] = [];
  const note = (attempt: DialAttempt) => {
    attempts.push(attempt);
    onAttempt?.(attempt);
  };
  const begun = world.now();
  // Most dials need none.
  let plan: RetryPlan | undefined;
  for (let number = 1;; number++) {
    signal?.throwIfAborted();
    const started = world.now();
    const left = Math.min(timeout, begun + budget - started);
    const { conn: socket, error, lookups, connects } = await attempt(target, left, plan, options);
    const record = { addr: target, number, started, ended: world.now(), lookups, connects };
    if (socket) {
      const conn = new DialedConn(socket, attempts);
      try {
        // Both are off in a new socket.
        if (noDelay) conn.setNoDelay(true);
        if (keepAlive) conn.setKeepAlive(true);
        note({ ...record, remoteAddr: conn.remoteAddr });
        return conn;
      } catch (error) {
        conn[Symbol.dispose]();
        throw error;
      }
    }
    note({ ...record, error });
    signal?.throwIfAborted();
    if (number >= limit || !shouldRetry(error)) throw new DialError(target, attempts);
    plan ??= new RetryPlan(options, world.random);
    plan.failed(record, record.ended);
    const wait = plan.wait(world.now());
    if (world.now() + wait >= begun + budget) throw new DialError(target, attempts);
    await world.sleep(wait, { signal });
  }
}

/** How long an attempt may take if nobody says it, in milliseconds. */
const USUAL = 10_000;

/** How an attempt ended: with an open connection or an error. */
type Outcome = RaceResult<Deno.TcpConn> & { error?: unknown };

/** One attempt: gives an open connection, or leaves nothing open. */
async function attempt(
  { hostname, port }: TcpAddr,
  timeout: number,
  plan: RetryPlan | undefined,
  options: DialOptions,
): Promise<Outcome> {
  const { signal, world = realWorld } = options;
  const resolve = resolverFor(hostname, options);
  const connect = (hostname: string, signal: AbortSignal) => {
    doing = "connect";
    return Deno.connect({ hostname, port, signal });
  };
  let doing = `resolve ${hostname}`;
  // Where nothing else could end it, the caller's signal is as good as one of our own.
  if (timeout === Infinity && resolve === undefined && signal !== undefined) {
    return await single(hostname, connect, signal, world);
  }
  const cut = new AbortController();
  const abort = () => cut.abort(signal?.reason);
  const late = () => {
    const why = `Cannot ${doing} within ${Math.round(timeout)} ms`;
    cut.abort(new DOMException(why, "TimeoutError"));
  };
  signal?.addEventListener("abort", abort);
  // What a budget has left is a length that nobody else waits for.
  const usual = timeout === (options.timeout ?? USUAL);
  const line = usual ? waitLine(timeout, world) : new WaitLine(timeout, world);
  const waiting = timeout < Infinity ? line.add(late) : undefined;
  const result = resolve === undefined
    ? await single(hostname, connect, cut.signal, world)
    : await race(hostname, {
      ...options,
      ...{ resolve, connect, signal: cut.signal, world },
      admits: (address) => plan?.mayTry(address, world.now()) ?? true,
    });
  signal?.removeEventListener("abort", abort);
  if (waiting !== undefined) line.remove(waiting);
  return result.conn ? result : { ...result, error: reasonOf(hostname, result) };
}

/** Who resolves `hostname`; nobody if it is an address, or Deno has to, as it connects. */
function resolverFor(hostname: string, { resolve }: DialOptions): Resolve | undefined {
  if (familyOf(hostname) !== undefined) return undefined;
  return resolve ?? (mayUseAddresses() ? systemResolve : undefined);
}

/** A race with one runner: no plan, no timer, and the same result. */
async function single(
  hostname: string,
  connect: (hostname: string, signal: AbortSignal) => Promise<Deno.TcpConn>,
  signal: AbortSignal,
  world: World,
): Promise<Outcome> {
  const started = world.now();
  try {
    const conn = await connect(hostname, signal);
    if (!signal.aborted) {
      const won = { hostname, started, ended: world.now(), outcome: "connected" } as const;
      return { conn, lookups: [], connects: [won] };
    }
    conn[Symbol.dispose](); // too late: it was made in the moment it was cut off
    throw signal.reason;
  } catch (error) {
    const record = { hostname, started, ended: world.now() };
    const lost = signal.aborted
      ? { ...record, outcome: "dropped" as const }
      : { ...record, outcome: "failed" as const, error };
    const why = signal.aborted ? signal.reason : error;
    return { error: why, errors: [why], lookups: [], connects: [lost] };
  }
}

/** Why nobody was reached. */
function reasonOf(
  hostname: string,
  { errors = [], lookups }: { errors?: readonly unknown[] } & RaceRecord,
): unknown {
  if (errors.length > 0) return mostTelling(errors);
  if (lookups.some(({ addresses }) => addresses.length > 0)) {
    return new Error(`Cannot try ${hostname} yet as each of its addresses has just failed`);
  }
  const error = new Error(`Cannot resolve ${hostname} as it has no address`);
  return Object.assign(error, { code: "ENOTFOUND" });
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
