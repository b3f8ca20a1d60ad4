#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Reading to the end: FIN says that this was all
 *
 * Chapter §4.3.3: Pattern 3 : Lecture complète jusqu'à fermeture
 *
 * The simplest of all protocols: the server says what it has to say and closes, as
 * in HTTP/1.0. The client reads until FIN. That has two limits, which the
 * chapter's recv_all() does not know. A server that never ends fills the client's
 * memory, so there must be a most. And an end is not always the end: after a reset
 * something may be missing, and what has come so far must not pass for all of it.
 *
 *     deno task lab read_to_end
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
import { readExact, readToEnd, TooMuchDataError, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const PART = new Uint8Array(1000).fill(65);
const PARTS = 5;
const LIMIT = 64 * 1024;

/** A proper end, none at all, and one that is not the end. */
export const main = scenario(import.meta, async (lab) => {
  await fin(lab);
  await endless(lab);
  await reset(lab);
});

async function fin(lab: Lab): Promise<void> {
  lab.say(`A request; an answer in ${PARTS} parts of ${PART.length} bytes; FIN.`);
  await using server = lab.serve(async (conn) => {
    await readToEnd(conn);
    for (let part = 0; part < PARTS; part++) await writeAll(conn, PART);
  });
  using client = await lab.dial(server.addr);
  await writeAll(client, new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
  await client.closeWrite();
  const answer = await readToEnd(client);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  lab.check("FIN: all of it has come", answer.length, PARTS * PART.length);
  const [end] = lab.calls("client", "read").slice(-1);
  lab.check("FIN: that was known from a read which said null", end?.bytes, null);
}

async function endless(lab: Lab): Promise<void> {
  const before = lab.calls("client", "read").length;
  lab.say(`A server that never stops, and a client that takes at most ${LIMIT} bytes.`);
  await using server = lab.serve(async (conn) => {
    while (true) await writeAll(conn, new Uint8Array(LIMIT));
  });
  using client = await lab.dial(server.addr);
  const refusal = await readToEnd(client, { maxBytes: LIMIT }).catch((error) => error);

  lab.say("That is enough. The client closes, and the server's writes fail.");
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  lab.check("endless: the client would not have more", refusal instanceof TooMuchDataError);
  const reads = lab.calls("client", "read").slice(before);
  const taken = reads.reduce((sum, read) => sum + (read.bytes ?? 0), 0);
  lab.check("endless: it gave up within one buffer of its limit", taken <= 2 * LIMIT);
  const last = lab.calls("server", "write").at(-1);
  lab.check("endless: that stopped the server", last?.error !== undefined);
}

async function reset(lab: Lab): Promise<void> {
  using listener = await listenResettable();
  const { addr } = listener;
  lab.say(`A server that breaks off after ${PART.length} bytes: RST, where FIN should be.`);
  using client = await lab.connect(addr, "client", () => dial(addr, { signal: lab.signal }));
  using server = lab.accepted(await listener.accept());
  await writeAll(server, PART);
  const part = await readExact(client, PART.length);
  server.reset();
  const why = await readToEnd(client).catch((error) => error);
  client[Symbol.dispose]();
  lab.draw();

  lab.check("RST: a part of it had come", part.length, PART.length);
  lab.check("RST: it is not taken for all", why instanceof Deno.errors.ConnectionReset);
}

if (import.meta.main) await run(main, import.meta);
