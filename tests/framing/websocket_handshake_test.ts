import { assert, assertEquals, assertThrows } from "@std/assert";
import { sha1 } from "../../lib/framing/_sha1.ts";
import { HttpRequestHeadDecoder } from "../../lib/framing/http_request_head.ts";
import { HttpResponseDecoder } from "../../lib/framing/http_response.ts";
import { acceptWebSocket } from "../../lib/framing/websocket_accept.ts";
import {
  webSocketAccept,
  WebSocketHandshakeError,
  webSocketKey,
} from "../../lib/framing/websocket_handshake.ts";
import {
  checkWebSocketResponse,
  encodeWebSocketRequest,
} from "../../lib/framing/websocket_request.ts";
import { bytes } from "./_cuts.ts";
import { latin1 } from "./_http.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** A request like that of RFC 6455, 1.2, with lines replaced, added or (with "") removed. */
function request(changes: Record<string, string> = {}, start = "GET /chat HTTP/1.1") {
  const lines: Record<string, string> = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Origin": "http://example.com",
    "Sec-WebSocket-Protocol": "chat, superchat",
    "Sec-WebSocket-Version": "13",
    ...changes,
  };
  const fields = Object.entries(lines).filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  const decoder = new HttpRequestHeadDecoder();
  decoder.push(latin1(`${start}\r\n${fields.join("")}\r\n`));
  return decoder.next()!;
}

/** A response like that of RFC 6455, 1.2, changed in the same way. */
function response(changes: Record<string, string> = {}, status = "101 Switching Protocols") {
  const lines: Record<string, string> = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": ACCEPT,
    ...changes,
  };
  const fields = Object.entries(lines).filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}: ${value}\r\n`);
  const decoder = new HttpResponseDecoder({ request: { upgrade: true } });
  decoder.push(latin1(`HTTP/1.1 ${status}\r\n${fields.join("")}\r\n`));
  const event = decoder.next();
  assert(event?.type === "head");
  return event;
}

Deno.test("sha1() gives the digests of RFC 3174, 7.3", () => {
  const digests: [message: string, hex: string][] = [
    ["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"],
    ["abc", "a9993e364706816aba3e25717850c26c9cd0d89d"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    ],
    ["a".repeat(1_000_000), "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
    ["01234567".repeat(80), "dea356a2cddd90c7a7ecedc5ebb563934f460452"],
  ];
  for (const [message, hex] of digests) assertEquals(sha1(bytes(message)).toHex(), hex);
});

Deno.test("sha1() agrees with the system at every length around a block", async () => {
  for (let length = 0; length < 130; length++) {
    const message = new Uint8Array(length).fill(length);
    const system = new Uint8Array(await crypto.subtle.digest("SHA-1", message));
    assertEquals(sha1(message), system, `${length}`);
  }
});

Deno.test("webSocketKey() and webSocketAccept() give those of RFC 6455, 1.3", () => {
  assertEquals(webSocketKey(bytes("the sample nonce")), KEY);
  assertEquals(webSocketAccept(KEY), ACCEPT);
  assertThrows(() => webSocketKey(new Uint8Array(15)), RangeError);
});

Deno.test("encodeWebSocketRequest() asks as RFC 6455, 4.1 says", () => {
  const sent = encodeWebSocketRequest({
    host: "server.example.com",
    target: "/chat",
    key: KEY,
    protocols: ["chat", "superchat"],
    fields: [["Origin", "http://example.com"]],
  });
  assertEquals(
    text(sent),
    "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n" +
      "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\n" +
      "Origin: http://example.com\r\n\r\n",
  );
  const asked = (protocols: string[]) =>
    text(encodeWebSocketRequest({ host: "h", key: KEY, protocols }));
  assert(!asked([]).includes("Protocol"));
  assert(asked(["chat"]).includes("Sec-WebSocket-Protocol: chat\r\n"));
  for (const protocols of [["a", "a"], ["a b"], [""], ["a,b"]]) {
    assertThrows(() => encodeWebSocketRequest({ host: "h", key: KEY, protocols }), TypeError);
  }
});

Deno.test("acceptWebSocket() answers as RFC 6455, 4.2.2 says", () => {
  const options = { protocols: ["superchat", "chat"], fields: [["X", "y"]] as const };
  const accepted = acceptWebSocket(request(), options);
  assertEquals(accepted.protocol, "chat", "the client's order counts");
  assertEquals(
    text(accepted.response),
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\nX: y\r\n\r\n`,
  );
});

Deno.test("acceptWebSocket() takes tokens in any case and among others", () => {
  const changed = request({
    "Upgrade": "h2c, WebSocket",
    "Connection": "keep-alive, UPGRADE",
    "Sec-WebSocket-Protocol": "",
    "Content-Length": "0",
  });
  const { protocol, response } = acceptWebSocket(changed, { protocols: ["chat"] });
  assertEquals(protocol, undefined);
  assert(!text(response).includes("Protocol:"));
});

Deno.test("acceptWebSocket() takes lists as HTTP has them, and offers of extensions it declines", () => {
  const options = { protocols: ["b"] };
  const accepted = acceptWebSocket(
    request({
      "Sec-WebSocket-Protocol": ", a\t,, b,",
      "Sec-WebSocket-Extensions": 'x,, permessage-deflate; a ;b=1 ; c = "d,\\"" ,y;z=1',
    }, "GET HTTP://server.example.com/chat HTTP/1.1"),
    options,
  );
  assertEquals(accepted.protocol, "b");
  assert(!text(accepted.response).includes("Extensions"));
});

