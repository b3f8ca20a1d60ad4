#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump,python3
/**
 * TIME-WAIT: who closed first keeps the port for a minute, and SO_REUSEADDR
 *
 * Chapter §5.2: Le 4-way handshake de fermeture
 *
 * Whoever says FIN first sends the last ACK, and waits whether it was received.
 * Linux does so for 60 s, whatever was agreed upon. If that was the server, its
 * port counts as taken, though nobody listens on it: a program that starts again
 * gets EADDRINUSE, number 98 on Linux and 48 on macOS, unless it asks for
 * SO_REUSEADDR. Deno always does, so a server starts again at once.
 *
 * If the client closed first, it is the client that waits, with a port that
 * nobody wants, and the server's is free at once, with SO_REUSEADDR or without.
 *
 *     deno task lab time_wait
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

import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { bindWithoutReuse } from "./_bare_bind.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { scenario } from "./_scenario.ts";
import { type LabWire, segmentLabel } from "./_wire.ts";

/** How long Linux waits, in milliseconds: TCP_TIMEWAIT_LEN, which nobody can change. */
const MINUTE = 60_000;

/** Longer than this lesson may take. */
const SOME_TIME = 30_000;

/** The server closes first, and starts again; then the client does. */
export const main = scenario(import.meta, async (lab) => {
  const { port, wire } = await serverFirst(lab);
  await again(lab, port, wire);
  await clientFirst(lab);
});

/** Returns the port that is in TIME-WAIT, and its wire. */
async function serverFirst(lab: Lab): Promise<{ port: number; wire: LabWire }> {
  lab.say("The server says goodbye and closes, then the client. Then the server's program ends.");
  await using server = lab.serve((conn) => writeAll(conn, bytes("goodbye")));
  const { port } = server.addr;
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await readToEnd(client);
  client[Symbol.dispose]();
  await server.idle();
  await server[Symbol.asyncDispose]();
  await lab.checkState("the server, which closed first, is in TIME-WAIT", client, {
    server: "TIME-WAIT",
    client: "CLOSED",
  });
  await wire.settled();
  lab.draw();
  if (wire.unseen === undefined) {
    const last = wire.segments.at(-1);
    lab.check("the last segment is its ACK", last && segmentLabel(last), "server ACK");
  } else lab.unseen("the last segment is its ACK", wire.unseen);
  await checkTimer(lab, client);
  return { port, wire };
}

/** The kernel says how long it will go on. */
async function checkTimer(lab: Lab, conn: LabConn): Promise<void> {
  const claim = "Linux waits for 60 s";
  const found = await lab.kernel.sockets(conn);
  if (found === undefined || Deno.build.os !== "linux") {
    return lab.unseen(claim, lab.kernel.unseen ?? `${Deno.build.os} does not say how long`);
  }
  const { kind, left = 0 } = found.find(({ state }) => state === "TIME-WAIT")?.timer ?? {};
  const minute = left <= MINUTE && left > MINUTE - SOME_TIME;
  lab.check(claim, [kind, minute ? "up to 60 s" : left], ["timewait", "up to 60 s"]);
}

async function again(lab: Lab, port: number, wire: LabWire): Promise<void> {
  lab.say(`Nobody listens on ${port} now. A program without SO_REUSEADDR wants to.`);
  const claim = "without SO_REUSEADDR, the port is taken";
  const bare = await bindWithoutReuse(port, lab.signal);
  if (bare.tried) lab.say(`It gets ${bare.code ?? "it"}${bare.errno ? `, ${bare.errno}` : ""}.`);
  lab.say("A server of this toolkit starts again, on the same port, at once.");
  await using server = lab.serve((conn) => writeAll(conn, bytes("hello")), "server", { port });
  using client = await lab.dial(server.addr);
  const heard = new TextDecoder().decode(await readToEnd(client));
  client[Symbol.dispose]();
  await server.idle();
  await wire.settled();
  lab.draw();
  if (bare.tried) {
    // The chapter's 48 is what macOS calls it.
    const errno = Deno.build.os === "darwin" ? 48 : 98;
    lab.check(claim, [bare.code, bare.errno], ["EADDRINUSE", errno]);
  } else lab.unseen(claim, bare.why);
  lab.check("with it, the server serves again", heard, "hello");
}

async function clientFirst(lab: Lab): Promise<void> {
  lab.say("Now the client closes first.");
  const { conn, port } = await closedByClient(lab);
  await lab.checkState("the client, which closed first, is in TIME-WAIT", conn, {
    client: "TIME-WAIT",
    server: "CLOSED",
  });
  lab.draw();
  const claim = "the server's port is free at once, even without SO_REUSEADDR";
  let bare = await bindWithoutReuse(port, lab.signal);
  // So free that somebody else may have had it meanwhile, as a client's port.
  for (let tries = 0; bare.tried && bare.code && tries < 3; tries++) {
    bare = await bindWithoutReuse((await closedByClient(lab)).port, lab.signal);
  }
  if (bare.tried) lab.check(claim, bare.code ?? "listening", "listening");
  else lab.unseen(claim, bare.why);
}

/** A connection that its client ended, and the port of the server, which has ended as well. */
async function closedByClient(lab: Lab): Promise<{ conn: LabConn; port: number }> {
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  using conn = await lab.dial(server.addr);
  await conn.closeWrite();
  await readToEnd(conn);
  conn[Symbol.dispose]();
  await server.idle();
  return { conn, port: server.addr.port };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

if (import.meta.main) await run(main, import.meta);
