#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-read=/tmp --allow-write=/tmp
/**
 * File, then FIN, then a confirmation: half-close at work, and what it cannot say
 *
 * Chapter §5.1: shutdown() vs close()
 *
 * Where the end of the stream is the end of the file, no size need be sent: the
 * sender says FIN, and listens on for what the receiver says to it. That is the
 * chapter's send_file_with_shutdown(). But FIN is also what the kernel says for a
 * process that dies. So the receiver takes half a file for a whole one, and only a
 * sender that lives to compare the confirmation knows. A reset is no end: a sender
 * that can should leave by one.
 *
 *     deno task lab file_confirmed
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

import { type Duplex, isResettable, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import type { TransferError } from "../../lib/transfer/error.ts";
import { receiveFile, type ReceiveReport } from "../../lib/transfer/receive.ts";
import { sendFile } from "../../lib/transfer/send.ts";
import { openSource } from "../../lib/transfer/source.ts";
import { fileStore } from "../../lib/transfer/store.ts";
import { run } from "../_cli.ts";
import { holds, temporaryFolder } from "./_folder.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** A file of 3,000 bytes. */
const FILE = Uint8Array.from({ length: 3000 }, (_, i) => i % 251);

/** Three ends: FIN, a FIN that nobody meant, a reset. */
export const main = scenario(import.meta, async (lab) => {
  await using folder = await temporaryFolder();
  await Deno.writeFile(folder.at("original"), FILE);

  lab.say("The file, then FIN. The receiver confirms on the direction that is still open.");
  let answer = "";
  const whole = await received(lab, folder.at("whole"), async (conn) => {
    using source = await openSource(folder.at("original"));
    ({ answer } = await sendFile(conn, source, { protocol: "half-close", signal: lab.signal }));
  });
  lab.check("the file is the same", await holds(folder.at("whole"), FILE));
  const { sha256 } = whole as ReceiveReport;
  lab.check("the confirmation names its SHA-256", answer, `OK 3000 bytes, SHA-256 ${sha256}`);
  const [fin] = lab.calls("sender", "closeWrite");
  const [reply] = lab.calls("receiver", "write");
  lab.check("it came after FIN", reply!.at > fin!.at);

  lab.say("A sender that dies after 1000 bytes. Its kernel says FIN for it.");
  const half = await received(lab, folder.at("half"), async (conn) => {
    await writeAll(conn, FILE.subarray(0, 1000));
  });
  lab.check("the receiver takes what came for a file", (half as ReceiveReport).size, 1000);
  lab.check("and it is not the one", await holds(folder.at("half"), FILE), false);

  lab.say("A sender that leaves by a reset instead.");
  const reset = await received(lab, folder.at("reset"), async (conn) => {
    await writeAll(conn, FILE.subarray(0, 1000));
    if (isResettable(conn)) conn.reset();
  });
  lab.check("the receiver knows", (reset as TransferError).fault, "broken");
  lab.check("what came is no file, but a part", await folder.names(), [
    ".reset.part",
    "half",
    "original",
    "whole",
  ]);
});

/** Lets `send` send something, and returns what the receiver makes of it. */
async function received(
  lab: Lab,
  path: string,
  send: (conn: Duplex) => Promise<void>,
): Promise<ReceiveReport | TransferError> {
  const outcome = Promise.withResolvers<ReceiveReport | TransferError>();
  const { signal } = lab;
  await using server = lab.serve(async (conn) => {
    const receiving = receiveFile(conn, fileStore(path), { halfClose: true, signal });
    await receiving.then(outcome.resolve, outcome.resolve);
  }, "receiver");
  const { addr } = server;
  using conn = await lab.connect(addr, "sender", () => dialResettable(addr, { signal }));
  await send(conn);
  conn[Symbol.dispose]();
  await server.idle();
  lab.draw({ lifelines: ["sender", "receiver"] });
  return await outcome.promise;
}

if (import.meta.main) await run(main, import.meta);
