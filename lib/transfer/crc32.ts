/**
 * CRC-32 (ISO-HDLC, as in zip and PNG): tells a header that was damaged on the way.
 *
 * @module
 */

/** What each value of a byte does to the register; the polynomial is 0xedb88320. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) {
    register = register & 1 ? (register >>> 1) ^ 0xedb88320 : register >>> 1;
  }
  return register;
});

/** The CRC-32 of `bytes`. */
export function crc32(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) register = TABLE[(register ^ byte) & 0xff]! ^ (register >>> 8);
  return ~register >>> 0;
}
