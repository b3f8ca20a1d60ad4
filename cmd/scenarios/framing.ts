#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Framing: messages that say how long they are
 *
 * Chapter §4.2.1: Solution 1 : Protocole avec longueur
 *
 * Four bytes before each message say how many follow, the most significant first.
 * Now the reader knows when a message is whole, and it does not matter any more
 * how TCP cuts the stream. A connection that ends inside a message is known to
 * have ended there.
 *
 * What those four bytes say is a stranger's word: up to 4 GiB. It is held against
 * a limit before any memory is taken.
 *
 *     deno task lab framing
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

import { FrameError } from "../../lib/framing/decoder.ts";
import { MessageEncoder } from "../../lib/framing/message_codec.ts";
import { MessageConn } from "../../lib/framing/messages.ts";
import { type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { narrow } from "./_narrow.ts";
import { scenario } from "./_scenario.ts";

const MESSAGES = ["Message1", "Message2", "Message3"];

/** Three messages in one read and in many, then a lie and a cut. */
export const main = scenario(import.meta, async (lab) => {
  const encoder = new MessageEncoder();
  const frames = MESSAGES.flatMap((text) => [...encoder.encode(text)]);
  const first = frames.slice(0, 12);

  lab.say(`Three messages in one write. The first one, on the wire: ${hex(first)}`);
  const together = await deliver(lab, frames);
  lab.check("in one piece: the messages come out as they went in", together.messages, MESSAGES);
  lab.check("in one piece: it took one read", together.reads, 1);

  lab.say("The same bytes, and each read gives one of them.");
  const crumbs = await deliver(lab, frames, (conn) => narrow(conn, 1));
  lab.check("in crumbs: the messages come out as they went in", crumbs.messages, MESSAGES);
  lab.check("in crumbs: it took a read for each byte", crumbs.reads, frames.length);

  lab.say("A client announces a message of 4 GiB. The server's limit is 1 MiB.");
  const { error: tooLong } = await deliver(lab, [0xff, 0xff, 0xff, 0xff]);
  lab.check("a lie: refused as soon as it is told", tooLong?.code, "too-long");

  lab.say("A client announces 8 bytes, sends 4, and ends.");
  const { error: truncated } = await deliver(lab, first.slice(0, 8));
  lab.check("a cut: not taken for a message", truncated?.code, "truncated");
  lab.check("a cut: what is missing is known", truncated?.missing, 4);
});

/** What came of it. */
interface Delivery {
  messages: string[];
  /** How many reads gave bytes. */
  reads: number;
  error: FrameError | undefined;
}

/** Sends `bytes` in one write, then FIN, and receives what messages they make. */
async function deliver(
  lab: Lab,
  bytes: readonly number[],
  through: (conn: Duplex) => Duplex = (conn) => conn,
): Promise<Delivery> {
  const messages: string[] = [];
  let error: FrameError | undefined;
  const before = lab.calls("server", "read").length;
  await using server = lab.serve(async (conn) => {
    try {
      for await (const text of new MessageConn(through(conn))) messages.push(text);
    } catch (thrown) {
      if (!(thrown instanceof FrameError)) throw thrown;
      error = thrown;
    }
  });
  using client = await lab.dial(server.addr);
  await writeAll(client, Uint8Array.from(bytes));
  await client.closeWrite();
  await server.idle();
  client[Symbol.dispose]();
  lab.say(error?.message ?? `Received: ${messages.map((text) => JSON.stringify(text)).join(", ")}`);
  lab.draw();
  const reads = lab.calls("server", "read").slice(before).filter((call) => call.bytes).length;
  return { messages, reads, error };
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

if (import.meta.main) await run(main, import.meta);
