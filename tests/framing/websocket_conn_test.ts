import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { connectWebSocket, upgradeWebSocket } from "../../lib/framing/open_websocket.ts";
import { WebSocketClosedError } from "../../lib/framing/websocket.ts";
import { WebSocketConn, type WebSocketConnOptions } from "../../lib/framing/websocket_conn.ts";
import { WebSocketHandshakeError, webSocketKey } from "../../lib/framing/websocket_handshake.ts";
import { WebSocketFrameError } from "../../lib/framing/websocket_message.ts";
import { FrameError } from "../../lib/framing/decoder.ts";
import { frames } from "../../lib/framing/frames.ts";
import { HttpRequestHeadDecoder } from "../../lib/framing/http_request_head.ts";
import { acceptWebSocket } from "../../lib/framing/websocket_accept.ts";
import { encodeWebSocketRequest } from "../../lib/framing/websocket_request.ts";
import { type Duplex, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes } from "./_cuts.ts";

/** Both ends of an open WebSocket over memory. */
async function open(
  options: WebSocketConnOptions & { capacity?: number } = {},
): Promise<[client: WebSocketConn, server: WebSocketConn]> {
  const { capacity = 65536, ...rest } = options;
  const [here, there] = memoryPair({ capacity });
  return await Promise.all([
    connectWebSocket(here, { host: "h", ...rest }),
    upgradeWebSocket(there, rest),
  ]);
}

/** A server's end of a WebSocket, and the bare connection of its client. */
function bare(options: WebSocketConnOptions = {}): [client: Duplex, server: WebSocketConn] {
  const [here, there] = memoryPair();
  return [here, new WebSocketConn(there, { role: "server", ...options })];
}

/** Sends a ping and reads what comes back: from then on the server waits for more. */
async function pinged(client: Duplex, byte: number): Promise<Uint8Array> {
  await writeAll(client, Uint8Array.of(0x89, 0x81, 0, 0, 0, 0, byte));
  return await readExact(client, 3);
}

Deno.test("WebSocketConn carries texts and bytes both ways, in order", async () => {
  const [client, server] = await open();
  await client.send("a");
  await client.send(Uint8Array.of(1, 2));
  await server.send("b");
  assertEquals(await server.receive(), "a");
  assertEquals(await server.receive(), Uint8Array.of(1, 2));
  assertEquals(await client.receive(), "b");
  await Promise.all([client.close(), server.receive()]);
});

Deno.test("WebSocketConn carries much both ways at once through a narrow pipe", async () => {
  const [client, server] = await open({ capacity: 100 });
  const big = "x".repeat(20_000);
  await Promise.all([
    client.send(big),
    client.ping(bytes("1")),
    server.ping(bytes("2")),
    server.send(big),
    client.receive().then((text) => assertEquals(text, big)),
    server.receive().then((text) => assertEquals(text, big)),
  ]);
  assertEquals(
    await Promise.all([client.close(), server.receive()]),
    [{ code: 1000, reason: "" }, null],
  );
});

Deno.test("WebSocketConn does not let messages sent at once mix", async () => {
  const [client, server] = await open({ capacity: 7 });
  const texts = ["a", "b", "c"].map((letter) => letter.repeat(50));
  const sent = Promise.all(texts.map((text) => client.send(text)));
  for (const text of texts) assertEquals(await server.receive(), text);
  await sent;
  await Promise.all([client.close(), server.receive()]);
});

Deno.test("WebSocketConn.receive() called twice at once gives each call a message, in turn", async () => {
  const [client, server] = bare();
  const [first, second] = [server.receive(), server.receive()];
  await writeAll(client, Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x61));
  assertEquals(await first, "a");
  await writeAll(client, Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x62));
  assertEquals(await second, "b");
  server[Symbol.dispose]();
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn answers each ping while it receives", async () => {
  const [client, server] = bare();
  const received = server.receive();
  for (const byte of [7, 8]) assertEquals(await pinged(client, byte), Uint8Array.of(0x8a, 1, byte));
  client[Symbol.dispose]();
  await assertRejects(() => received, WebSocketFrameError);
});

