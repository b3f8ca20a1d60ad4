/**
 * The server: {@linkcode serveTcp}, the TCP sibling of `Deno.serve`.
 *
 * @example Serve, be asked, and shut down
 * ```ts
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { chunks, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, async (conn) => {
 *   for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
 * });
 *
 * using client = await Deno.connect(server.addr);
 * await writeAll(client, new TextEncoder().encode("hello"));
 * await client.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "hello");
 * ```
 *
 * @module
 */

export { serveTcp, type TcpServer } from "./server.ts";
export type { ServeTcpOptions } from "./options.ts";
export type { ConnInfo, TcpHandler } from "./session.ts";
export { listenTls, type ListenTlsOptions } from "./listen_tls.ts";
export { type LastingHttp, lastingHttp, type LastingHttpOptions } from "./lasting_http.ts";
export { listenUnix } from "./listen_unix.ts";
export type { Accepting, Listening } from "./accept.ts";
export type { AbortReport, DrainReport, HeldConn, ShutdownOptions } from "./drain.ts";
export type {
  AcceptedEvent,
  AcceptErrorEvent,
  ClosedEvent,
  CloseReason,
  DrainingEvent,
  ListeningEvent,
  RefusedEvent,
  ServerEvent,
  ServerStats,
} from "./events.ts";
export { echo, type EchoInfo, type EchoOptions, rawEcho, type RawEchoOptions } from "./echo.ts";
export { chat, type ChatInfo, type ChatOptions } from "./chat.ts";
export type { SlowPolicy } from "./_outbox.ts";
export { type ChatListener, type ChatMember, ChatNameError, ChatRoom } from "./chat_room.ts";
