/**
 * Bytes ⇄ messages: decoders and encoders that need no I/O, and the thin loops that
 * run them over a connection.
 *
 * @module
 */

export * from "./decoder.ts";
export * from "./delimited.ts";
export * from "./lines.ts";
