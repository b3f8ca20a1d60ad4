/**
 * What a receiver says in the two protocols of the chapter: nothing in the plain one, a
 * line in the half-close one, and in both a line that begins with `ERROR` if it has no
 * file in the end. A sender that does not read it loses nothing.
 *
 * @module
 */

import { type Reader, readToEnd, TooMuchDataError } from "../stream/conn.ts";
import { FAULTS, TransferError } from "./error.ts";
import { hex } from "./hash.ts";
import { MAX_TEXT } from "./reply.ts";
import { garbled, printable } from "./wire.ts";

/** A line that says what came. */
export function confirmation(size: number, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`OK ${size} bytes, SHA-256 ${hex(digest)}\n`);
}

/** A line that says why no file came of it. */
export function complaint({ fault, message }: TransferError): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`ERROR ${fault}: ${message}\n`);
}

/**
 * Reads what the receiver says, up to its FIN; any text that is no error confirms.
 *
 * @throws {TransferError} If it is an error, or a page instead of a line.
 */
export async function readAnswer(from: Reader): Promise<string> {
  const answer = printable(new TextDecoder().decode(await readShort(from)));
  const [, word, message] = /^ERROR (?:(\w+): )?(.*)$/.exec(answer) ?? [];
  if (message === undefined) return answer;
  const fault = FAULTS.find((fault) => fault === word) ?? "storage";
  throw new TransferError(fault, message, { told: true });
}

/** The SHA-256 in an answer, if there is one: a receiver of our own always says it. */
export function digestIn(answer: string): string | undefined {
  return /\bSHA-256 ([0-9a-f]{64})\b/i.exec(answer)?.[1]?.toLowerCase();
}

async function readShort(from: Reader): Promise<Uint8Array> {
  try {
    return await readToEnd(from, { maxBytes: MAX_TEXT });
  } catch (error) {
    if (error instanceof TooMuchDataError) throw garbled(`its answer must be one line`);
    throw error;
  }
}
