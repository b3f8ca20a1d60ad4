#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Delimiters: a line is what comes before its newline
 *
 * Chapter §4.2.2: Solution 2 : Délimiteur
 *
 * Where every message ends with the same bytes, people can type messages and read
 * them on the wire. The reader keeps what has come until the delimiter has. Three
 * questions it must answer: what if the delimiter itself is cut in two, what is
 * the rest that ends with FIN instead, and how long does it go on keeping what has
 * no end? The chapter's reader keeps it until its memory is full.
 *
 * And one that its sender must answer: a message may not contain the delimiter.
 *
 *     deno task lab delimiters
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

import { drain } from "../../lib/framing/decoder.ts";
import { TextLineDecoder } from "../../lib/framing/lines.ts";
import { LineConn } from "../../lib/framing/messages.ts";
import { chunks, type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { narrow } from "./_narrow.ts";
import { scenario } from "./_scenario.ts";

const TEXT = "Message ligne 1\nMessage ligne 2\r\nno newline";
const LINES = ["Message ligne 1", "Message ligne 2", "no newline"];
const LIMIT = 16;

/** Lines in one read and in many, one without end, and one that is two. */
export const main = scenario(import.meta, async (lab) => {
  lab.say("One line ends with LF, one with CR LF as in HTTP, and the last one with FIN.");
  const whole = await receive(lab, (conn) => Array.fromAsync(new LineConn(conn)), TEXT);
  lab.check("in one piece: three lines, without their newlines", whole, LINES);

  lab.say("The same bytes, and each read gives one of them: CR, and then LF.");
  const byOne = (conn: Duplex) => Array.fromAsync(new LineConn(narrow(conn, 1)));
  lab.check("in crumbs: the same three lines", await receive(lab, byOne, TEXT), LINES);

  await tooLong(lab);
  await twoInOne(lab);
});

async function tooLong(lab: Lab): Promise<void> {
  const decoder = new TextLineDecoder({ maxLength: LIMIT, onTooLong: () => "(too long)" });
  let held = 0;
  lab.say(`A line of 1000 bytes between two short ones, where ${LIMIT} are allowed.`);
  const received = await receive(lab, async (conn) => {
    const lines: string[] = [];
    for await (const chunk of chunks(narrow(conn, 100))) {
      decoder.push(chunk);
      lines.push(...drain(decoder));
      held = Math.max(held, decoder.buffered);
    }
    return lines;
  }, `short\n${"x".repeat(1000)}\nagain\n`);

  const told = ["short", "(too long)", "again"];
  lab.check("too long: that is told once, and the next line is read", received, told);
  lab.check("too long: no more than the limit and a newline was ever kept", held <= LIMIT + 2);
}

async function twoInOne(lab: Lab): Promise<void> {
  let refusal: unknown;
  lab.say("A message with a newline in it would arrive as two. It is not sent at all.");
  const received = await receive(
    lab,
    (conn) => Array.fromAsync(new LineConn(conn)),
    async (conn) => {
      const lines = new LineConn(conn);
      refusal = await lines.send("one\ntwo").catch((error) => error);
      await lines.send("one and two");
    },
  );
  lab.check("two in one: refused by its sender", refusal instanceof RangeError);
  lab.check("two in one: nothing of it went out", received, ["one and two"]);
}

/** What lines a server makes of what a client sends before FIN. */
async function receive(
  lab: Lab,
  read: (conn: Duplex) => Promise<string[]>,
  send: string | ((conn: Duplex) => Promise<void>),
): Promise<string[]> {
  let received: string[] = [];
  await using server = lab.serve(async (conn) => {
    received = await read(conn);
  });
  using client = await lab.dial(server.addr);
  if (typeof send === "string") await writeAll(client, new TextEncoder().encode(send));
  else await send(client);
  await client.closeWrite();
  await server.idle();
  client[Symbol.dispose]();
  lab.say(`Received: ${received.map((line) => JSON.stringify(line)).join(", ")}`);
  lab.draw();
  return received;
}

if (import.meta.main) await run(main, import.meta);
