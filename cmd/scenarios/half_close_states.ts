#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump
/**
 * Half-closed: FIN-WAIT-2 here, CLOSE-WAIT there, for as long as both like
 *
 * Chapter §6: États de connexion TCP
 *
 * After one FIN a connection goes on in one direction, and can do so for days. The
 * end that said it is in FIN-WAIT-2: it hears everything. The other one is in
 * CLOSE-WAIT: its kernel has told the program that the peer is done, and waits for
 * the program to close. Nothing else ends CLOSE-WAIT, no timer and no kernel: a
 * server that piles up connections in that state has a bug of its own.
 *
 * A program that closes instead of half-closing sends the very same FIN, but it is
 * gone: to its kernel, FIN-WAIT-2 is now an orphan, kept for a minute at most. What
 * the peer still says is answered by RST, and the peer's next write fails.
 *
 *     deno task lab half_close_states
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

import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const text = (words: string) => new TextEncoder().encode(words);

/** Half-closed by closeWrite(), which is fine; and by close(), which is not. */
export const main = scenario(import.meta, async (lab) => {
  await halfClosed(lab);
  await closed(lab);
});

async function halfClosed(lab: Lab): Promise<void> {
  const steps = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  lab.say("The client half-closes: closeWrite(). The server is in no hurry.");
  await using server = lab.serve(async (conn) => {
    await readToEnd(conn);
    await steps[0]!.promise;
    await writeAll(conn, text("still here"));
    await steps[1]!.promise;
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await client.closeWrite();
  const half = { client: "FIN-WAIT-2", server: "CLOSE-WAIT" } as const;
  await lab.checkState("closeWrite: one direction is over", client, half);
  await checkTimer(lab, client, "closeWrite: no clock runs on it", undefined);

  lab.say("The other direction is as good as ever.");
  steps[0]!.resolve();
  const heard = new TextDecoder().decode(await readExact(client, 10));
  await lab.checkState("closeWrite: bytes change nothing about that", client, half);

  lab.say("It takes the server's close() to end it.");
  steps[1]!.resolve();
  const rest = await readToEnd(client);
  client[Symbol.dispose]();
  await server.idle();
  await lab.checkState("closeWrite: and then it ends as ever", client, {
    client: "TIME-WAIT",
    server: "CLOSED",
  });
  await lab.checkWire("closeWrite: FIN, bytes, FIN, and no RST", wire, [
    "client FIN-ACK",
    "server FIN-ACK",
  ], { flags: ["FIN", "RST"] });
  lab.draw();
  lab.check("closeWrite: the answer came after our FIN", [heard, rest.length], ["still here", 0]);
}

async function closed(lab: Lab): Promise<void> {
  const steps = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const said: (string | number)[] = [];
  lab.say("The client closes: the same FIN, but nobody is there any more.");
  await using server = lab.serve(async (conn) => {
    await readToEnd(conn);
    for (const step of steps) {
      await step.promise;
      said.push(await conn.write(text("still here")).catch((error) => error.code));
    }
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  client[Symbol.dispose]();
  await lab.checkState("close: to the server it looks the same", client, {
    client: "FIN-WAIT-2",
    server: "CLOSE-WAIT",
  });
  await checkTimer(lab, client, "close: the orphan has a minute at most", 60_000);

  lab.say("The server answers, since FIN does not say that nobody will hear it.");
  steps[0]!.resolve();
  await lab.checkState("close: the answer is answered by RST, and both ends are gone", client, {
    client: "CLOSED",
    server: "CLOSED",
  });
  await lab.checkWire("close: FIN, then RST", wire, ["client FIN-ACK", "client RST"], {
    flags: ["FIN", "RST"],
  });
  steps[1]!.resolve();
  await server.idle();
  lab.draw();
  // Who sees neither kernel nor wire does not know when the RST is there.
  lab.check("close: the first write passes, since it only fills a buffer", said[0], 10);
  if (wire.unseen === undefined || lab.kernel.unseen === undefined) {
    lab.check("close: the one after the RST fails", said[1], "EPIPE");
  }
}

/** What clock runs on the client's socket: none, or one with at most so many milliseconds left. */
async function checkTimer(
  lab: Lab,
  conn: LabConn,
  claim: string,
  most: number | undefined,
): Promise<void> {
  const sockets = await lab.kernel.sockets(conn);
  if (sockets === undefined) return lab.unseen(claim, lab.kernel.unseen!);
  const timer = sockets.find(({ local }) => local.port === conn.localAddr.port)?.timer;
  if (most === undefined) lab.check(claim, timer === undefined);
  else lab.check(claim, timer?.kind === "timewait" && timer.left > 0 && timer.left <= most);
}

if (import.meta.main) await run(main, import.meta);
