/**
 * A byte stream in two directions, and what every use of one needs: loops, deadlines, a
 * polite end, a relay, and streams without a socket.
 *
 * @example Half-close: the client has sent all, says FIN, and still hears the answer
 * ```ts
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair(); // or `await dial(…)`, and what a server is handed
 * await writeAll(client, new TextEncoder().encode("question"));
 * await client.closeWrite();
 *
 * const question = await readToEnd(server); // until the client's FIN
 * await writeAll(server, question);
 * await server.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "question");
 * ```
 *
 * @module
 */

export * from "./close.ts";
export * from "./conn.ts";
export * from "./ending.ts";
export * from "./ending_of.ts";
export * from "./memory.ts";
export * from "./relay.ts";
export * from "./resettable.ts";
export * from "./tcp.ts";
export * from "./timed_reader.ts";
export * from "./web.ts";
