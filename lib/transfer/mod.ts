/**
 * Files over TCP: sent plain, as the chapter does it, or so that a broken transfer can be
 * resumed and a whole one is verified. See docs/transfer.md.
 *
 * @example A file sent, stored and verified
 * ```ts ignore
 * ```
 *
 * @module
 */

export * from "./error.ts";
export * from "./incoming.ts";
export * from "./name.ts";
export * from "./patience.ts";
export * from "./progress.ts";
export * from "./receive.ts";
export * from "./send.ts";
export * from "./source.ts";
export * from "./store.ts";
