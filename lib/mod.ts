/**
 * tcplab, the toolkit: everything of every room, for those who do not mind which.
 * Each folder can be imported by itself as well, and that is the smaller import.
 *
 * @example A server that says everything back, and a client of it
 * ```ts
 * import { dial, readToEnd, serveTcp, writeAll } from "@tcplab/tcplab";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, async (conn) => {
 *   const bytes = new Uint8Array(1024);
 *   for (let n; (n = await conn.read(bytes)) !== null;) await writeAll(conn, bytes.subarray(0, n));
 * });
 *
 * using conn = await dial(server.addr);
 * await writeAll(conn, new TextEncoder().encode("hello"));
 * await conn.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(conn)), "hello");
 * ```
 *
 * @module
 */

export * from "./addr.ts";
export * from "./bytes.ts";
export * from "./errors.ts";
export * from "./world.ts";
export * from "./client/mod.ts";
export * from "./faults/mod.ts";
export * from "./framing/mod.ts";
export * from "./observe/mod.ts";
export * from "./proxy/mod.ts";
export * from "./server/mod.ts";
export * from "./stream/mod.ts";
export * from "./transfer/mod.ts";
