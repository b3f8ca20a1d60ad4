/**
 * The head of a WebSocket frame, and the rules that need no other frame to be checked:
 * RFC 6455, 5.2.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import { extraBytes, Opcode } from "./websocket_frame.ts";
import { LONGEST_CONTROL, type WebSocketRole } from "./websocket_message.ts";

/** What stands before the payload. */
export interface WebSocketHead {
  /** What the frame carries; from 8 on it is a control frame. */
  readonly opcode: number;
  /** Whether it is the last one of its message. */
  readonly fin: boolean;
  /** The masking key, from a client. */
  readonly mask: Uint8Array | undefined;
  /** Bytes of payload; from 2 ** 53 on rounded. */
  readonly length: number;
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(Opcode));

/**
 * Takes the head of the next frame, once it has come whole; its first two bytes are judged
 * as soon as they are there.
 *
 * @throws What `broken` makes of the rule, if one is broken.
 */
export function takeWebSocketHead(
  queue: ByteQueue,
  role: WebSocketRole,
  broken: (rule: string) => Error,
): WebSocketHead | undefined {
  if (queue.length < 2) return undefined;
  const first = queue.peek(0);
  const opcode = first & 0x0f;
  const masked = queue.peek(1) > 0x7f;
  const short = queue.peek(1) & 0x7f;
  if ((first & 0x70) !== 0) throw broken("its reserved bits must be 0");
  if (!KNOWN.has(opcode)) throw broken(`its opcode must be known: it is ${opcode}`);
  if (masked !== (role === "server")) {
    throw broken(masked ? "a server must not mask" : "a client must mask");
  }
  if (opcode > 7) {
    if (first < 0x80) throw broken("a control frame must not be fragmented");
    if (short > LONGEST_CONTROL) {
      throw broken(`a control frame must be at most ${LONGEST_CONTROL} bytes long`);
    }
  }
  const plain = 2 + extraBytes(short);
  if (queue.length < plain) return undefined;
  const length = short < 126 ? short : longLength(queue, short, broken);
  if (queue.length < plain + (masked ? 4 : 0)) return undefined;
  queue.skip(plain);
  return { opcode, fin: first > 0x7f, mask: masked ? queue.take(4) : undefined, length };
}

function longLength(queue: ByteQueue, short: number, broken: (rule: string) => Error): number {
  if (short === 127 && queue.peek(2) > 0x7f) throw broken("the first bit of a length must be 0");
  const length = queue.peekUint(2, extraBytes(short));
  if (length < (short === 126 ? 126 : 65536)) {
    throw broken(`its length must take as few bytes as it can: it is ${length}`);
  }
  return length;
}
