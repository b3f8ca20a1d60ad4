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
export * from "./dial_error.ts";
export * from "./http_get.ts";
