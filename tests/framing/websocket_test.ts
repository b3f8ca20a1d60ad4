import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { drain } from "../../lib/framing/decoder.ts";
import { WebSocketClosedError, WebSocketSession } from "../../lib/framing/websocket.ts";
import { WebSocketHandshakeError } from "../../lib/framing/websocket_handshake.ts";
import { WebSocketFrameError } from "../../lib/framing/websocket_message.ts";

const newMask = () => Uint8Array.of(1, 2, 3, 4);

function pair(): [client: WebSocketSession, server: WebSocketSession] {
  return [
    new WebSocketSession({ role: "client", newMask }),
    new WebSocketSession({ role: "server" }),
  ];
}

Deno.test("WebSocketSession owes the latest ping a pong", () => {
  const [client, server] = pair();
  for (const byte of [1, 2]) server.push(client.send({ type: "ping", bytes: Uint8Array.of(byte) }));
  assertEquals([...drain(server)].length, 2);
  client.push(server.takeOwed()!);
  assertEquals(server.takeOwed(), undefined);
  assertEquals([...drain(client)], [{ type: "pong", bytes: Uint8Array.of(2) }]);
  assertEquals(client.takeOwed(), undefined);
});

Deno.test("WebSocketSession says how much of an unfinished message it holds", () => {
  const [client, server] = pair();
  const bytes = client.send({ type: "text", text: "hello" });
  server.push(bytes.subarray(0, 8)); // a head of 6 bytes and 2 of text
  assertEquals(server.buffered, 8);
  assertEquals(server.next(), undefined);
  assertEquals(server.buffered, 2);
  server.push(bytes.subarray(8));
  assertEquals(server.next(), { type: "text", text: "hello" });
  assertEquals(server.buffered, 0);
});

Deno.test("WebSocketSession answers a Close with the same code, and is then closed", () => {
  const [client, server] = pair();
  server.push(client.send({ type: "close", code: 3001, reason: "done" }));
  assertEquals([client.state, server.state], ["closing", "open"]);
  assertEquals([...drain(server)], [{ type: "close", code: 3001, reason: "done" }]);
  assertEquals(server.state, "closed");
  assertEquals(server.received, { code: 3001, reason: "done" });
  client.push(server.takeOwed()!);
  assertEquals([...drain(client)], [{ type: "close", code: 3001, reason: "" }]);
  assertEquals([client.state, client.takeOwed()], ["closed", undefined]);
});

Deno.test("WebSocketSession answers a Close without a code with one without", () => {
  const [client, server] = pair();
  server.push(client.send({ type: "close", code: 1005, reason: "" }));
  server.next();
  assertEquals(server.takeOwed(), Uint8Array.of(0x88, 0));
});

Deno.test("WebSocketSession closes once if both sides close at the same time", () => {
  const [client, server] = pair();
  const one = client.send({ type: "close", code: 1000, reason: "" });
  const two = server.send({ type: "close", code: 1001, reason: "" });
  server.push(one);
  client.push(two);
  client.next();
  server.next();
  assertEquals([client.takeOwed(), server.takeOwed()], [undefined, undefined]);
  assertEquals([client.state, server.state], ["closed", "closed"]);
});

Deno.test("WebSocketSession.send() throws once it has closed", () => {
  const [client, server] = pair();
  client.send({ type: "close", code: 1001, reason: "bye" });
  const error = assertThrows(() => client.send({ type: "text", text: "x" }), WebSocketClosedError);
  assertEquals(error.closing, { code: 1001, reason: "bye" });
  server.push(
    new WebSocketSession({ role: "client", newMask }).send({
      type: "close",
      code: 4000,
      reason: "",
    }),
  );
  server.next();
  const later = assertThrows(() => server.send({ type: "text", text: "x" }), WebSocketClosedError);
  assertEquals(later.closing.code, 4000);
});

Deno.test("Errors of a WebSocket have names to tell them by", () => {
  const closing = { code: 1000, reason: "" };
  const facts = { offset: 0 };
  const errors = [
    new WebSocketClosedError(closing),
    new WebSocketFrameError(1002, "malformed", "x", facts),
    new WebSocketHandshakeError(400, "x"),
  ];
  assertEquals(errors.map(({ name }) => name), [
    "WebSocketClosedError",
    "WebSocketFrameError",
    "WebSocketHandshakeError",
  ]);
});

Deno.test("WebSocketSession.send() that throws for its message closes nothing", () => {
  const [client] = pair();
  assertThrows(() => client.send({ type: "close", code: 1, reason: "" }), RangeError);
  assertEquals(client.state, "open");
});

Deno.test("WebSocketSession still receives after it has sent a Close, but owes no pong", () => {
  const [client, server] = pair();
  server.send({ type: "close", code: 1000, reason: "" });
  server.push(client.send({ type: "ping", bytes: new Uint8Array(0) }));
  server.push(client.send({ type: "text", text: "on its way" }));
  assertEquals([...drain(server)].map(({ type }) => type), ["ping", "text"]);
  assertEquals(server.takeOwed(), undefined);
});

Deno.test("WebSocketSession owes a ping no pong any more once a Close has come", () => {
  const [client, server] = pair();
  server.push(client.send({ type: "ping", bytes: new Uint8Array(0) }));
  server.push(client.send({ type: "close", code: 1000, reason: "" }));
  assertEquals([...drain(server)].length, 2);
  assertEquals(server.takeOwed(), Uint8Array.of(0x88, 2, 3, 232));
  assertEquals(server.takeOwed(), undefined);
});

Deno.test("WebSocketSession tells a peer who breaks the rules, with the code of the rule", () => {
  const broken: [bytes: number[], code: number][] = [
    [[0x83, 0x80], 1002],
    [[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007],
    [[0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4], 1009],
  ];
  for (const [bytes, code] of broken) {
    const [, server] = pair();
    server.push(Uint8Array.from(bytes));
    const error = assertThrows(() => server.next(), WebSocketFrameError);
    assertEquals(error.closeCode, code);
    assertEquals(server.takeOwed(), Uint8Array.of(0x88, 2, code >> 8, code & 0xff));
    assertThrows(() => server.next(), WebSocketFrameError);
    assertEquals(server.takeOwed(), undefined);
    assertEquals(server.state, "closing");
  }
});

Deno.test("WebSocketSession owes nothing to a stream that has ended", () => {
  const [client] = pair();
  client.end();
  const error = assertThrows(() => client.next());
  assertInstanceOf(error, WebSocketFrameError);
  assertEquals([error.closeCode, client.takeOwed()], [1006, undefined]);
});
