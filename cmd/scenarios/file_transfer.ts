#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-read=/tmp --allow-write=/tmp
/**
 * File transfer: the size first, so that half a file never passes for a whole one
 *
 * Chapter §4.1: send() - Envoi de données
 *
 * A stream of bytes does not say where a file ends. So its size goes first, in 8
 * bytes, and whoever receives fewer knows. The chapter stops there. What came is
 * kept under another name here, and gets its own only when it is whole; the next
 * sender says name, size and SHA-256 as well, hears what is there already, and
 * sends no more than the rest.
 *
 *     deno task lab file_transfer
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

import type { Duplex } from "../../lib/stream/conn.ts";
import { TransferError } from "../../lib/transfer/error.ts";
import type { Protocol } from "../../lib/transfer/progress.ts";
import { receiveFile, type ReceiveReport } from "../../lib/transfer/receive.ts";
import { sendFile } from "../../lib/transfer/send.ts";
import { openSource } from "../../lib/transfer/source.ts";
import { fileStore } from "../../lib/transfer/store.ts";
import { run } from "../_cli.ts";
import { type Folder, holds, temporaryFolder } from "./_folder.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** A file of 3,000 bytes, and how many of them pass before its sender dies. */
const FILE = Uint8Array.from({ length: 3000 }, (_, i) => i % 251);
const PASSED = 1000;

/** Sends whole, breaks, and goes on. */
export const main = scenario(import.meta, async (lab) => {
  await using folder = await temporaryFolder();
  await Deno.writeFile(folder.at("original"), FILE);

  lab.say("Plain: 8 bytes for the size, then the bytes. What comes is stored when it is whole.");
  const whole = await transfer(lab, folder, "whole", "plain");
  lab.check("the size took 8 bytes", lab.calls("sender", "write")[0]?.bytes, 8);
  lab.check("the file is the same", await holds(folder.at("whole"), FILE));
  lab.check("nothing but its size was verified", (whole as ReceiveReport).verified, false);

  lab.say(`A sender that dies after ${PASSED} bytes of ${FILE.length}.`);
  const broken = await transfer(lab, folder, "broken", "plain", PASSED);
  lab.check("the receiver knows", (broken as TransferError).fault, "broken");
  lab.check("what came is no file, but a part", await folder.names(), [
    ".broken.part",
    "original",
    "whole",
  ]);
  lab.check("all of it is kept", (broken as TransferError).kept, PASSED);

  lab.say("Extended: the receiver offers what it has, with its SHA-256. Only the rest is sent.");
  const resumed = await transfer(lab, folder, "broken", "extended");
  lab.check("it went on from there", (resumed as ReceiveReport).resumed, PASSED);
  lab.check("both ends have the same SHA-256", (resumed as ReceiveReport).verified);
  lab.check("the file is the same", await holds(folder.at("broken"), FILE));
  lab.check("the part is gone", await folder.names(), ["broken", "original", "whole"]);
});

/** Sends the file, of which so many bytes pass, and returns what the receiver made of it. */
async function transfer(
  lab: Lab,
  folder: Folder,
  as: string,
  protocol: Protocol,
  pass = Infinity,
): Promise<ReceiveReport | TransferError> {
  const outcome = Promise.withResolvers<ReceiveReport | TransferError>();
  const { signal } = lab;
  await using server = lab.serve(async (conn) => {
    const store = fileStore(folder.at(as));
    await receiveFile(conn, store, { signal }).then(outcome.resolve, outcome.resolve);
  }, "receiver");
  using source = await openSource(folder.at("original"));
  using conn = await lab.dial(server.addr, "sender");
  const sending = sendFile(dyingAfter(conn, pass + 8), source, { protocol, signal });
  await sending.catch((error) => {
    if (!(error instanceof TransferError)) throw error;
  });
  conn[Symbol.dispose]();
  await server.idle();
  lab.draw({ lifelines: ["sender", "receiver"] });
  return await outcome.promise;
}

/** `conn`, whose owner dies once it has written so many bytes. */
function dyingAfter(conn: Duplex, bytes: number): Duplex {
  return {
    read: (p) => conn.read(p),
    async write(p) {
      if (bytes === 0) conn[Symbol.dispose]();
      const n = await conn.write(p.subarray(0, bytes));
      bytes -= n;
      return n;
    },
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}

if (import.meta.main) await run(main, import.meta);
