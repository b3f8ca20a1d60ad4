/**
 * SHA-1 (RFC 3174) without waiting: `crypto.subtle` answers with a promise only, and what
 * decides does not wait.
 *
 * SHA-1 protects nothing any more. A WebSocket handshake uses it to show that the server
 * understood the request, which it still does.
 *
 * @module
 */

/** The 20-byte digest of `message`. */
export function sha1(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const padded = pad(message);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const words = new Int32Array(80);
  for (let at = 0; at < padded.byteLength; at += 64) {
    for (let t = 0; t < 16; t++) words[t] = padded.getInt32(at + t * 4);
    for (let t = 16; t < 80; t++) {
      words[t] = rotate(words[t - 3]! ^ words[t - 8]! ^ words[t - 14]! ^ words[t - 16]!, 1);
    }
    absorb(state, words);
  }
  const digest = new DataView(new ArrayBuffer(20));
  state.forEach((word, i) => digest.setInt32(i * 4, word));
  return new Uint8Array(digest.buffer);
}

/** The message, a 1 bit, zeros, and the length in bits: whole blocks of 64 bytes (4). */
function pad(message: Uint8Array): DataView {
  const padded = new Uint8Array(((message.length + 8 >>> 6) + 1) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  return view;
}

/** One block (6.1). */
function absorb(state: Int32Array, words: Int32Array): void {
  let [a, b, c, d, e] = state as unknown as [number, number, number, number, number];
  for (let t = 0; t < 80; t++) {
    const next = rotate(a, 5) + mix(t, b, c, d) + e + words[t]! | 0;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = next;
  }
  [a, b, c, d, e].forEach((word, i) => state[i]! += word);
}

/** The function and the constant of step `t` (5). */
function mix(t: number, b: number, c: number, d: number): number {
  if (t < 20) return (b & c | ~b & d) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return (b & c | b & d | c & d) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(word: number, bits: number): number {
  return word << bits | word >>> 32 - bits;
}
