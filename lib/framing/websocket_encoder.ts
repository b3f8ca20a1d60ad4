/**
 * WebSocket messages to bytes: RFC 6455, 5 and 7.
 *
 * @module
 */

import type { Encoder } from "./decoder.ts";
import { encodeWebSocketFrame, Opcode } from "./websocket_frame.ts";
import {
  CloseCode,
  isCloseCode,
  LONGEST_CONTROL,
  type WebSocketLimits,
  webSocketLimits,
  type WebSocketMessage,
  type WebSocketRole,
} from "./websocket_message.ts";

/** Options for {@linkcode WebSocketEncoder}. */
export interface WebSocketEncoderOptions extends WebSocketLimits {
  /** Which end sends. */
  role: WebSocketRole;
  /**
   * Four unpredictable bytes for each frame, such as
   * `() => crypto.getRandomValues(new Uint8Array(4))`. A client needs it; a server does not mask.
   */
  newMask?: () => Uint8Array;
}

const UTF8 = new TextEncoder();

/** Encodes what one end sends. */
export class WebSocketEncoder implements Encoder<WebSocketMessage> {
  readonly #newMask: (() => Uint8Array) | undefined;
  readonly #maxMessage: number;
  readonly #maxFrame: number;

  /**
   * Encodes for `role`.
   *
   * @throws {TypeError} If a client has no `newMask`.
   */
  constructor(options: WebSocketEncoderOptions) {
    const { role, newMask } = options;
    if (role === "client" && newMask === undefined) {
      throw new TypeError("Cannot encode as 'newMask' must be given for a client");
    }
    this.#newMask = role === "client" ? newMask : undefined;
    const { maxMessage, maxFrame } = webSocketLimits(options);
    this.#maxMessage = maxMessage;
    this.#maxFrame = maxFrame;
  }

  /**
   * The bytes to send. A lone surrogate in a text becomes U+FFFD, as everywhere on the web.
   *
   * @throws {RangeError} If a message is longer than `maxMessage`, a ping, a pong or a reason
   * than a control frame holds, or a close code may not be sent. 1005 stands for none.
   */
  encode(message: WebSocketMessage): Uint8Array<ArrayBuffer> {
    switch (message.type) {
      case "text":
        return this.#data(Opcode.text, UTF8.encode(message.text));
      case "binary":
        return this.#data(Opcode.binary, message.bytes);
      case "close":
        return this.#control(Opcode.close, closePayload(message.code, message.reason));
      default:
        return this.#control(Opcode[message.type], message.bytes);
    }
  }

  #control(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    atMost(LONGEST_CONTROL, "a control frame", payload.length);
    return encodeWebSocketFrame({ opcode, payload, mask: this.#newMask?.() });
  }

  #data(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
    atMost(this.#maxMessage, "the message", payload.length);
    if (payload.length <= this.#maxFrame) {
      return encodeWebSocketFrame({ opcode, payload, mask: this.#newMask?.() });
    }
    return concat(this.#fragments(opcode, payload));
  }

  #fragments(opcode: number, payload: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let at = 0; at < payload.length; at += this.#maxFrame) {
      const end = at + this.#maxFrame;
      frames.push(encodeWebSocketFrame({
        opcode: at === 0 ? opcode : Opcode.continuation,
        payload: payload.subarray(at, end),
        fin: end >= payload.length,
        mask: this.#newMask?.(),
      }));
    }
    return frames;
  }
}

function closePayload(code: number, reason: string): Uint8Array {
  if (code === CloseCode.noStatus && reason === "") return new Uint8Array(0);
  if (!isCloseCode(code)) {
    throw new RangeError(
      `Cannot close as the code must be one that may be sent: current value is ${code}`,
    );
  }
  return concat([Uint8Array.of(code >> 8, code & 0xff), UTF8.encode(reason)]);
}

function atMost(limit: number, what: string, length: number): void {
  if (length <= limit) return;
  throw new RangeError(
    `Cannot encode as ${what} must be at most ${limit} bytes long: current value is ${length}`,
  );
}

function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
