/**
 * The side that connects.
 *
 * @example Connect, say something, read the answer to its end
 * ```ts
 * import { dial } from "@tcplab/tcplab/client";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * using conn = await dial(`127.0.0.1:${(listener.addr as Deno.NetAddr).port}`);
 * await conn.closeWrite();
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
