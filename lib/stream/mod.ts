export * from "./conn.ts";
export * from "./tcp.ts";
