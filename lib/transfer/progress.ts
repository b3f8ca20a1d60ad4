/**
 * How far a transfer is.
 *
 * @module
 */

/** The three ways to send a file: see wire.ts. */
export type Protocol = "plain" | "half-close" | "extended";

/** How far a transfer is. */
export interface Progress {
  /** The name of the file, if it came with one. */
  readonly name: string | undefined;
  /** How many bytes it has; `undefined` where only the end of the stream will tell. */
  readonly size: number | undefined;
  /** How many of them are at the receiver, as far as this end knows. */
  readonly done: number;
  /** How many of those were there before this transfer began. */
  readonly resumed: number;
}
