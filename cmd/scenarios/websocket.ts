#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * WebSocket: an HTTP request that turns into a conversation
 *
 * Chapter §4.4.1: Cas d'usage réel : WebSocket après upgrade
 *
 * HTTP is a question and an answer. A WebSocket begins as such, with a request to
 * upgrade; after the server's 101, the same TCP connection carries messages, both
 * ways and at the same time. A message is a frame: two bytes or more say what it
 * is and how long, and what a client sends is masked by four random bytes, so that
 * no proxy takes it for HTTP. Pings ask whether the other end is alive, and Close
 * frames say goodbye, with a reason, before TCP does.
 *
 * First Deno's own WebSocket is the client and this toolkit the server; then the
 * other way round.
 *
 *     deno task lab websocket
 *
 * Flags:
 *
 *     --json           print what happens as JSON, one event on each line
 *     --quiet          print the verdict only
 *     --mermaid        print the pictures as a Mermaid sequence diagram
 *     --svg FILE       write the pictures as SVG as well
 *     --pcapng FILE    write the packets for Wireshark as well
 *     --help, --version
 *
 * Exit codes: 0, every check held; 1, one did not; 2, wrong command line.
 *
 * @module
 */

import { formatAddr, tcpAddr } from "../../lib/addr.ts";
import { connectWebSocket, upgradeWebSocket } from "../../lib/framing/open_websocket.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";
import { Wiretap } from "./_wiretap.ts";

/** What each side says to the other, without waiting for it. */
const DOWN = ["down 1", "down 2", "down 3"];
const UP = ["up 1", "up 2", "up 3"];

/** What is said at the end: codes from 4000 on are free for all. */
const ALL_HEARD = { code: 4001, reason: "all heard" };

/** Deno's client and our server, then our client and Deno's server. */
export const main = scenario(import.meta, async (lab) => {
  await denosClient(lab);
  await denosServer(lab);
});

async function denosClient(lab: Lab): Promise<void> {
  lab.say("Deno's WebSocket is the client. It sends at once, and so does the server.");
  const wire = new Wiretap();
  const closing = Promise.withResolvers<unknown>();
  await using server = lab.serve(async (conn) => {
    const socket = await upgradeWebSocket(wire.tap(conn));
    await socket.ping(new TextEncoder().encode("alive?"));
    for (const text of DOWN) await socket.send(text);
    for await (const _ of socket);
    closing.resolve(socket.closing);
  });
  const client = new DenosClient(new WebSocket(`ws://${formatAddr(server.addr)}/lab`));
  await client.closed;
  await server.idle();
  lab.say("After the 101, each write of the server is a frame: 2 bytes, and what it carries.");
  lab.draw();

  const { request, messages } = wire.heard();
  const of = (type: string) => messages.filter((message) => message.type === type);
  lab.check("it began with an HTTP request", request, "GET /lab");
  lab.check("the client heard all", client.heard, DOWN);
  lab.check("the server heard all", of("text"), UP.map((text) => ({ type: "text", text })));
  const texts = lab.calls("server", "write").slice(2, 2 + DOWN.length);
  const [, read] = lab.calls("server", "read");
  lab.check("a frame was 2 bytes and a text", texts.map(({ bytes }) => bytes), sizes(DOWN, 2));
  lab.check("the client had said all before it heard anything", client.heardWhenDone, 0);
  lab.check("the server had said all before it read anything", texts.at(-1)!.at < read!.at);
  const bytes = new TextEncoder().encode("alive?");
  lab.check("the ping was answered with its own bytes", of("pong"), [{ type: "pong", bytes }]);
  lab.check("the client said why it closed", await closing.promise, ALL_HEARD);
  lab.check("and heard its code back", await client.closed, { code: 4001, wasClean: true });
}

/** Deno's client: says all it has to say, listens, and closes when it has heard all. */
class DenosClient {
  readonly heard: unknown[] = [];
  /** How much it had heard when it had said all. */
  heardWhenDone: number | undefined;
  readonly closed: Promise<unknown>;

  constructor(socket: WebSocket) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.closed = promise;
    socket.onopen = () => {
      for (const text of UP) socket.send(text);
      this.heardWhenDone = this.heard.length;
    };
    socket.onmessage = ({ data }) => {
      this.heard.push(data);
      if (this.heard.length === DOWN.length) socket.close(ALL_HEARD.code, ALL_HEARD.reason);
    };
    socket.onclose = ({ code, wasClean }) => resolve({ code, wasClean });
  }
}

async function denosServer(lab: Lab): Promise<void> {
  lab.say("Deno.upgradeWebSocket() is the server. What it does is not on the record.");
  const atServer: unknown[] = [];
  const closed = Promise.withResolvers<unknown>();
  const { signal } = lab;
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => DOWN.forEach((text) => socket.send(text));
    socket.onmessage = ({ data }) => atServer.push(data);
    socket.onclose = ({ code, reason }) => closed.resolve({ code, reason });
    return response;
  });
  const addr = tcpAddr("127.0.0.1", server.addr.port);
  using conn = await lab.dial(addr);
  const socket = await connectWebSocket(conn, { host: formatAddr(addr), signal });
  const atClient: unknown[] = [];
  await Promise.all([
    (async () => {
      for (const text of UP) await socket.send(text);
    })(),
    (async () => {
      while (atClient.length < DOWN.length) atClient.push(await socket.receive());
    })(),
  ]);
  const answer = await socket.close(ALL_HEARD);
  lab.say("A frame of a client is 4 bytes longer: that is the mask.");
  lab.draw();

  const frames = lab.calls("client", "write").slice(1, 1 + UP.length);
  lab.check("a frame was 6 bytes and a text", frames.map(({ bytes }) => bytes), sizes(UP, 6));
  lab.check("our client heard all", atClient, DOWN);
  lab.check("Deno's server heard all", atServer, UP);
  lab.check("Deno's server heard why", await closed.promise, ALL_HEARD);
  lab.check("and answered with the same code", answer.code, ALL_HEARD.code);
}

function sizes(texts: readonly string[], head: number): number[] {
  return texts.map((text) => head + text.length);
}

if (import.meta.main) await run(main, import.meta);
