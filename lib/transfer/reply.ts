/**
 * What the receiver answers: an offer, a confirmation, or a failure. See wire.ts for
 * their place in a transfer.
 *
 * @module
 */

import { FAULTS, TransferError, type TransferFault } from "./error.ts";
import { DIGEST_LENGTH } from "./hash.ts";
import { decodeNumber, decodeText, encodeNumber, garbled, printable } from "./wire.ts";

/** An offer and a confirmation, after their first byte. */
const DIGESTED_LENGTH = 8 + DIGEST_LENGTH;

/** A failure, after its first byte and before its text. */
const FAILED_LENGTH = 11;

/** The longest text that a failure carries, in bytes. */
export const MAX_TEXT = 1024;

/** What the receiver answers. */
export type Reply =
  | { readonly kind: "offer"; readonly offset: number; readonly digest: Uint8Array }
  | { readonly kind: "stored"; readonly size: number; readonly digest: Uint8Array }
  | { readonly kind: "failed"; readonly error: TransferError };

const OFFER = 1;
const STORED = 2;
const FAILED = 3;

/** What the receiver has: `offset` bytes, with this SHA-256. */
export function encodeOffer(offset: number, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(OFFER, ...encodeNumber(offset), ...digest);
}

/** That the file is in its place, whole: `size` bytes, with this SHA-256. */
export function encodeStored(size: number, digest: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(STORED, ...encodeNumber(size), ...digest);
}

/** That, and why, there is no file; a text too long is cut. */
export function encodeFailed(error: TransferError): Uint8Array<ArrayBuffer> {
  const text = new Uint8Array(MAX_TEXT);
  const { written } = new TextEncoder().encodeInto(error.message, text);
  return Uint8Array.of(
    FAILED,
    FAULTS.indexOf(error.fault) + 1,
    ...encodeNumber(error.kept),
    written >> 8,
    written & 0xff,
    ...text.subarray(0, written),
  );
}

/**
 * How many bytes of fixed length follow the first byte of a reply.
 *
 * @throws {TransferError} If no reply begins like that.
 */
export function replyLength(kind: number): number {
  if (kind === OFFER || kind === STORED) return DIGESTED_LENGTH;
  if (kind === FAILED) return FAILED_LENGTH;
  throw garbled(`a reply must begin with 1, 2 or 3: current value is ${kind}`);
}

/**
 * How many bytes of text follow the fixed part of a failure; other replies have none.
 *
 * @throws {TransferError} If there are more than a text may have.
 */
export function replyTextLength(kind: number, fixed: Uint8Array): number {
  if (kind !== FAILED) return 0;
  const length = fixed[9]! << 8 | fixed[10]!;
  if (length <= MAX_TEXT) return length;
  throw garbled(`a text must have at most ${MAX_TEXT} bytes: current value is ${length}`);
}

/** @throws {TransferError} If it says what no receiver would. */
export function decodeReply(kind: number, fixed: Uint8Array, text: Uint8Array): Reply {
  if (kind !== FAILED) {
    const n = decodeNumber(fixed.subarray(0, 8));
    const digest = fixed.subarray(8);
    return kind === OFFER
      ? { kind: "offer", offset: n, digest }
      : { kind: "stored", size: n, digest };
  }
  // A fault that a newer receiver knows and we do not: its text says it still.
  const fault: TransferFault = FAULTS[fixed[0]! - 1] ?? "storage";
  const error = new TransferError(fault, printable(decodeText(text)), { told: true });
  error.kept = decodeNumber(fixed.subarray(1, 9));
  return { kind: "failed", error };
}
