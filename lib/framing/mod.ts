/**
 * Bytes ⇄ messages: decoders and encoders that need no I/O, and the thin loops that
 * run them over a connection.
 *
 * @example Messages that say how long they are, over a connection
 * ```ts
 * import { FramedConn, LengthDecoder, LengthEncoder } from "@tcplab/tcplab/framing";
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = memoryPair(); // or `await dial(…)`, and what a server is handed
 * const codec = () => ({ decoder: new LengthDecoder(), encoder: new LengthEncoder() });
 * using client = new FramedConn(a, codec());
 * using server = new FramedConn(b, codec());
 *
 * await client.send(Uint8Array.of(1, 2));
 * await client.send(Uint8Array.of(3));
 * assertEquals(await server.receive(), Uint8Array.of(1, 2));
 * assertEquals(await server.receive(), Uint8Array.of(3));
 * ```
 *
 * @module
 */

export * from "./decoder.ts";
export * from "./delimited.ts";
export * from "./fixed.ts";
export * from "./frames.ts";
export * from "./length.ts";
export * from "./lines.ts";
export * from "./message_codec.ts";
export * from "./messages.ts";
export * from "./streams.ts";
export { type HttpField, HttpFields } from "./http_fields.ts";
export type { HttpAsked } from "./http_body_end.ts";
export type { HttpLimits } from "./http_head.ts";
export * from "./http_request.ts";
export * from "./http_request_head.ts";
export * from "./http_response.ts";
export * from "./http_whole_response.ts";
export * from "./websocket.ts";
export * from "./websocket_accept.ts";
export * from "./websocket_decoder.ts";
export * from "./websocket_encoder.ts";
export { applyMask, encodeWebSocketFrame, Opcode, type WebSocketFrame } from "./websocket_frame.ts";
export { webSocketAccept, WebSocketHandshakeError, webSocketKey } from "./websocket_handshake.ts";
export {
  CloseCode,
  isCloseCode,
  WebSocketFrameError,
  type WebSocketLimits,
  type WebSocketMessage,
  type WebSocketRole,
} from "./websocket_message.ts";
export * from "./websocket_request.ts";
export * from "./websocket_conn.ts";
export * from "./open_websocket.ts";
