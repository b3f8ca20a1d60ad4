/** Our WebSocket against Deno's own, over loopback, either way round. */

import { assert, assertEquals } from "@std/assert";
import { connectWebSocket, upgradeWebSocket } from "../../lib/framing/open_websocket.ts";
import type { WebSocketConn } from "../../lib/framing/websocket_conn.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { dial } from "../../lib/client/dial.ts";

/** Texts and bytes of lengths that are written in each of the three ways. */
const MESSAGES = ["", "Grüß Gott 😀", "x".repeat(126), "y".repeat(70_000)];

/** Deno's client, open; it listens from the start, since messages do not wait for a listener. */
class DenoClient {
  readonly closed: Promise<CloseEvent>;
  readonly messages: ReadableStreamDefaultReader<unknown>;

  private constructor(readonly socket: WebSocket) {
    socket.binaryType = "arraybuffer";
    const closed = Promise.withResolvers<CloseEvent>();
    this.closed = closed.promise;
    this.messages = new ReadableStream({
      start(controller) {
        socket.onmessage = ({ data }) => controller.enqueue(data);
        socket.onclose = (event) => {
          controller.close();
          closed.resolve(event);
        };
      },
    }).getReader();
  }

  static async open(port: number, protocols: string[] = []): Promise<DenoClient> {
    const client = new DenoClient(new WebSocket(`ws://127.0.0.1:${port}/`, protocols));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.socket.onopen = () => resolve();
    client.socket.onerror = () => reject(new Error("not opened"));
    await promise;
    return client;
  }

  async next(): Promise<unknown> {
    return (await this.messages.read()).value;
  }
}

/** A server of ours that hands each WebSocket to `handler`. */
function serve(handler: (conn: WebSocketConn) => Promise<void>): TcpServer {
  return serveTcp({}, async (tcp) => {
    await handler(await upgradeWebSocket(tcp, { protocols: ["lab"] }));
  });
}

async function echo(conn: WebSocketConn): Promise<void> {
  for await (const message of conn) await conn.send(message);
}

Deno.test("upgradeWebSocket() serves Deno's client, which closes", async () => {
  let closing: unknown;
  await using server = serve(async (conn) => {
    await echo(conn);
    closing = conn.closing;
  });
  const client = await DenoClient.open(server.addr.port, ["other", "lab"]);
  assertEquals(client.socket.protocol, "lab");
  for (const text of MESSAGES) {
    client.socket.send(text);
    assertEquals(await client.next(), text);
    const bytes = new TextEncoder().encode(text);
    client.socket.send(bytes);
    assertEquals(new Uint8Array(await client.next() as ArrayBuffer), bytes);
  }
  client.socket.close(3000, "done");
  const { code, wasClean } = await client.closed;
  assertEquals([code, wasClean], [3000, true]);
  await server.shutdown();
  assertEquals(closing, { code: 3000, reason: "done" });
});

Deno.test("upgradeWebSocket() serves Deno's client, and closes", async () => {
  await using server = serve(async (conn) => {
    await conn.send("bye");
    assertEquals((await conn.close({ code: 4001, reason: "enough" })).code, 4001);
  });
  const client = await DenoClient.open(server.addr.port);
  assertEquals(await client.next(), "bye");
  const { code, reason, wasClean } = await client.closed;
  assertEquals({ code, reason, wasClean }, { code: 4001, reason: "enough", wasClean: true });
});

Deno.test("upgradeWebSocket() and Deno's client talk both ways at once", async () => {
  const count = 200;
  await using server = serve(async (conn) => {
    const heard = conn[Symbol.asyncIterator]();
    const sending = (async () => {
      for (let i = 0; i < count; i++) await conn.send(`down ${i}`);
    })();
    for (let i = 0; i < count; i++) assertEquals((await heard.next()).value, `up ${i}`);
    await sending;
    await conn.close();
  });
  const client = await DenoClient.open(server.addr.port);
  for (let i = 0; i < count; i++) client.socket.send(`up ${i}`);
  for (let i = 0; i < count; i++) assertEquals(await client.next(), `down ${i}`);
  assertEquals((await client.closed).code, 1000);
});

Deno.test("upgradeWebSocket() gets fragments and pings past Deno's client", async () => {
  await using server = serveTcp({}, async (tcp) => {
    const conn = await upgradeWebSocket(tcp, { maxFrame: 10 });
    await conn.ping(new Uint8Array(5));
    await conn.send("a message in four fragments, one by one");
    assertEquals(await conn.receive(), "got it");
    await conn.close();
  });
  const client = await DenoClient.open(server.addr.port);
  assertEquals(await client.next(), "a message in four fragments, one by one");
  client.socket.send("got it");
  assertEquals((await client.closed).code, 1000);
});

/** Deno's server. */
function denoServer(onSocket: (socket: WebSocket) => void): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    if (request.headers.get("upgrade") !== "websocket") return new Response("no", { status: 400 });
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    socket.binaryType = "arraybuffer";
    onSocket(socket);
    return response;
  });
}

Deno.test("connectWebSocket() talks to Deno's server, and closes", async () => {
  const closed = Promise.withResolvers<CloseEvent>();
  await using server = denoServer((socket) => {
    socket.onmessage = ({ data }) => socket.send(data);
    socket.onclose = closed.resolve;
  });
  using tcp = await dial(server.addr);
  const conn = await connectWebSocket(tcp, { host: `127.0.0.1:${server.addr.port}` });
  for (const text of MESSAGES) {
    await conn.send(text);
    assertEquals(await conn.receive(), text);
    const bytes = new TextEncoder().encode(text);
    await conn.send(bytes);
    assertEquals(await conn.receive(), bytes);
  }
  assertEquals((await conn.close({ code: 3333, reason: "done" })).code, 3333);
  const { code, reason, wasClean } = await closed.promise;
  assertEquals({ code, reason, wasClean }, { code: 3333, reason: "done", wasClean: true });
});

Deno.test("connectWebSocket() hears Deno's server close", async () => {
  await using server = denoServer((socket) => {
    socket.onopen = () => {
      socket.send("bye");
      socket.close(4002, "enough");
    };
  });
  using tcp = await dial(server.addr);
  const conn = await connectWebSocket(tcp, { host: "127.0.0.1" });
  assertEquals(await conn.receive(), "bye");
  assertEquals(await conn.receive(), null);
  assertEquals(conn.closing, { code: 4002, reason: "enough" });
});

Deno.test("connectWebSocket() is told by Deno's server when it is refused", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    () => new Response("not here", { status: 404 }),
  );
  using tcp = await dial(server.addr);
  const [result] = await Promise.allSettled([connectWebSocket(tcp, { host: "127.0.0.1" })]);
  assert(result.status === "rejected");
  assertEquals(result.reason.status, 404);
});
