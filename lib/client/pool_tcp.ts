/**
 * A pool of TCP connections that never lends a dead one.
 *
 * @example One connection for as many requests as there are
 * ```ts
 * import { tcpPool } from "@tcplab/tcplab/client";
 * import { rawEcho, serveTcp } from "@tcplab/tcplab/server";
 * import { readExact, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, rawEcho);
 * await using pool = tcpPool(server.addr, { max: 4 });
 *
 * for (let request = 0; request < 10; request++) {
 *   using lease = await pool.acquire();
 *   await writeAll(lease.value, Uint8Array.of(request));
 *   assertEquals(await readExact(lease.value, 1), Uint8Array.of(request));
 * }
 * assertEquals(pool.stats.opened, 1);
 * ```
 *
 * @module
 */

import { realWorld } from "../world.ts";
import { dial, type DialOptions } from "./dial.ts";
import { createPool } from "./pool.ts";
import { PooledConn } from "./pool_conn.ts";
import type { Pool } from "./pool_handle.ts";
import { LentConn } from "./pool_lent_conn.ts";
import type { PoolLimits } from "./pool_options.ts";
import { quickestTurn, type TurnBy, Turns } from "./pool_turn.ts";

/** Options for {@linkcode tcpPool}. */
export interface TcpPoolOptions extends PoolLimits {
  /** How to connect; `openTimeout` and the pool's own end bound it as well. */
  dial?: Omit<DialOptions, "signal" | "world">;
  /**
   * Called with each new connection before anybody gets it: the place to log in, or to read the
   * greeting of a server that speaks first. If it throws, opening has failed. It counts as part of
   * `openTimeout`: after that the connection is closed, and whatever waits on it fails.
   */
  prepare?: (conn: LentConn, info: { signal: AbortSignal }) => void | Promise<void>;
  /**
   * Whether a connection that came back is at the end of an exchange, for protocols that can tell;
   * asked after what the connection itself knows: see {@linkcode tcpPool}.
   */
  reusable?: (conn: LentConn) => boolean;
  /**
   * Whether the peer answers whatever is written. Then a connection that comes back after a write
   * with no byte read since is in the middle of something, and is closed: the next borrower
   * would get that answer.
   *
   * @default {true}
   */
  answered?: boolean;
  /**
   * How to make sure, before a connection is lent, that the peer's FIN is not already here: by a
   * turn of the kernel's event queue. `"socket"` takes microseconds, two descriptors for the
   * pool, and leave to listen on 127.0.0.1; `"timer"` takes two to four milliseconds.
   *
   * @default {"socket"} if `--allow-net` covers 127.0.0.1, or else `"timer"`
   */
  turnBy?: TurnBy;
}

/**
 * Makes a pool of connections to `addr`.
 *
 * While a connection is free, a read waits on it. So FIN, RST and bytes that nobody asked for are
 * noticed as they come, and that connection is closed. What lies in the kernel when
 * {@linkcode Pool.acquire} is called is noticed before it is lent. What the peer does a moment
 * later nobody can know: the borrower's first `read` or `write` tells.
 *
 * A connection that came back is not lent again if an operation waits on it, if the last write was
 * not taken whole, if bytes came that were not read, or if either end is finished or broken; see
 * also `answered` and `reusable`.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 */
export function tcpPool(
  addr: string | { hostname: string; port: number },
  options: TcpPoolOptions = {},
): Pool<LentConn> {
  const { dial: how = {}, prepare, reusable, answered = true, turnBy, ...limits } = options;
  const { world = realWorld } = limits;
  const turns = new Turns(turnBy ?? quickestTurn(), world);
  const hands = new WeakMap<PooledConn, LentConn>();
  const pool = createPool<PooledConn, LentConn>({
    ...limits,
    open: async ({ signal }) => {
      const watched = new PooledConn(await dial(addr, { ...how, signal, world }));
      if (prepare !== undefined) await prepared(watched, prepare, signal);
      return watched;
    },
    watch: (watched, gone) => watched.watch(gone),
    // What the turn brings reaches the waiting read first, which then says that it is gone.
    check: () => turns.turn().then(isAlive),
    lend: (watched, lease) => {
      watched.unwatch();
      const conn = new LentConn(watched, lease);
      hands.set(watched, conn);
      return conn;
    },
    reusable: (watched) => {
      const conn = hands.get(watched)!;
      return conn.isClean(answered) && (reusable?.(conn) ?? true);
    },
  });
  pool.finished.then(() => turns[Symbol.dispose]());
  return pool;
}

/** Has `prepare` do its work; if that fails or is called off, the connection is closed. */
async function prepared(
  watched: PooledConn,
  prepare: NonNullable<TcpPoolOptions["prepare"]>,
  signal: AbortSignal,
): Promise<void> {
  const lease = { released: false };
  // What waits for the peer may know nothing of the signal, but it fails when that is closed.
  const cut = () => watched[Symbol.dispose]();
  signal.addEventListener("abort", cut);
  try {
    signal.throwIfAborted();
    await prepare(new LentConn(watched, lease), { signal });
  } catch (error) {
    cut();
    throw error;
  } finally {
    lease.released = true;
    signal.removeEventListener("abort", cut);
  }
}

/** Whatever died was closed by then, and its check means nothing any more. */
function isAlive(): true {
  return true;
}
