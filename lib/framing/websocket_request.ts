/**
 * The opening handshake of a WebSocket as a client sees it: RFC 6455, 4.1.
 *
 * @example A client and a server agree
 * ```ts
 * import {
 *   acceptWebSocket,
 *   checkWebSocketResponse,
 *   encodeWebSocketRequest,
 *   HttpRequestHeadDecoder,
 *   HttpResponseDecoder,
 *   webSocketKey,
 * } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const key = webSocketKey(crypto.getRandomValues(new Uint8Array(16)));
 * const server = new HttpRequestHeadDecoder();
 * server.push(encodeWebSocketRequest({ host: "localhost", key, protocols: ["chat"] }));
 * const { response } = acceptWebSocket(server.next()!, { protocols: ["chat"] });
 *
 * const client = new HttpResponseDecoder({ request: { upgrade: true } });
 * client.push(response);
 * const event = client.next();
 * if (event?.type !== "head") throw event;
 * assertEquals(checkWebSocketResponse(event, { key, protocols: ["chat"] }), "chat");
 * ```
 *
 * @module
 */

import { type HttpField, isToken } from "./http_fields.ts";
import { quote } from "./_http_lines.ts";
import { encodeHttpRequest } from "./http_request.ts";
import type { HttpResponseHead } from "./http_response.ts";
import {
  upgradesToWebSocket,
  VERSION,
  webSocketAccept,
  WebSocketHandshakeError,
} from "./websocket_handshake.ts";

/** What a client asks for. */
export interface WebSocketRequest {
  /** The server, and its port unless it is 80. */
  host: string;
  /**
   * The path, with its query.
   *
   * @default {"/"}
   */
  target?: string;
  /** The key, from {@linkcode webSocketKey}: a new one for each request. */
  key: string;
  /**
   * Subprotocols to choose from, the dearest first.
   *
   * @default {[]}
   */
  protocols?: readonly string[];
  /**
   * Further fields, such as `Origin` or `Cookie`.
   *
   * @default {[]}
   */
  fields?: Iterable<HttpField>;
}

/** What a client asked, for the check of the response. */
export type WebSocketAsked = Pick<WebSocketRequest, "key" | "protocols">;

/**
 * The bytes of a client's request.
 *
 * @throws {TypeError} If a part may not stand where it should, such as a subprotocol that is
 * no token or comes twice.
 */
export function encodeWebSocketRequest(request: WebSocketRequest): Uint8Array<ArrayBuffer> {
  const { host, target = "/", key, protocols = [], fields = [] } = request;
  if (!protocols.every(isToken) || new Set(protocols).size < protocols.length) {
    throw new TypeError(
      `Cannot open a WebSocket as 'protocols' must be different tokens: current value is ` +
        quote(protocols.join()),
    );
  }
  return encodeHttpRequest({
    host,
    target,
    fields: [
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", key],
      ["Sec-WebSocket-Version", VERSION],
      ...(protocols.length > 0 ? [["Sec-WebSocket-Protocol", protocols.join(", ")] as const] : []),
      ...fields,
    ],
  });
}

/**
 * Checks a server's response (4.1) and returns the subprotocol it chose, if any.
 *
 * @throws {WebSocketHandshakeError} If it refuses, or what it says does not fit the request.
 */
export function checkWebSocketResponse(
  response: Pick<HttpResponseHead, "status" | "fields">,
  asked: WebSocketAsked,
): string | undefined {
  const { status, fields } = response;
  const demand = (good: boolean, rule: string) => {
    if (!good) throw new WebSocketHandshakeError(status, rule);
  };
  const place = fields.get("location"); // to be asked instead, should the caller want that
  const elsewhere = place === undefined ? "" : ` and points to ${quote(place)}`;
  demand(status === 101, `the server must answer 101: it answers ${status}${elsewhere}`);
  demand(
    upgradesToWebSocket(fields) && fields.tokens("upgrade").length === 1,
    "the response must say Upgrade: websocket, Connection: Upgrade, and nothing else",
  );
  demand(
    fields.get("sec-websocket-accept") === webSocketAccept(asked.key),
    "Sec-WebSocket-Accept must fit the key that was sent",
  );
  demand(
    fields.tokens("sec-websocket-extensions").length === 0,
    "the server must use no extension, as none was asked for",
  );
  const protocol = fields.get("sec-websocket-protocol");
  demand(
    protocol === undefined || (asked.protocols ?? []).includes(protocol),
    `the subprotocol must be one that was asked for: it is ${quote(protocol ?? "")}`,
  );
  return protocol;
}
