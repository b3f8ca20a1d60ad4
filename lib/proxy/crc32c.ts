/**
 * CRC-32C (Castagnoli), as in SCTP and the PROXY protocol (RFC 4960, appendix B).
 *
 * @module
 */

/** What each value of a byte does to the register; the polynomial is 0x82f63b78. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) {
    register = register & 1 ? (register >>> 1) ^ 0x82f63b78 : register >>> 1;
  }
  return register;
});

/** The CRC-32C of `bytes`. */
export function crc32c(bytes: Uint8Array): number {
  let register = 0xffffffff;
  for (const byte of bytes) register = TABLE[(register ^ byte) & 0xff]! ^ (register >>> 8);
  return ~register >>> 0;
}
