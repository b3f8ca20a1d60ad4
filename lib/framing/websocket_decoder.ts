/**
 * Bytes to WebSocket messages: RFC 6455, 5 to 8, without extensions.
 *
 * @example What a client sends is masked, and a server insists on it
 * ```ts
 * import { drain, WebSocketDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const server = new WebSocketDecoder({ role: "server" });
 * server.push(Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58));
 * assertEquals([...drain(server)], [{ type: "text", text: "Hello" }]);
 * ```
 *
 * @module
 */

import type { Decoder, FrameErrorCode, FrameErrorFacts } from "./decoder.ts";
import { Feed } from "./_feed.ts";
import { Gather } from "./_gather.ts";
import { Utf8Validator } from "./_utf8.ts";
import { applyMask, Opcode } from "./websocket_frame.ts";
import { takeWebSocketHead, type WebSocketHead } from "./_websocket_head.ts";
import {
  CloseCode,
  isCloseCode,
  WebSocketFrameError,
  type WebSocketLimits,
  webSocketLimits,
  type WebSocketMessage,
  type WebSocketRole,
} from "./websocket_message.ts";

/** Options for {@linkcode WebSocketDecoder}. */
export interface WebSocketDecoderOptions extends WebSocketLimits {
  /** Which end receives. */
  role: WebSocketRole;
}

type Facts = Omit<FrameErrorFacts, "offset">;

/** U+FEFF at the start of a message belongs to it. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes what one end receives, after the handshake. Fragments are put together, and
 * control frames come out between them, where they stood.
 *
 * A fault is found at its first byte: a text that is no UTF-8 before its message is whole, a
 * length beyond the limit before anything is held for it. After a Close frame everything is
 * dropped (1.4).
 */
export class WebSocketDecoder implements Decoder<WebSocketMessage> {
  readonly #role: WebSocketRole;
  readonly #limits: Required<WebSocketLimits>;
  readonly #feed: Feed<WebSocketMessage>;
  readonly #gather: Gather;
  /** The frame at hand, and how many bytes of its payload were taken. */
  #frame: WebSocketHead | undefined;
  #taken = 0;
  /** What the fragments at hand make. */
  #kind: "text" | "binary" | undefined;
  /** Serves all texts one after the other, since none may end inside a character. */
  readonly #utf8 = new Utf8Validator();
  #closed = false;
  /** Where the frame at hand starts. */
  #start = 0;

  /** Decodes for `role`. */
  constructor(options: WebSocketDecoderOptions) {
    this.#role = options.role;
    this.#limits = webSocketLimits(options);
    this.#feed = new Feed(() => this.#next(), () => this.#gather.take());
    this.#gather = new Gather(this.#limits.maxMessage);
  }

  /** Bytes held now. */
  get buffered(): number {
    return this.#feed.buffered + this.#gather.length;
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  /** Says that no more bytes will come: an error unless a Close frame has come. */
  end(): void {
    this.#feed.end();
  }

  /**
   * The next message or control frame.
   *
   * @throws {WebSocketFrameError} If the peer breaks a rule or a limit, or the stream ends
   * without a Close frame.
   */
  next(): WebSocketMessage | undefined {
    return this.#feed.next();
  }

  #next(): WebSocketMessage | undefined {
    const { queue, ended } = this.#feed;
    while (!this.#closed) {
      const frame = this.#frame ??= this.#takeHead();
      const message = frame && (frame.opcode > 7 ? this.#control(frame) : this.#data(frame));
      if (message !== undefined) return message;
      if (this.#frame === undefined && frame !== undefined) continue; // it was a fragment
      if (ended) throw this.#truncated();
      return undefined;
    }
    queue.skip(queue.length);
    return undefined;
  }

  #takeHead(): WebSocketHead | undefined {
    this.#start = this.#feed.used;
    this.#taken = 0;
    const head = takeWebSocketHead(this.#feed.queue, this.#role, this.#broken);
    if (head === undefined || head.opcode > 7) return head;
    const inside = this.#kind !== undefined;
    if (inside !== (head.opcode === Opcode.continuation)) {
      throw this.#broken(
        inside ? "a message must not begin inside another" : "there must be something to continue",
      );
    }
    this.#checkLength(head.length);
    this.#kind ??= head.opcode === Opcode.text ? "text" : "binary";
    return head;
  }

  #checkLength(announced: number): void {
    const { maxFrame, maxMessage } = this.#limits;
    const length = announced < 2 ** 53 ? announced : BigInt(announced);
    if (length > maxFrame) {
      throw this.#tooBig(`it must be at most ${maxFrame} bytes long`, { limit: maxFrame, length });
    }
    if (length > maxMessage - this.#gather.length) {
      const rule = `its message must be at most ${maxMessage} bytes long`;
      throw this.#tooBig(rule, { limit: maxMessage, length });
    }
  }

