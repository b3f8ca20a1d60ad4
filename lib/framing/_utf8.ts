/**
 * Whether bytes are UTF-8, asked as they come: the first wrong byte is known at once, even
 * if the text around it has only begun.
 *
 * `TextDecoder` could tell too, but it makes a string of every piece, and a peer who sends a
 * megabyte in pieces of one byte would make us hold a million of them.
 *
 * @module
 */

/** Follows text across pieces: RFC 3629, as the table of Unicode 3.9 has it. */
export class Utf8Validator {
  /** Continuation bytes that the character at hand still needs. */
  #needed = 0;
  /** What the next one must lie between: less than usual after E0, ED, F0 and F4. */
  #lowest = 0x80;
  #highest = 0xbf;

  /** Looks at more bytes; `false` if they can be no part of UTF-8, whatever follows. */
  push(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (this.#needed === 0) {
        if (byte >= 0x80 && !this.#begin(byte)) return false;
      } else {
        if (byte < this.#lowest || byte > this.#highest) return false;
        this.#needed--;
        this.#lowest = 0x80;
        this.#highest = 0xbf;
      }
    }
    return true;
  }

  #begin(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false; // C0 and C1 would be too long for ASCII
    this.#needed = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#lowest = 0xa0; // below: fits in two bytes
    if (byte === 0xed) this.#highest = 0x9f; // above: surrogates
    if (byte === 0xf0) this.#lowest = 0x90; // below: fits in three bytes
    if (byte === 0xf4) this.#highest = 0x8f; // above: beyond U+10FFFF
    return true;
  }
}
