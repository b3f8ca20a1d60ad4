/**
 * The beginning of a file, hashed: what both ends compare before they resume.
 *
 * @module
 */

import type { Reader } from "../stream/conn.ts";
import { type Sha256, sha256 } from "./hash.ts";
import { BUFFER_SIZE } from "./pieces.ts";

/**
 * The SHA-256 of the next `length` bytes, to be gone on with; of fewer, and thus of
 * something else, if `from` ends early.
 */
export async function hashPrefix(from: Reader, length: number): Promise<Sha256> {
  const hash = sha256();
  const buffer = new Uint8Array(Math.min(BUFFER_SIZE, length));
  for (let left = length; left > 0;) {
    const n = await from.read(buffer.subarray(0, left));
    if (n === null) break;
    hash.update(buffer.subarray(0, n));
    left -= n;
  }
  return hash;
}
