#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A read with a deadline: giving up without losing anything
 *
 * Chapter §4.3.2: Pattern 2 : Lecture avec timeout
 *
 * A peer may be silent for ever, so every wait wants an end. In Python that is
 * select() and then recv(): a call that gave up has taken nothing. Here a `read`
 * cannot be taken back. Raced against a timer it is forgotten, not ended: it goes
 * on waiting, and the next bytes that come are its own, in a buffer at which
 * nobody looks any more.
 *
 * A `TimedReader` knows of the read that it left behind, and hands what came of it
 * to the next one. A `MessageConn` or a `LineConn` does so too, and keeps half a
 * message as well.
 *
 *     deno task lab read_deadline
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

import { LineConn } from "../../lib/framing/messages.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { TimedReader } from "../../lib/stream/timed_reader.ts";
import { realWorld } from "../../lib/world.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn, LabServer } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Milliseconds. Any number would do, as the server waits until it is asked. */
const TIMEOUT = 20;

const QUESTION = "?\n";

/** The same wait in three ways. */
export const main = scenario(import.meta, async (lab) => {
  await raced(lab);
  await timed(lab);
  await halfALine(lab);
});

async function raced(lab: Lab): Promise<void> {
  lab.say(`A read, raced against ${TIMEOUT} ms. The server is silent until it is asked.`);
  await using server = serve(lab, "", "Message1");
  using client = await lab.dial(server.addr);
  const forgotten = new Uint8Array(64);
  const orphan = client.read(forgotten);
  const winner = await Promise.race([orphan, realWorld.sleep(TIMEOUT).then(() => "timer")]);

  lab.say("The timer has won. The client asks, and reads: but the other read came first.");
  await writeAll(client, bytes(QUESTION));
  const heard = await readToEnd(client);
  const swallowed = forgotten.subarray(0, await orphan ?? 0);
  await end(lab, client, server);

  lab.check("raced: the timer won", winner, "timer");
  lab.check("raced: the second read heard nothing but the end", text(heard), "");
  lab.check("raced: the forgotten one has what it was waiting for", text(swallowed), "Message1");
}

async function timed(lab: Lab): Promise<void> {
  lab.say("The same with a TimedReader.");
  await using server = serve(lab, "", "Message1");
  using client = await lab.dial(server.addr);
  const reader = new TimedReader(client);
  const late = await nameOf(reader.read(new Uint8Array(64), { timeout: TIMEOUT }));

  lab.say("The time is over. The client asks, and reads again.");
  await writeAll(client, bytes(QUESTION));
  const heard = await readToEnd(reader);
  await end(lab, client, server);

  lab.check("timed: the first read gave up", late, "TimeoutError");
  lab.check("timed: the second one heard the answer", text(heard), "Message1");
}

async function halfALine(lab: Lab): Promise<void> {
  lab.say("A line, half of which comes in time.");
  await using server = serve(lab, "Mess", "age1\n");
  using client = await lab.dial(server.addr);
  const lines = new LineConn(client);
  const late = await nameOf(lines.receive({ timeout: TIMEOUT }));

  lab.say("The time is over. The client asks for the rest.");
  await lines.send("?");
  const line = await lines.receive();
  await end(lab, client, server);

  lab.check("half a line: the client gave up", late, "TimeoutError");
  lab.check("half a line: once the rest is there, it is whole", line, "Message1");
}

/** Says something, and something else when it is asked. */
function serve(lab: Lab, before: string, after: string): LabServer {
  return lab.serve(async (conn) => {
    if (before !== "") await writeAll(conn, bytes(before));
    await readExact(conn, QUESTION.length);
    await writeAll(conn, bytes(after));
  });
}

async function end(lab: Lab, client: LabConn, server: LabServer): Promise<void> {
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
}

/** What a call that ought to fail throws, by name. */
async function nameOf(call: Promise<unknown>): Promise<string | undefined> {
  return await call.then(() => undefined, (error: Error) => error.name);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

if (import.meta.main) await run(main, import.meta);
