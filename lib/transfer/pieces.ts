/**
 * A file in pieces, the next one read while the last one is used.
 *
 * @module
 */

import type { Reader } from "../stream/conn.ts";

/** The size of a buffer: larger ones gain nothing (docs/performance.md). */
export const BUFFER_SIZE = 256 * 1024;

/**
 * At most the next `length` bytes, fewer if `from` ends early. A piece is only good until
 * the one after the next is asked for: there are two buffers.
 */
export async function* pieces(from: Reader, length: number): AsyncGenerator<Uint8Array> {
  const size = Math.min(BUFFER_SIZE, length);
  let buffer = new Uint8Array(size);
  let spare = new Uint8Array(size);
  let left = length;
  const readOn = (): Promise<number | null> => {
    const reading = left > 0 ? from.read(buffer.subarray(0, left)) : Promise.resolve(null);
    reading.catch(() => {}); // it is awaited later, or not at all
    return reading;
  };
  let reading = readOn();
  for (let n; (n = await reading) !== null;) {
    const piece = buffer.subarray(0, n);
    left -= n;
    [buffer, spare] = [spare, buffer];
    reading = readOn();
    yield piece;
  }
}
