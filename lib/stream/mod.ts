export * from "./conn.ts";
export * from "./memory.ts";
export * from "./resettable.ts";
export * from "./tcp.ts";
