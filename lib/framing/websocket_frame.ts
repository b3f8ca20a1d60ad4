/**
 * WebSocket frames, one by one: RFC 6455, 5.2 and 5.3. What they mean together is
 * websocket.ts.
 *
 * @module
 */

/** What a frame carries; from 8 on it is about the connection. */
export const Opcode = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10,
} as const;

/** A frame to be sent. */
export interface WebSocketFrame {
  /** What it carries, from 0 to 15. */
  opcode: number;
  /** Its bytes. */
  payload: Uint8Array;
  /**
   * Whether it is the last one of its message.
   *
   * @default {true}
   */
  fin?: boolean;
  /**
   * Four unpredictable bytes: clients must mask, each frame anew; servers must not. They
   * keep a hostile page from choosing the bytes that a proxy on the way sees (10.3).
   */
  mask?: Uint8Array | undefined;
}

/** The bytes of a frame, its length in as few bytes as it takes; `payload` stays as it is. */
export function encodeWebSocketFrame(frame: WebSocketFrame): Uint8Array<ArrayBuffer> {
  const { opcode, payload, fin = true, mask } = frame;
  const { length } = payload;
  const short = length < 126 ? length : length < 65536 ? 126 : 127;
  const masked = 2 + extraBytes(short);
  const head = masked + (mask ? 4 : 0);
  const bytes = new Uint8Array(head + length);
  bytes[0] = (fin ? 0x80 : 0) | opcode;
  bytes[1] = (mask ? 0x80 : 0) | short;
  let rest = length;
  for (let at = masked - 1; at > 1; at--) {
    bytes[at] = rest;
    rest = Math.floor(rest / 256);
  }
  bytes.set(payload, head);
  if (mask) {
    bytes.set(mask, masked);
    applyMask(bytes.subarray(head), mask);
  }
  return bytes;
}

/** How many bytes of length follow the seven bits that say `short`. */
export function extraBytes(short: number): number {
  return short < 126 ? 0 : short === 126 ? 2 : 8;
}

/** Below this many bytes, a view of words costs more than it saves: measured. */
const WORTH_WORDS = 48;

/** The mask as one word, in the machine's own byte order. */
const WORD = new Int32Array(1);
const WORD_BYTES = new Uint8Array(WORD.buffer);

/**
 * Masks or unmasks `bytes` where they lie, of whose message so many were `done` before: the
 * same again undoes it.
 */
export function applyMask(bytes: Uint8Array, mask: Uint8Array, done = 0): void {
  let at = 0;
  if (bytes.length >= WORTH_WORDS) {
    for (; (bytes.byteOffset + at) % 4 !== 0; at++) bytes[at]! ^= mask[done + at & 3]!;
    for (let i = 0; i < 4; i++) WORD_BYTES[i] = mask[done + at + i & 3]!;
    const word = WORD[0]!;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, bytes.length - at >>> 2);
    for (let i = 0; i < words.length; i++) words[i]! ^= word;
    at += words.length * 4;
  }
  for (; at < bytes.length; at++) bytes[at]! ^= mask[done + at & 3]!;
}
