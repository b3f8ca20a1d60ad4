#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump
/**
 * A graceful close: FIN, hear the peer out, then close
 *
 * Chapter §5.3: Fermeture gracieuse vs brutale
 *
 * A server that has heard enough answers and closes, with input unread. That looks
 * orderly, but its kernel says RST: bytes came that nobody will ever read. The RST
 * overtakes the answer, of which most still lies in the server's kernel, and the
 * client gets a part of it and then ECONNRESET. Every write() had succeeded.
 *
 * The remedy is to say FIN, read on to the client's FIN and drop what comes, and
 * only then to close: `closeGracefully`. For a client that never says FIN there is
 * `closeLingering`, which gives up when it has been quiet for long enough.
 *
 *     deno task lab graceful_close
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

import { closeGracefully, closeLingering, type CloseReport } from "../../lib/stream/close.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { endingOf } from "../../lib/stream/ending_of.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { scenario } from "./_scenario.ts";
import type { LabWire } from "./_wire.ts";

/** What the client uploads, of which the server reads the first bytes only. */
const UPLOAD = new Uint8Array(64 * 1024);
const HEAD = 1024;

/** More than the client's kernel takes while nobody reads, and less than the server's holds. */
const ANSWER = new Uint8Array(1024 * 1024);

/** Closed at once, gracefully, and lingering. */
export const main = scenario(import.meta, async (lab) => {
  await atOnce(lab);
  await gracefully(lab);
  await lingering(lab);
});

/** Reads as much as it wants to know, and answers. */
async function answer(conn: LabConn): Promise<void> {
  await readExact(conn, HEAD);
  await writeAll(conn, ANSWER);
}

async function atOnce(lab: Lab): Promise<void> {
  lab.say("The server answers 1 MiB and closes, with most of the upload unread.");
  await using server = lab.serve(answer);
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await writeAll(client, UPLOAD);
  await server.idle();
  await lab.checkState("close: RST, so both kernels have forgotten it", client, {
    client: "CLOSED",
    server: "CLOSED",
  });
  const claim = "close: the server's kernel said RST";
  const ends = await wire.next(1, { flags: ["RST"] });
  if (ends === undefined) lab.unseen(claim, wire.unseen!);
  else lab.check(claim, new Set(ends), new Set(["server RST-ACK"]));

  lab.say("The client reads what had come by then.");
  let received = 0;
  const { error } = await endingOf(client, { onData: ({ length }) => void (received += length) });
  client[Symbol.dispose]();
  lab.draw();
  lab.check("close: the client learns that it was cut off", codeOf(error), "ECONNRESET");
  lab.check("close: and has but a part of the answer", received > 0 && received < ANSWER.length);
  lab.check("close: the server had written all of it", written(lab), ANSWER.length);
}

async function gracefully(lab: Lab): Promise<void> {
  let report: CloseReport | undefined;
  lab.say("The same with closeGracefully: FIN, then read on, and drop what comes.");
  await using server = lab.serve(async (conn) => {
    await answer(conn);
    report = await closeGracefully(conn);
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await writeAll(client, UPLOAD);
  const received = (await readToEnd(client)).length;
  client[Symbol.dispose]();
  await server.idle();
  await lab.checkState("gracefully: who said FIN first waits", client, {
    client: "CLOSED",
    server: "TIME-WAIT",
  });
  await checkFins(lab, wire, "gracefully: a FIN each way, and no RST");
  lab.draw();
  lab.check("gracefully: all of the answer has come", received, ANSWER.length);
  lab.check("gracefully: the rest of the upload was heard out", report, {
    peerFinished: true,
    discarded: UPLOAD.length - HEAD,
    reason: "fin",
  });
}

async function lingering(lab: Lab): Promise<void> {
  let report: CloseReport | undefined;
  lab.say("A client that does not say FIN: closeLingering waits until it has been quiet.");
  await using server = lab.serve(async (conn) => {
    await answer(conn);
    report = await closeLingering(conn, { quietTimeout: 50 });
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await writeAll(client, UPLOAD);
  const received = (await readToEnd(client)).length;
  await server.idle();
  client[Symbol.dispose]();
  await lab.checkState("lingering: who said FIN first waits", client, {
    client: "CLOSED",
    server: "TIME-WAIT",
  });
  await checkFins(lab, wire, "lingering: a FIN each way, and no RST");
  lab.draw();
  lab.check("lingering: all of the answer has come", received, ANSWER.length);
  lab.check("lingering: the server did not wait for ever", report, {
    peerFinished: false,
    discarded: UPLOAD.length - HEAD,
    reason: "quiet",
  });
}

/** A FIN may take the last bytes along. */
async function checkFins(lab: Lab, wire: LabWire, claim: string): Promise<void> {
  const ends = await wire.next(2, { flags: ["FIN", "RST"] });
  if (ends === undefined) return lab.unseen(claim, wire.unseen!);
  lab.check(claim, ends.map((end) => end.replace(/PSH-| \d+ B$/g, "")), [
    "server FIN-ACK",
    "client FIN-ACK",
  ]);
}

/** How many bytes the server's kernel took from it. */
function written(lab: Lab): number {
  return lab.calls("server", "write").reduce((sum, { bytes = 0 }) => sum + bytes, 0);
}

function codeOf(error: Error | undefined): string | undefined {
  return (error as { code?: string } | undefined)?.code;
}

if (import.meta.main) await run(main, import.meta);
