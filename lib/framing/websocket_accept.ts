/**
 * The opening handshake of a WebSocket as a server sees it: RFC 6455, 4.2.
 *
 * @example A request that asks for no WebSocket is told so
 * ```ts
 * import {
 *   acceptWebSocket,
 *   HttpRequestHeadDecoder,
 *   WebSocketHandshakeError,
 * } from "@tcplab/tcplab/framing";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const decoder = new HttpRequestHeadDecoder();
 * decoder.push(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: here\r\n\r\n"));
 * const request = decoder.next()!;
 *
 * const error = assertThrows(() => acceptWebSocket(request), WebSocketHandshakeError);
 * assertEquals(error.status, 426);
 * ```
 *
 * @module
 */

import { quote } from "./_http_lines.ts";
import { type HttpField, type HttpFields, trim } from "./http_fields.ts";
import { encodeHttpHead } from "./http_request.ts";
import type { HttpRequestHead } from "./http_request_head.ts";
import {
  upgradesToWebSocket,
  VERSION,
  webSocketAccept,
  WebSocketHandshakeError,
} from "./websocket_handshake.ts";

/** Options for {@linkcode acceptWebSocket}. */
export interface AcceptWebSocketOptions {
  /**
   * Subprotocols that we speak. The first of the client's that is among them is used, and
   * none if there is none.
   *
   * @default {[]}
   */
  protocols?: readonly string[];
  /**
   * Further fields for the response, such as `Set-Cookie`.
   *
   * @default {[]}
   */
  fields?: Iterable<HttpField>;
}

/** A request that was accepted. */
export interface AcceptedWebSocket {
  /** The bytes to answer. */
  response: Uint8Array<ArrayBuffer>;
  /** The subprotocol to speak, if any. */
  protocol: string | undefined;
}

/**
 * Checks a client's request (4.2.1) and makes the response. Whether its `Origin` is welcome
 * is for the caller to say (10.2).
 *
 * @throws {WebSocketHandshakeError} If it does not ask for a WebSocket of version 13 in the
 * way it should; the error has the response that says so.
 */
export function acceptWebSocket(
  request: HttpRequestHead,
  options: AcceptWebSocketOptions = {},
): AcceptedWebSocket {
  const { method, version, fields } = request;
  const demand = (good: boolean, status: number, rule: string) => {
    if (!good) throw new WebSocketHandshakeError(status, rule);
  };
  demand(version === "1.1", 505, "the request must be HTTP/1.1");
  demand(fields.getAll("host").length === 1, 400, "the request must have one Host");
  demand(method === "GET", 405, `the method must be GET: it is ${quote(method)}`);
  demand(
    upgradesToWebSocket(fields),
    426,
    "the request must say Upgrade: websocket, Connection: Upgrade",
  );
  demand(
    fields.get("sec-websocket-version") === VERSION,
    426,
    `Sec-WebSocket-Version must be ${VERSION}`,
  );
  const key = fields.get("sec-websocket-key") ?? "";
  demand(/^[A-Za-z0-9+/]{22}==$/.test(key), 400, "Sec-WebSocket-Key must be 16 bytes in base64");
  demand(
    !fields.has("transfer-encoding") && /^0*$/.test(fields.get("content-length") ?? ""),
    400,
    "the request must have no body",
  );
  const protocol = choose(fields, options.protocols ?? []);
  const response = encodeHttpHead("HTTP/1.1 101 Switching Protocols", [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", webSocketAccept(key)],
    ...(protocol === undefined ? [] : [["Sec-WebSocket-Protocol", protocol] as const]),
    ...(options.fields ?? []),
  ]);
  return { response, protocol };
}

/** Subprotocols are told apart by case, so not by tokens(). */
function choose(fields: HttpFields, ours: readonly string[]): string | undefined {
  const theirs = fields.get("sec-websocket-protocol")?.split(",").map(trim);
  return theirs?.find((protocol) => ours.includes(protocol));
}