Deno.test("WebSocketConn.ping() sends a ping, and shows no pong", async () => {
  const [client, server] = bare();
  await server.ping(bytes("?"));
  assertEquals(await readExact(client, 3), Uint8Array.of(0x89, 1, 0x3f));
  const received = server.receive();
  await writeAll(client, Uint8Array.of(0x8a, 0x81, 0, 0, 0, 0, 0x3f, 0x81, 0x80, 0, 0, 0, 0));
  assertEquals(await received, "");
  await assertRejects(() => server.ping(new Uint8Array(126)), RangeError);
  server[Symbol.dispose]();
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn holds 32 pongs for a peer who floods it with pings and does not read", async () => {
  const [here, there] = memoryPair({ capacity: 1 });
  const server = new WebSocketConn(there, { role: "server" });
  const received = server.receive();
  for (let byte = 0; byte < 100; byte++) {
    await writeAll(here, Uint8Array.of(0x89, 0x81, 0, 0, 0, 0, byte));
  }
  await writeAll(here, Uint8Array.of(0x81, 0x80, 0, 0, 0, 0));
  assertEquals(await received, "");
  const pongs = await readExact(here, 33 * 3);
  const [first, ...latest] = Array.from({ length: 33 }, (_, i) => pongs[i * 3 + 2]);
  assertEquals([first, ...latest], [0, ...Array.from({ length: 32 }, (_, i) => 68 + i)]);
  server[Symbol.dispose]();
  assertEquals(await readToEnd(here), new Uint8Array(0));
  here[Symbol.dispose]();
});

Deno.test("WebSocketConn.close() says its reason and hears the other's", async () => {
  const [client, server] = await open();
  const [closing, last] = await Promise.all([
    client.close({ code: 3000, reason: "done" }),
    server.receive(),
  ]);
  assertEquals(closing, { code: 3000, reason: "" });
  assertEquals(last, null);
  assertEquals(server.closing, { code: 3000, reason: "done" });
  assertEquals(await server.receive(), null);
  assertEquals(await client.receive(), null);
  assertEquals(await client.close(), closing);
  await assertRejects(() => client.send("x"), WebSocketClosedError);
  await assertRejects(() => server.send("x"), WebSocketClosedError);
});

Deno.test("WebSocketConn.close() from both sides at once ends both", async () => {
  const [client, server] = await open();
  const closings = await Promise.all([client.close({ code: 1001 }), server.close({ code: 3001 })]);
  assertEquals(closings.map(({ code }) => code), [3001, 1001]);
});

Deno.test("WebSocketConn.close() called twice at once closes once", async () => {
  const [client, server] = await open();
  const [one, two] = await Promise.all([
    client.close({ code: 3000 }),
    client.close({ code: 3001 }),
    server.receive(),
  ]);
  assertEquals([one.code, two.code, server.closing?.code], [3000, 3000, 3000]);
});

Deno.test("WebSocketConn.close() drops what still comes, also under a pending receive", async () => {
  const [client, server] = await open();
  const pending = client.receive();
  await server.send("late");
  await server.send("later");
  const [closing] = await Promise.all([client.close(), server.receive()]);
  assertEquals(closing.code, 1000);
  assertEquals(await pending, "late");
});

Deno.test("WebSocketConn.close() refuses a code that may not be sent, and stays open", async () => {
  const [client, server] = await open();
  await assertRejects(() => client.close({ code: 1006 }), RangeError);
  await client.send("still open");
  assertEquals(await server.receive(), "still open");
  await Promise.all([client.close(), server.receive()]);
});

