/**
 * The messages of wire.ts and reply.ts, read from a connection: exactly their bytes,
 * and not one more.
 *
 * @module
 */

import { type Reader, readExact } from "../stream/conn.ts";
import { DIGEST_LENGTH } from "./hash.ts";
import { decodeReply, type Reply, replyLength, replyTextLength } from "./reply.ts";
import {
  CHECK_LENGTH,
  decodeHead,
  decodeNameLength,
  decodeNumber,
  type FileHead,
  FIXED_LENGTH,
} from "./wire.ts";

/** The rest of a header whose first 8 bytes are `opening`. */
export async function readHead(from: Reader, opening: Uint8Array): Promise<FileHead> {
  const fixed = await readExact(from, FIXED_LENGTH);
  const rest = await readExact(from, decodeNameLength(fixed) + CHECK_LENGTH);
  return decodeHead(Uint8Array.of(...opening, ...fixed, ...rest));
}

/** From which byte on the sender will send. */
export async function readFrom(from: Reader): Promise<number> {
  return decodeNumber(await readExact(from, 8));
}

/** The SHA-256 of the whole file, with which a sender vouches for what it sent. */
export function readSum(from: Reader): Promise<Uint8Array<ArrayBuffer>> {
  return readExact(from, DIGEST_LENGTH);
}

/** Whatever the receiver answers. */
export async function readReply(from: Reader): Promise<Reply> {
  const kind = (await readExact(from, 1))[0]!;
  const fixed = await readExact(from, replyLength(kind));
  const text = await readExact(from, replyTextLength(kind, fixed));
  return decodeReply(kind, fixed, text);
}
