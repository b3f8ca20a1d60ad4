/**
 * SHA-256 of bytes that come piece by piece. `crypto.subtle` wants them all at once,
 * which a file of 2 GiB is not: hence node:crypto, here and nowhere else in lib/.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** How long a digest is, in bytes. */
export const DIGEST_LENGTH = 32;

/** A SHA-256 under way (FIPS 180-4). */
export interface Sha256 {
  /** Adds bytes. */
  update(bytes: Uint8Array): void;
  /** The digest of all bytes so far; more may follow. */
  digest(): Uint8Array<ArrayBuffer>;
}

/** Starts a SHA-256, of no bytes yet. */
export function sha256(): Sha256 {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => new Uint8Array(hash.copy().digest()),
  };
}

/** Whether two digests are the same. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** A digest as `sha256sum` prints it. */
export function hex(digest: Uint8Array): string {
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
