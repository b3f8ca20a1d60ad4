/**
 * Buffers of 1 KiB, used again: most connections never need a larger one, and where many come
 * and go, making and collecting them is a good part of the work.
 */

/** How large they are: the smallest that anything is read into (see docs/performance.md). */
export const SMALL_BUFFER = 1024;

/** The largest that a reader is given who fills all smaller ones. */
export const LARGEST_BUFFER = 256 * 1024;

/** More than that are left to the garbage collector. */
const MOST = 512;

const spare: Uint8Array<ArrayBuffer>[] = [];

/** A small buffer, with anything in it. */
export function takeSmallBuffer(): Uint8Array<ArrayBuffer> {
  return spare.pop() ?? new Uint8Array(SMALL_BUFFER);
}

/** Gives one back that nobody reads into any more; larger ones are no loss. */
export function giveSmallBuffer(buffer: Uint8Array<ArrayBuffer>): void {
  if (buffer.length === SMALL_BUFFER && spare.length < MOST) spare.push(buffer);
}
