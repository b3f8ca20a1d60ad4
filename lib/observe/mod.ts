/**
 * Looking at connections without touching them: a trace of every call, and the ladder
 * that draws it.
 *
 * @module
 */

export * from "./events.ts";
export * from "./ladder.ts";
export * from "./trace.ts";
