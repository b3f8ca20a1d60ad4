/**
 * The side that connects: `dial`, and what is made of it. `measureLatency` dials again and again,
 * `httpGet` asks a web server, `tcpPool` keeps connections to lend.
 *
 * @example Connect, say something, read the answer to its end
 * ```ts
 * import { dial } from "@tcplab/tcplab/client";
 * import { rawEcho, serveTcp } from "@tcplab/tcplab/server";
 * import { readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, rawEcho);
 * using conn = await dial(server.addr);
 * await writeAll(conn, new TextEncoder().encode("hello"));
 * await conn.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(conn)), "hello");
 * ```
 *
 * @module
 */

export * from "./backoff.ts";
export * from "./dial.ts";
export * from "./dial_attempt.ts";
export * from "./dial_error.ts";
export type { RetryOptions } from "./dial_retry.ts";
export * from "./dial_waterfall.ts";
export * from "./eyeballs.ts";
export * from "./eyeballs_plan.ts";
export * from "./http_get.ts";
export * from "./latency.ts";
export * from "./latency_stats.ts";
export * from "./pool.ts";
export * from "./pool_drain.ts";
export * from "./pool_errors.ts";
export * from "./pool_events.ts";
export * from "./pool_handle.ts";
export type { PoolLease } from "./pool_lease.ts";
export type { LentConn } from "./pool_lent_conn.ts";
export type { PoolLimits, PoolOptions } from "./pool_options.ts";
export * from "./pool_tcp.ts";
export * from "./pool_timeline.ts";
export type { TurnBy } from "./pool_turn.ts";
export * from "./race_record.ts";
export { systemResolve } from "./resolve.ts";
export * from "./waterfall.ts";
