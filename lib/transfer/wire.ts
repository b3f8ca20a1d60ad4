/**
 * What the bytes of a transfer mean, and those of the sender. All numbers are unsigned and big-endian, as the
 * size of the chapter is. Nothing here reads or waits.
 *
 * **Plain**, the chapter's: the size in 8 bytes, then the file. **Half-close**, the
 * chapter's too: the file, then FIN, then a line of text comes back. **Extended**, told
 * from plain by its first byte: a size from 2 ** 63 on is one that no file can have.
 *
 * ```text
 * sender                                                     receiver
 *   HEAD   magic 8, name length 2, mode 2, size 8,     ──►
 *          mtime 8, name, CRC-32 4
 *                                                      ◄──   OFFER   1, offset 8, SHA-256 32
 *   FROM   offset 8 (as offered, or 0)                 ──►
 *   the bytes from there to the size                   ──►
 *   SUM    SHA-256 32, of the whole file               ──►
 *                                                      ◄──   STORED  2, size 8, SHA-256 32
 *   FIN                                                ──►
 *                                    at any time instead ◄──   FAILED  3, fault 1, kept 8,
 *                                                            text length 2, text
 * ```
 *
 * An offer says how many bytes of that name the receiver has, and proves which: their
 * SHA-256 is the one of the sender's first `offset` bytes, or they are not what they
 * should be and the sender begins at 0. A sender that cannot go on ends without SUM.
 *
 * @module
 */

import { crc32 } from "./crc32.ts";
import { TransferError } from "./error.ts";
import { MAX_NAME } from "./name.ts";

/** What both kinds of transfer begin with: a size, or the magic. */
export const OPENING_LENGTH = 8;

/** Of the header, what comes between the magic and the name. */
export const FIXED_LENGTH = 20;

/** The CRC-32 at the end of the header: over everything before it. */
export const CHECK_LENGTH = 4;

/** As a size it would be more than 17 exabytes. The last byte is the version. */
const MAGIC = Uint8Array.of(0xf7, 0x54, 0x43, 0x50, 0x4c, 0x41, 0x42, 0x01);

/** What the sender says about the file. */
export interface FileHead {
  /** Its name, without folder: at most 240 bytes of UTF-8. */
  readonly name: string;
  /** How many bytes it has. */
  readonly size: number;
  /** Who may read, write and execute it: the nine permission bits (chmod(2)). */
  readonly mode: number;
  /** When it changed last, in milliseconds since 1970; 0 if unknown. */
  readonly mtime: number;
}

/** What the first 8 bytes say: the extended protocol, or the size of a plain file. */
export type Opening = "extended" | { readonly size: number };

/** A number, as 8 bytes: also the whole header of the plain protocol. */
export function encodeNumber(n: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  view(bytes).setBigUint64(0, BigInt(n));
  return bytes;
}

/** @throws {TransferError} If it is beyond 2 ** 53, and thus not exact. */
export function decodeNumber(bytes: Uint8Array, what = "a size", hint = ""): number {
  const n = view(bytes).getBigUint64(0);
  if (n <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(n);
  throw garbled(`${what} must be less than 2 ** 53: current value is ${n}${hint}`);
}

/** @throws {TransferError} If it is neither a size nor the magic of this version. */
export function decodeOpening(bytes: Uint8Array): Opening {
  if (bytes[0]! < 0x80) {
    // A page of text is no size: some senders announce none, which only its reader can know.
    const hint = "; a half-close sender gives none: is it --half-close?";
    return { size: decodeNumber(bytes, "a size", hint) };
  }
  if (MAGIC.every((byte, i) => bytes[i] === byte)) return "extended";
  const known = MAGIC.subarray(0, -1).every((byte, i) => bytes[i] === byte);
  throw garbled(
    known
      ? `the version must be ${MAGIC.at(-1)}: current value is ${bytes.at(-1)}`
      : "a transfer must begin with its size, or with the magic of the extended protocol",
  );
}

/** @throws {RangeError} If a number or the length of the name is out of range. */
export function encodeHead(head: FileHead): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(head.name);
  if (name.length === 0 || name.length > MAX_NAME) {
    throw new RangeError(
      `Cannot send as the name must have 1 to ${MAX_NAME} bytes: it has ${name.length}`,
    );
  }
  const bytes = new Uint8Array(OPENING_LENGTH + FIXED_LENGTH + name.length + CHECK_LENGTH);
  const fields = view(bytes);
  bytes.set(MAGIC);
  fields.setUint16(8, name.length);
  fields.setUint16(10, head.mode & 0o777);
  bytes.set(encodeNumber(head.size), 12);
  bytes.set(encodeNumber(head.mtime), 20);
  bytes.set(name, 28);
  fields.setUint32(bytes.length - CHECK_LENGTH, crc32(bytes.subarray(0, -CHECK_LENGTH)));
  return bytes;
}

/**
 * How many bytes of name a header has, by what follows its magic.
 *
 * @throws {TransferError} If there are none, or more than a name may have.
 */
export function decodeNameLength(fixed: Uint8Array): number {
  const length = view(fixed).getUint16(0);
  if (length >= 1 && length <= MAX_NAME) return length;
  throw garbled(`the name must have 1 to ${MAX_NAME} bytes: current value is ${length}`);
}

/**
 * The whole header, from its magic to its CRC-32. Whether the name is a safe one is
 * for {@linkcode checkName} to say.
 *
 * @throws {TransferError} If it was damaged, or says what no file is.
 */
export function decodeHead(bytes: Uint8Array): FileHead {
  const fields = view(bytes);
  if (fields.getUint32(bytes.length - CHECK_LENGTH) !== crc32(bytes.subarray(0, -CHECK_LENGTH))) {
    throw garbled("the header must match its CRC-32");
  }
  return {
    name: decodeText(bytes.subarray(28, -CHECK_LENGTH)),
    size: decodeNumber(bytes.subarray(12, 20)),
    mode: fields.getUint16(10) & 0o777,
    mtime: decodeNumber(bytes.subarray(20, 28), "a time"),
  };
}

/** A peer's text, for a terminal: its control characters must not reach one. */
export function printable(text: string): string {
  return text.trimEnd().replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
}

/** The peer spoke otherwise than the protocol does. */
export function garbled(rule: string): TransferError {
  return new TransferError("protocol", `Cannot understand the peer as ${rule}`);
}

/** @throws {TransferError} If it is not UTF-8. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw garbled("its text must be UTF-8");
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
