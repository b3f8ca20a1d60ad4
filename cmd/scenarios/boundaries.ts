#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Boundaries: three sends, however they arrive
 *
 * Chapter §4.2: recv() - Réception de données
 *
 * TCP keeps the bytes and their order, and nothing else: where one `write` ended
 * and the next one began is forgotten at once. Three messages may come out of
 * three reads, of one, or cut in the middle. Which it is depends on when the
 * reader asks and on how much room it has, so a program that takes a `read` for a
 * message works on its author's desk and fails elsewhere.
 *
 *     deno task lab boundaries
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

import { type Reader, readExact, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const MESSAGES = ["Message1", "Message2", "Message3"];
const SENT = MESSAGES.join("");

/** The same three sends, three times. */
export const main = scenario(import.meta, async (lab) => {
  const inTurn = await answered(lab);
  lab.check("in turn: a read for each message, as on the author's desk", inTurn, MESSAGES);

  lab.say("The client sends all three, and FIN. Only then the server begins to read.");
  const together = await readLate(lab, 1024);
  lab.check("late: fewer reads than messages", together.length < MESSAGES.length);
  lab.check("late: the bytes and their order are kept", together.join(""), SENT);

  lab.say("The same, and the server has room for 11 bytes at a time.");
  const cut = await readLate(lab, 11);
  lab.check("short of room: a message is cut in two", cut.some((text) => text.length % 8 !== 0));
  lab.check("short of room: the bytes and their order are kept", cut.join(""), SENT);
});

/** What the reads gave while the client waited, before each message, for word of the last. */
async function answered(lab: Lab): Promise<string[]> {
  const reads: string[] = [];
  lab.say("The client waits for an answer before it sends the next message.");
  await using server = lab.serve(async (conn) => {
    for await (const text of texts(conn, 1024)) {
      reads.push(text);
      await writeAll(conn, bytes("."));
    }
  });
  using client = await lab.dial(server.addr);
  for (const message of MESSAGES) {
    await writeAll(client, bytes(message));
    await readExact(client, 1);
  }
  client[Symbol.dispose]();
  await server.idle();
  tell(lab, reads);
  return reads;
}

/** What the reads gave, with `room` bytes for each, after all was sent. */
async function readLate(lab: Lab, room: number): Promise<string[]> {
  const sent = Promise.withResolvers<void>();
  const reads: string[] = [];
  await using server = lab.serve(async (conn) => {
    await sent.promise;
    for await (const text of texts(conn, room)) reads.push(text);
  });
  using client = await lab.dial(server.addr);
  for (const message of MESSAGES) await writeAll(client, bytes(message));
  await client.closeWrite();
  sent.resolve();
  await server.idle();
  client[Symbol.dispose]();
  tell(lab, reads);
  return reads;
}

/** What each read gives, until FIN. */
async function* texts(from: Reader, room: number): AsyncGenerator<string> {
  const buffer = new Uint8Array(room);
  for (let n; (n = await from.read(buffer)) !== null;) {
    yield new TextDecoder().decode(buffer.subarray(0, n));
  }
}

function tell(lab: Lab, reads: readonly string[]): void {
  lab.say(`What the reads gave: ${reads.map((text) => JSON.stringify(text)).join(", ")}`);
  lab.draw();
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

if (import.meta.main) await run(main, import.meta);
