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
import { encodeHttpHead, isHost } from "./http_request.ts";
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
  const { method, target, version, fields } = request;
  const demand = (good: boolean, status: number, rule: string) => {
    if (!good) throw new WebSocketHandshakeError(status, rule);
  };
  demand(version === "1.1", 505, "the request must be HTTP/1.1");
  const hosts = fields.getAll("host");
  demand(hosts.length === 1 && hosts.every(isHost), 400, "the request must have one good Host");
  demand(method === "GET", 405, `the method must be GET: it is ${quote(method)}`);
  demand(
    /^(\/|https?:\/\/)/i.test(target),
    400,
    `the target must be a path or an http: URL: it is ${quote(target)}`,
  );
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
    !fields.has("transfer-encoding") && /^0+$/.test(fields.get("content-length") ?? "0"),
    400,
    "the request must have no body",
  );
  const asked = elements(fields, "sec-websocket-protocol", TOKENS);
  elements(fields, "sec-websocket-extensions", EXTENSIONS);
  const protocol = asked.find((each) => options.protocols?.includes(each));
  const response = encodeHttpHead("HTTP/1.1 101 Switching Protocols", [
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Accept", webSocketAccept(key)],
    ...(protocol === undefined ? [] : [["Sec-WebSocket-Protocol", protocol] as const]),
    ...(options.fields ?? []),
  ]);
  return { response, protocol };
}

const TOKEN = String.raw`[!#$%&'*+\-.^_\`|~0-9A-Za-z]+`;
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const PARAMETER = String.raw`[ \t]*;[ \t]*${TOKEN}(?:[ \t]*=[ \t]*(?:${TOKEN}|${QUOTED}))?`;

/** What a field may be that is a list, with empty elements as lists may have (RFC 9110, 5.6.1). */
const TOKENS = list(TOKEN);
const EXTENSIONS = list(`${TOKEN}(?:${PARAMETER})*`);

function list(element: string): RegExp {
  const perhaps = String.raw`[ \t]*(?:${element}[ \t]*)?`;
  return new RegExp(`^(?=[^]*[^ \t,])${perhaps}(?:,${perhaps})*$`);
}

/**
 * The elements of a field if it is there. In a handshake that breaks the grammar there is
 * nothing to agree on (4.2.1).
 */
function elements(fields: HttpFields, name: string, grammar: RegExp): string[] {
  const value = fields.get(name);
  if (value === undefined) return [];
  if (!grammar.test(value)) {
    throw new WebSocketHandshakeError(400, `${name} must be a list: it is ${quote(value)}`);
  }
  return value.split(",").map(trim); // not in lower case: subprotocols are told apart by it
}