Deno.test("WebSocketConn.close() cuts a peer who does not answer in time", async () => {
  const world = seededWorld(1);
  const [client, server] = bare({ world, closeTimeout: 300 });
  const closing = server.close();
  await world.advance(299);
  assertEquals(server.closing, undefined);
  await world.advance(1);
  assertEquals(await closing, { code: 1006, reason: "" });
  assertEquals(world.sleepers, 0);
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn waits for FIN after both Close frames, but not for ever", async () => {
  const world = seededWorld(1);
  const [client, server] = bare({ world });
  await writeAll(client, Uint8Array.of(0x88, 0x80, 0, 0, 0, 0));
  const received = server.receive();
  assertEquals(await readToEnd(client), Uint8Array.of(0x88, 0)); // the server says FIN first
  assertEquals(world.sleepers, 1);
  await world.advance(5000);
  assertEquals(await received, null);
  assertEquals(server.closing, { code: 1005, reason: "" });
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn tells a peer who breaks the rules, then ends", async () => {
  const [client, server] = bare();
  await writeAll(client, Uint8Array.of(0x81, 0x01, 0x61)); // not masked
  await client.closeWrite();
  const error = await assertRejects(() => server.receive(), WebSocketFrameError);
  assertEquals(error.closeCode, 1002);
  assertEquals(await readToEnd(client), Uint8Array.of(0x88, 2, 3, 234));
  assert(await assertRejects(() => server.receive()) === error);
  assertEquals(server.closing?.code, 1006);
});

Deno.test("WebSocketConn rejects if the stream ends without a Close frame", async () => {
  const [client, server] = bare();
  client[Symbol.dispose]();
  const error = await assertRejects(() => server.receive(), WebSocketFrameError);
  assertEquals(error.closeCode, 1006);
  assertEquals(await server.close(), { code: 1006, reason: "" });
});

Deno.test("WebSocketConn rejects with the reset of the connection, and again", async () => {
  const [here, there] = memoryPair();
  const server = new WebSocketConn(there, { role: "server" });
  here.reset();
  await assertRejects(() => server.receive(), Deno.errors.ConnectionReset);
  await assertRejects(() => server.receive(), Deno.errors.ConnectionReset);
  assertEquals(server.closing?.code, 1006);
});

Deno.test("WebSocketConn disposed under a pending receive ends it with null", async () => {
  const [client, server] = bare();
  const pending = server.receive();
  server[Symbol.dispose]();
  assertEquals(await pending, null);
  assertEquals(await server.receive(), null);
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn.receive() loses nothing when its signal aborts under a read", async () => {
  const [client, server] = bare();
  const reason = new Error("enough");
  const abort = new AbortController();
  const pending = server.receive({ signal: abort.signal });
  await pinged(client, 1);
  abort.abort(reason);
  assert(await assertRejects(() => pending) === reason);
  assert(await assertRejects(() => server.receive({ signal: abort.signal })) === reason);
  await writeAll(client, Uint8Array.of(0x81, 0x81, 0, 0, 0, 0, 0x61));
  assertEquals(await server.receive(), "a");
  server[Symbol.dispose]();
  client[Symbol.dispose]();
});

Deno.test("WebSocketConn is iterable until it closes, and await using closes it", async () => {
  const [client, server] = await open();
  const all = Array.fromAsync(server);
  {
    await using mine = client;
    await mine.send("a");
    await mine.send("b");
  }
  assertEquals(await all, ["a", "b"]);
  assertEquals(server.closing, { code: 1000, reason: "" });
});

Deno.test("connectWebSocket() and upgradeWebSocket() agree on a subprotocol", async () => {
  const [here, there] = memoryPair();
  const [client, server] = await Promise.all([
    connectWebSocket(here, { host: "h", protocols: ["a", "b"] }),
    upgradeWebSocket(there, { protocols: ["b"] }),
  ]);
  assertEquals([client.protocol, server.protocol], ["b", "b"]);
  await Promise.all([client.close(), server.receive()]);
});

Deno.test("connectWebSocket() keeps frames that came with the response", async () => {
  const [here, there] = memoryPair();
  const connecting = connectWebSocket(here, { host: "h" });
  const decoder = new HttpRequestHeadDecoder();
  for await (const request of frames(there, decoder)) {
    const { response } = acceptWebSocket(request);
    await writeAll(there, Uint8Array.of(...response, 0x81, 1, 0x61)); // in one piece
    break;
  }
  const client = await connecting;
  assertEquals(await client.receive(), "a");
  client[Symbol.dispose]();
  there[Symbol.dispose]();
});

