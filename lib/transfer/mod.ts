/**
 * Files over TCP: sent plain, as the chapter does it, or so that a broken transfer can be
 * resumed and a whole one is verified. See docs/transfer.md.
 *
 * @example A file sent, received and verified
 * ```ts
 * import { fileStore, openSource, receiveFile, sendFile } from "@tcplab/tcplab/transfer";
 * import { dial } from "@tcplab/tcplab/client";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/here`, "bytes");
 *
 * const store = fileStore(`${folder}/there`);
 * await using server = serveTcp({}, async (conn) => void await receiveFile(conn, store));
 * using conn = await dial(server.addr);
 * using source = await openSource(`${folder}/here`);
 * const report = await sendFile(conn, source, { protocol: "extended" });
 *
 * assertEquals(report.verified, true);
 * assertEquals(await Deno.readTextFile(`${folder}/there`), "bytes");
 * await Deno.remove(folder, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./error.ts";
export * from "./incoming.ts";
export * from "./name.ts";
export type { FileTraits } from "./part.ts";
export type { PatienceOptions } from "./patience.ts";
export * from "./progress.ts";
export * from "./receive.ts";
export * from "./send.ts";
export * from "./source.ts";
export * from "./store.ts";
export type { FileHead } from "./wire.ts";