  #data(frame: WebSocketHead): WebSocketMessage | undefined {
    const { queue } = this.#feed;
    const alone = frame.fin && frame.opcode !== Opcode.continuation;
    if (alone && this.#taken === 0 && queue.length >= frame.length) {
      return this.#whole(this.#takePayload(frame));
    }
    const piece = queue.take(Math.min(frame.length - this.#taken, queue.length));
    const copy = this.#gather.append(piece);
    if (frame.mask) applyMask(copy, frame.mask, this.#taken);
    this.#taken += piece.length;
    if (this.#kind === "text" && !this.#utf8.push(copy)) throw this.#notText();
    if (this.#taken < frame.length) return undefined;
    this.#frame = undefined;
    if (!frame.fin) return undefined;
    return this.#whole(this.#gather.take());
  }

  #whole(bytes: Uint8Array): WebSocketMessage {
    const type = this.#kind;
    this.#kind = undefined;
    return type === "text" ? { type, text: this.#text(bytes) } : { type: "binary", bytes };
  }

  #control(frame: WebSocketHead): WebSocketMessage | undefined {
    if (this.#feed.queue.length < frame.length) return undefined;
    const bytes = this.#takePayload(frame);
    if (frame.opcode === Opcode.ping) return { type: "ping", bytes };
    if (frame.opcode === Opcode.pong) return { type: "pong", bytes };
    return this.#close(bytes);
  }

  #close(bytes: Uint8Array): WebSocketMessage {
    const code = bytes.length === 0 ? CloseCode.noStatus : bytes[0]! << 8 | bytes[1]!;
    if (bytes.length === 1) throw this.#broken("a close code must have two bytes");
    if (bytes.length > 0 && !isCloseCode(code)) {
      throw this.#broken(`a close code must be one that may be sent: it is ${code}`);
    }
    const reason = this.#text(bytes.subarray(2));
    this.#closed = true;
    return { type: "close", code, reason };
  }

  /** The payload of a frame that has come whole. */
  #takePayload(frame: WebSocketHead): Uint8Array {
    const bytes = this.#feed.queue.take(frame.length);
    this.#frame = undefined;
    if (frame.mask === undefined) return bytes;
    const own = new Uint8Array(bytes); // the chunk is not ours to write to
    applyMask(own, frame.mask);
    return own;
  }

  #text(bytes: Uint8Array): string {
    try {
      return UTF8.decode(bytes);
    } catch {
      throw this.#notText();
    }
  }

  #truncated(): WebSocketFrameError {
    const { queue } = this.#feed;
    const left = this.#frame && this.#frame.length - this.#taken - queue.length;
    const missing = left ?? Math.max(1, 2 - queue.length);
    const rule = `the stream must end with a Close frame: at least ${missing} bytes are missing`;
    return this.#fault(CloseCode.abnormal, "truncated", rule, { missing });
  }

  #notText(): WebSocketFrameError {
    return this.#fault(CloseCode.invalidText, "malformed", "its text must be UTF-8");
  }

  #tooBig(rule: string, facts: Facts): WebSocketFrameError {
    return this.#fault(CloseCode.tooBig, "too-long", rule, facts);
  }

  readonly #broken = (rule: string): WebSocketFrameError =>
    this.#fault(CloseCode.protocolError, "malformed", rule);

  #fault(
    closeCode: number,
    code: FrameErrorCode,
    rule: string,
    facts: Facts = {},
  ): WebSocketFrameError {
    const message = `Cannot decode a WebSocket frame as ${rule}`;
    return new WebSocketFrameError(closeCode, code, message, { ...facts, offset: this.#start });
  }
}