Deno.test("upgradeWebSocket() keeps frames that came with the request", async () => {
  const [here, there] = memoryPair();
  const request = encodeWebSocketRequest({ host: "h", key: webSocketKey(new Uint8Array(16)) });
  await writeAll(here, Uint8Array.of(...request, 0x81, 0x81, 0, 0, 0, 0, 0x61));
  const server = await upgradeWebSocket(there);
  assertEquals(await server.receive(), "a");
  server[Symbol.dispose]();
  here[Symbol.dispose]();
});

Deno.test("upgradeWebSocket() refuses with a response, and both sides learn why", async () => {
  const [here, there] = memoryPair();
  const [client, server] = await Promise.allSettled([
    connectWebSocket(here, { host: "h" }),
    upgradeWebSocket(there, { welcome: () => false }),
  ]);
  for (const side of [client, server]) {
    assert(side.status === "rejected");
    assertInstanceOf(side.reason, WebSocketHandshakeError);
    assertEquals(side.reason.status, 403);
  }
  here[Symbol.dispose]();
  there[Symbol.dispose]();
});

Deno.test("upgradeWebSocket() answers garbage with 400, and silence with an error", async () => {
  const [here, there] = memoryPair();
  await writeAll(here, bytes("SSH-2.0\r\n\r\n"));
  await assertRejects(() => upgradeWebSocket(there), FrameError);
  await there.closeWrite();
  assertEquals(new TextDecoder().decode(await readToEnd(here)).slice(0, 12), "HTTP/1.1 400");

  const [quiet, waiting] = memoryPair();
  await quiet.closeWrite();
  const error = await assertRejects(() => upgradeWebSocket(waiting), WebSocketHandshakeError);
  assertEquals(error.status, 400);
  for (const conn of [here, there, quiet, waiting]) conn[Symbol.dispose]();
});

Deno.test("upgradeWebSocket() says of a request beyond its limits that it is too large", async () => {
  const [here, there] = memoryPair();
  await writeAll(here, bytes(`GET / HTTP/1.1\r\nHost: ${"h".repeat(50)}\r\n\r\n`));
  await assertRejects(() => upgradeWebSocket(there, { maxLine: 40 }), FrameError);
  await there.closeWrite();
  assertEquals(new TextDecoder().decode(await readToEnd(here)).slice(0, 12), "HTTP/1.1 431");
  for (const conn of [here, there]) conn[Symbol.dispose]();
});

Deno.test("connectWebSocket() rejects if the server ends the stream before it answers", async () => {
  const [here, there] = memoryPair();
  await there.closeWrite();
  await assertRejects(() => connectWebSocket(here, { host: "h" }), FrameError);
  here[Symbol.dispose]();
  there[Symbol.dispose]();
});

Deno.test("connectWebSocket() and upgradeWebSocket() end with the reason of their signal", async () => {
  const [here, there] = memoryPair();
  const reason = new Error("enough");
  const abort = new AbortController();
  const both = [
    connectWebSocket(here, { host: "h", signal: abort.signal }),
    upgradeWebSocket(memoryPair()[0], { signal: abort.signal }),
  ];
  abort.abort(reason);
  for (const each of await Promise.allSettled(both)) {
    assert(each.status === "rejected" && each.reason === reason);
  }
  assert(await assertRejects(() => upgradeWebSocket(there, { signal: abort.signal })) === reason);
  there[Symbol.dispose]();
});

Deno.test("WebSocketConn refuses a closeTimeout that is no time", () => {
  const [conn] = memoryPair();
  for (const closeTimeout of [-1, NaN]) {
    assertThrows(() => new WebSocketConn(conn, { role: "server", closeTimeout }), RangeError);
  }
  new WebSocketConn(conn, { role: "server", closeTimeout: 0 })[Symbol.dispose]();
});
