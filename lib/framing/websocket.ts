/**
 * One end of a WebSocket, decided without I/O: RFC 6455 from the first frame to the closing
 * handshake. Bytes go in, messages come out, and what we owe the peer is kept ready.
 *
 * The handshake that comes before is in websocket_handshake.ts; all of it over a connection
 * in websocket_conn.ts.
 *
 * @example A ping is owed a pong
 * ```ts
 * import { drain, WebSocketSession } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const newMask = () => crypto.getRandomValues(new Uint8Array(4));
 * const client = new WebSocketSession({ role: "client", newMask });
 * const server = new WebSocketSession({ role: "server" });
 *
 * server.push(client.send({ type: "ping", bytes: Uint8Array.of(7) }));
 * assertEquals([...drain(server)], [{ type: "ping", bytes: Uint8Array.of(7) }]);
 *
 * client.push(server.takeOwed()!);
 * assertEquals([...drain(client)], [{ type: "pong", bytes: Uint8Array.of(7) }]);
 * ```
 *
 * @module
 */

import type { Decoder } from "./decoder.ts";
import { WebSocketDecoder } from "./websocket_decoder.ts";
import { WebSocketEncoder, type WebSocketEncoderOptions } from "./websocket_encoder.ts";
import { CloseCode, WebSocketFrameError, type WebSocketMessage } from "./websocket_message.ts";

/** Options for {@linkcode WebSocketSession}. */
export interface WebSocketSessionOptions extends WebSocketEncoderOptions {}

/** How the peer closed, or why we did. */
export interface WebSocketClosing {
  /** The close code; 1005 if the Close frame had none. */
  code: number;
  /** The reason that came with it. */
  reason: string;
}

/** Something was to be sent after our Close frame. */
export class WebSocketClosedError extends Error {
  /** How the connection was closed. */
  readonly closing: WebSocketClosing;

  /** Says how the connection was closed. */
  constructor(closing: WebSocketClosing) {
    super(`Cannot send as the WebSocket must be open: it was closed with code ${closing.code}`);
    this.name = "WebSocketClosedError";
    this.closing = closing;
  }
}

/** Both directions of one end, and the rules between them. */
export class WebSocketSession implements Decoder<WebSocketMessage> {
  /** The Close frame that came, once it has. */
  received: WebSocketClosing | undefined;
  /** The Close frame that we sent or owe, once there is one. */
  sent: WebSocketClosing | undefined;
  readonly #decoder: WebSocketDecoder;
  readonly #encoder: WebSocketEncoder;
  #owed: Uint8Array | undefined;

  /** Begins after the handshake. */
  constructor(options: WebSocketSessionOptions) {
    this.#decoder = new WebSocketDecoder(options);
    this.#encoder = new WebSocketEncoder(options);
  }

  /**
   * `"open"` until a Close frame goes either way, `"closing"` until one has gone both ways,
   * then `"closed"`.
   */
  get state(): "open" | "closing" | "closed" {
    if (this.received && this.sent) return "closed";
    return this.received || this.sent ? "closing" : "open";
  }

  /** Bytes held now. */
  get buffered(): number {
    return this.#decoder.buffered;
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
  }

  /** Says that no more bytes will come: an error unless a Close frame has come. */
  end(): void {
    this.#decoder.end();
  }

  /**
   * The next message or control frame. Ask {@linkcode takeOwed} afterwards, also if it throws:
   * a peer who breaks the rules is told so in a Close frame.
   *
   * @throws {WebSocketFrameError} If the peer breaks a rule or a limit, or the stream ends
   * without a Close frame.
   */
  next(): WebSocketMessage | undefined {
    try {
      const message = this.#decoder.next();
      if (message?.type === "ping") this.#owePong(message.bytes);
      if (message?.type === "close") this.#answerClose(message);
      return message;
    } catch (error) {
      if (error instanceof WebSocketFrameError) this.#oweClose(error.closeCode);
      throw error;
    }
  }

  /**
   * The bytes that send `message`; a Close frame is the last.
   *
   * @throws {WebSocketClosedError} If our Close frame was sent or is owed.
   * @throws {RangeError} If the message may not be sent, see {@linkcode WebSocketEncoder}.
   */
  send(message: WebSocketMessage): Uint8Array<ArrayBuffer> {
    if (this.sent) throw new WebSocketClosedError(this.received ?? this.sent);
    const bytes = this.#encoder.encode(message);
    if (message.type === "close") this.sent = { code: message.code, reason: message.reason };
    return bytes;
  }

  /**
   * Takes what the rules want sent: the pong for a ping, or our Close frame, or `undefined`.
   * If it is not asked after each message, only the latest ping is answered (5.5.3): a flood
   * of them makes us hold nothing. None is once the peer has closed (5.5.2).
   */
  takeOwed(): Uint8Array | undefined {
    const owed = this.#owed;
    this.#owed = undefined;
    return owed;
  }

  #owePong(bytes: Uint8Array): void {
    if (!this.sent) this.#owed = this.#encoder.encode({ type: "pong", bytes });
  }

  #answerClose({ code, reason }: WebSocketClosing): void {
    this.received = { code, reason };
    this.#oweClose(code);
  }

  #oweClose(code: number): void {
    if (this.sent || code === CloseCode.abnormal) return;
    this.#owed = this.send({ type: "close", code, reason: "" });
  }
}