Deno.test("acceptWebSocket() judges a list of any shape in a moment", () => {
  const long = [
    ", ".repeat(4000),
    "a; ".repeat(2700),
    `a;b="${"\\a".repeat(3900)}`,
    " ".repeat(8000),
  ];
  for (const value of long) {
    const asked = request({ "Sec-WebSocket-Extensions": `${value}!;` });
    assertEquals(assertThrows(() => acceptWebSocket(asked), WebSocketHandshakeError).status, 400);
  }
});

Deno.test("acceptWebSocket() tells subprotocols apart by case", () => {
  const asked = request({ "Sec-WebSocket-Protocol": "Chat" });
  assertEquals(acceptWebSocket(asked, { protocols: ["chat"] }).protocol, undefined);
});

Deno.test("acceptWebSocket() refuses what is no request for a WebSocket, with a status", () => {
  const wrong: [status: number, changes: Record<string, string>, start?: string][] = [
    [505, {}, "GET / HTTP/1.0"],
    [405, {}, "POST / HTTP/1.1"],
    [400, { "Host": "" }],
    [400, { "HOST": "twice" }],
    [400, { "Host": "a b" }],
    [400, { "Host": "user@host" }],
    [400, { "Host": "a:b" }],
    [400, {}, "GET * HTTP/1.1"],
    [400, {}, "GET host:80 HTTP/1.1"],
    [400, { "Sec-WebSocket-Protocol": "a b" }],
    [400, { "Sec-WebSocket-Protocol": '"a"' }],
    [400, { "Sec-WebSocket-Protocol": " , " }],
    [400, { "Sec-WebSocket-Extensions": "x y" }],
    [400, { "Sec-WebSocket-Extensions": "x;" }],
    [400, { "Sec-WebSocket-Extensions": "x; a=" }],
    [400, { "Sec-WebSocket-Extensions": 'x; a="b' }],
    [400, { "Sec-WebSocket-Extensions": "," }],
    [426, { "Upgrade": "" }],
    [426, { "Upgrade": "h2c" }],
    [426, { "Connection": "keep-alive" }],
    [426, { "Sec-WebSocket-Version": "8" }],
    [426, { "Sec-WebSocket-Version": "" }],
    [426, { "SEC-WEBSOCKET-VERSION": "13" }],
    [400, { "Sec-WebSocket-Key": "" }],
    [400, { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    [400, { "Sec-WebSocket-Key": `${KEY}x` }],
    [400, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=!" }],
    [400, { "SEC-WEBSOCKET-KEY": KEY }],
    [400, { "Content-Length": "5" }],
    [400, { "Content-Length": " " }],
    [400, { "Transfer-Encoding": "chunked" }],
  ];
  for (const [status, changes, start] of wrong) {
    const error = assertThrows(
      () => acceptWebSocket(request(changes, start)),
      WebSocketHandshakeError,
    );
    assertEquals(error.status, status, JSON.stringify(changes));
    const decoder = new HttpResponseDecoder();
    decoder.push(error.response());
    const head = decoder.next();
    assert(head?.type === "head" && head.status === status && !head.keepAlive);
    assertEquals(decoder.next()?.type, "end");
    assertEquals(head.fields.get("sec-websocket-version"), status === 426 ? "13" : undefined);
    assertEquals(head.fields.get("allow"), status === 405 ? "GET" : undefined);
  }
});

Deno.test("checkWebSocketResponse() accepts the response of RFC 6455, 1.2", () => {
  const asked = { key: KEY, protocols: ["chat", "superchat"] };
  assertEquals(checkWebSocketResponse(response(), asked), undefined);
  const chosen = response({ "Sec-WebSocket-Protocol": "superchat", "Upgrade": "WEBSOCKET" });
  assertEquals(checkWebSocketResponse(chosen, asked), "superchat");
});

Deno.test("checkWebSocketResponse() refuses every other response", () => {
  const asked = { key: KEY, protocols: ["chat"] };
  const wrong: Record<string, string>[] = [
    { "Upgrade": "" },
    { "Upgrade": "h2c" },
    { "Upgrade": "websocket, h2c" },
    { "Connection": "close" },
    { "Sec-WebSocket-Accept": "" },
    { "Sec-WebSocket-Accept": ACCEPT.toLowerCase() },
    { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=" },
    { "sec-websocket-accept": ACCEPT },
    { "Sec-WebSocket-Extensions": "permessage-deflate" },
    { "Sec-WebSocket-Protocol": "other" },
    { "Sec-WebSocket-Protocol": "chat, chat" },
  ];
  for (const changes of wrong) {
    assertThrows(() => checkWebSocketResponse(response(changes), asked), WebSocketHandshakeError);
  }
  const refused = response({}, "403 Forbidden");
  const error = assertThrows(() => checkWebSocketResponse(refused, asked), WebSocketHandshakeError);
  assertEquals(error.status, 403);
});

Deno.test("checkWebSocketResponse() says where a server that is not the one points to", () => {
  const moved = response({ "Location": "ws://other/\x1b" }, "301 Moved Permanently");
  const points = 'it answers 301 and points to "ws://other/\\u001b"';
  assertThrows(() => checkWebSocketResponse(moved, { key: KEY }), WebSocketHandshakeError, points);
});
