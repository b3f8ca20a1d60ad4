#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-read=/tmp --allow-write=/tmp
/**
 * Cut and resumed: a file that gets through a link that is cut again and again
 *
 * Chapter §4.1: send() - Envoi de données
 *
 * A link ends every connection after so many bytes: by a RST, by a close, by a FIN that pretends
 * to be the end. A transfer that starts anew each time would never be done. One that asks what is
 * there already, and verifies it, goes on, and no cut is taken for the end of the file.
 *
 *     deno task lab cut_and_resume
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

import { faultyLink } from "../../lib/faults/faulty_link.ts";
import type { TransferError } from "../../lib/transfer/error.ts";
import { receiveFile, type ReceiveReport } from "../../lib/transfer/receive.ts";
import { sendFile } from "../../lib/transfer/send.ts";
import { openSource } from "../../lib/transfer/source.ts";
import { fileStore } from "../../lib/transfer/store.ts";
import { run } from "../_cli.ts";
import { holds, temporaryFolder } from "./_folder.ts";
import { scenario } from "./_scenario.ts";

/** A file of 200,000 bytes. */
const FILE = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) % 251);

/** How each connection ends; the fourth is left alone. */
const SCRIPT = `
connection 1 up: at 60kB rst
connection 2 up: at 60kB close
connection 3 up: at 60kB fin
`;

/** Sends until it is there. */
export const main = scenario(import.meta, async (lab) => {
  await using folder = await temporaryFolder();
  await Deno.writeFile(folder.at("original"), FILE);
  const outcomes: (ReceiveReport | TransferError)[] = [];
  const { signal } = lab;
  await using server = lab.serve(async (conn) => {
    const receiving = receiveFile(conn, fileStore(folder.at("copy")), { signal });
    await receiving.then((report) => outcomes.push(report), (error) => outcomes.push(error));
  }, "receiver");
  await using link = await faultyLink(server.addr, { timeline: SCRIPT, seed: 1 });

  const kept: number[] = [];
  let verified = false;
  for (let tries = 1; tries <= 6 && !verified; tries++) {
    using source = await openSource(folder.at("original"));
    using conn = await lab.dial(link.addr, "sender");
    const sending = sendFile(conn, source, { protocol: "extended", signal });
    ({ verified } = await sending.catch(() => ({ verified: false })));
    conn[Symbol.dispose]();
    await server.idle();
    const outcome = outcomes.at(-1)!;
    kept.push("kept" in outcome ? outcome.kept : outcome.size);
    lab.say(`Try ${tries}: ${verified ? "whole" : "cut"}, ${kept.at(-1)} bytes are there.`);
    lab.draw({ lifelines: ["sender", "receiver"] });
  }

  const last = outcomes.at(-1) as ReceiveReport;
  lab.check("it took four connections", kept.length, 4);
  lab.check("a cut never passed for the end", outcomes.slice(0, 3).every((end) => "kept" in end));
  lab.check(
    "each cut left more than the one before",
    kept.every((n, i) => n > (kept[i - 1] ?? -1)),
  );
  lab.check(
    "a close and a FIN lose nothing that had passed",
    [kept[1]! - kept[0]!, kept[2]! - kept[1]!].every((n) => n > 59_000),
  );
  lab.check("the last went on from there", last.resumed, kept[2]);
  lab.check("both ends have the same SHA-256", last.verified);
  lab.check("the file is the same", await holds(folder.at("copy"), FILE));
  lab.check("no part is left", await folder.names(), ["copy", "original"]);
});

if (import.meta.main) await run(main, import.meta);
