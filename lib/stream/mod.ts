/**
 * A byte stream in two directions, and what every use of one needs: loops, deadlines, a
 * polite end, a relay, and streams without a socket.
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
