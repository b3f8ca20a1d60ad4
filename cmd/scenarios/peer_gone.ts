#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The peer is gone: FIN, RST, and a write that nobody reads
 *
 * Chapter §5.4: Gestion des connexions fermées par le pair
 *
 * A peer can end a connection in ways that mean different things, and they are
 * told apart by what `read` and `write` say. After FIN, `read` says `null`: all
 * that was sent has come. After RST it fails: something may be missing. And a peer
 * that has closed still lets the first `write` pass, since that only fills a
 * buffer; what fails is a later one.
 *
 * Deno itself tells of an RST only once: from the second time on, its `read` says
 * `null`, as if the stream had come to its proper end. Connections of this toolkit
 * do not.
 *
 *     deno task lab peer_gone
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

import { dial } from "../../lib/client/dial.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable, type ResettableListener } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Addressed, Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Three ends, one after the other. */
export const main = scenario(import.meta, async (lab) => {
  await fin(lab);
  using listener = await listenResettable();
  const { addr } = listener;
  lab.say("The peer resets: RST. On a connection of this toolkit, that is remembered.");
  const ours = await reset(lab, listener, () => dial(addr, { signal: lab.signal }));
  lab.check("RST: the first read fails", ours[0], "ECONNRESET");
  lab.check("RST: so does every other", ours.slice(1), ["ECONNRESET", "ECONNRESET"]);

  lab.say("The same again, on a connection as Deno makes it.");
  const bare = await reset(lab, listener, () => Deno.connect({ port: addr.port }));
  lab.check("RST, Deno alone: the first read fails", bare[0], "ECONNRESET");
  lab.check("RST, Deno alone: the next ones pass it for an end", bare.slice(1), [null, null]);
  await intoTheVoid(lab);
});

async function fin(lab: Lab): Promise<void> {
  lab.say("The peer says all it has to say, and closes: FIN.");
  await using server = lab.serve((conn) => writeAll(conn, new TextEncoder().encode("bye")));
  using client = await lab.dial(server.addr);
  const received = new TextDecoder().decode(await readToEnd(client));
  const after = await reads(client, 2);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  lab.check("FIN: all that was sent before it has come", received, "bye");
  lab.check("FIN: read says null from then on", after, [null, null]);
}

/** What three reads say on a connection whose peer resets it. */
async function reset(
  lab: Lab,
  listener: ResettableListener,
  make: () => Promise<Addressed>,
): Promise<Said[]> {
  using client = await lab.connect(listener.addr, "client", make);
  using server = lab.accepted(await listener.accept());
  server.reset();
  const said = await reads(client, 3);
  client[Symbol.dispose]();
  lab.draw();
  return said;
}

async function intoTheVoid(lab: Lab): Promise<void> {
  lab.say("The peer closes, and the client goes on writing.");
  await using server = lab.serve(async () => {});
  using client = await lab.dial(server.addr);
  const end = await reads(client, 1);
  await server.idle();
  const said = await writesUntilError(client);
  client[Symbol.dispose]();
  lab.draw();

  lab.check("written to nobody: read says null, as after any FIN", end, [null]);
  lab.check("written to nobody: the first write passes", said[0], 10);
  lab.check("written to nobody: then the pipe is broken", said.at(-1), "EPIPE");
}

/** What a call said: a number of bytes, null for the end, or the code of an error. */
type Said = number | null | string;

async function reads(conn: Duplex, times: number): Promise<Said[]> {
  const said: Said[] = [];
  while (said.length < times) said.push(await conn.read(new Uint8Array(64)).catch(codeOf));
  return said;
}

/** The kernel answers the first write by RST; until that is back, more writes may pass. */
async function writesUntilError(conn: Duplex): Promise<Said[]> {
  const said: Said[] = [];
  while (typeof said.at(-1) !== "string") {
    said.push(await conn.write(new Uint8Array(10)).catch(codeOf));
  }
  return said;
}

function codeOf(error: Error & { code?: string }): string {
  return error.code ?? error.name;
}

if (import.meta.main) await run(main, import.meta);
