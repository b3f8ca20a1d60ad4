#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump
/**
 * The close: FIN and ACK each way, and who has to wait afterwards
 *
 * Chapter §5.2: Le 4-way handshake de fermeture
 *
 * Each end says FIN for itself, and each FIN is acknowledged: that is four segments,
 * if the second end takes its time. If it closes at once, its kernel puts the ACK
 * into its own FIN, and there are three. Either way, whoever says FIN first comes to
 * TIME-WAIT and stays there for a minute: its last ACK may be lost, and then
 * somebody must be there to send it again. The other end has nothing to wait for.
 *
 * Most of these states last for microseconds. Here FIN is made to stand in line
 * behind bytes that the peer does not take, so that each can be looked at.
 *
 *     deno task lab four_way_close
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

import type { SegmentEvent } from "../../lib/observe/events.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Four segments, three segments, and then every state for as long as one likes. */
export const main = scenario(import.meta, async (lab) => {
  await fourSegments(lab);
  await threeSegments(lab);
  await everyState(lab);
});

async function fourSegments(lab: Lab): Promise<void> {
  const closing = Promise.withResolvers<void>();
  lab.say("The client has said all it has to say: FIN. The server takes its time.");
  await using server = lab.serve(async (conn) => {
    await readToEnd(conn);
    await closing.promise;
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await wire.next(3);

  await client.closeWrite();
  await lab.checkState("four: one end has said FIN, the other has acknowledged it", client, {
    client: "FIN-WAIT-2",
    server: "CLOSE-WAIT",
  });
  await lab.checkWire("four: that took two segments", wire, ["client FIN-ACK", "server ACK"]);

  lab.say("Now the server closes as well.");
  closing.resolve();
  const rest = (await readToEnd(client)).length;
  client[Symbol.dispose]();
  await server.idle();
  await lab.checkState("four: who said FIN first waits, the other is done", client, {
    client: "TIME-WAIT",
    server: "CLOSED",
  }, { details: true });
  await lab.checkWire("four: and two more", wire, ["server FIN-ACK", "client ACK"]);
  await checkPatience(lab, client);
  lab.draw();
  lab.check("four: FIN after nothing is an end after nothing", rest, 0);
}

/** How long the kernel will keep what is in TIME-WAIT: 60 seconds on Linux, by its own clock. */
async function checkPatience(lab: Lab, conn: LabConn): Promise<void> {
  const claim = "four: the kernel keeps the port of who waits for a minute";
  const sockets = await lab.kernel.sockets(conn);
  const [timer] = sockets?.flatMap(({ timer }) => timer?.kind === "timewait" ? [timer] : []) ?? [];
  if (sockets === undefined) lab.unseen(claim, lab.kernel.unseen!);
  else lab.check(claim, timer !== undefined && timer.left > 30_000 && timer.left <= 60_000);
}

async function threeSegments(lab: Lab): Promise<void> {
  lab.say("Now the server says FIN first, and the client answers with its own at once.");
  await using server = lab.serve((conn) => writeAll(conn, new TextEncoder().encode("bye")));
  const wire = await lab.wire(server.addr);
  const closes: (readonly string[] | undefined)[] = [];
  // A kernel waits 40 ms for a FIN that could take the ACK along; a slow machine may need more.
  const tries = wire.unseen === undefined ? TRIES : 1;
  while (closes.length < tries && closes.at(-1)?.length !== 3) {
    using client = await lab.dial(server.addr);
    const said = new TextDecoder().decode(await readToEnd(client));
    client[Symbol.dispose]();
    await server.idle();
    lab.check("three: all the server's bytes came before its FIN", said, "bye");
    await lab.checkState("three: this time it is the server who waits", client, {
      client: "CLOSED",
      server: "TIME-WAIT",
    });
    await wire.until((segments) => segments.filter(isFin).length === 2 * closes.length + 2);
    const seen = await wire.next(0, { of: client });
    closes.push(seen?.slice(seen.indexOf("server FIN-ACK")));
  }
  const claim = "three: the client's FIN took the ACK of the server's along";
  const three = ["server FIN-ACK", "client FIN-ACK", "server ACK"];
  if (wire.unseen !== undefined) lab.unseen(claim, wire.unseen);
  else lab.check(claim, closes.at(-1), three);
  lab.draw();
}

const TRIES = 5;

function isFin({ flags }: SegmentEvent): boolean {
  return flags.includes("FIN");
}

/** More than both kernels hold. */
const FLOOD = new Uint8Array(64 * 1024 * 1024);

async function everyState(lab: Lab): Promise<void> {
  const step = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const heard = Promise.withResolvers<void>();
  let taken = 0;
  lab.say("FIN stands in line: the client writes more than the server takes, then says FIN.");
  await using server = lab.serve(async (conn) => {
    await step[0]!.promise;
    await readToEnd(conn);
    heard.resolve();
    await step[1]!.promise;
    taken = await conn.write(FLOOD);
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  const sent = await client.write(FLOOD);
  await client.closeWrite();
  await lab.checkState("slowly: a FIN that is not acknowledged", client, {
    client: "FIN-WAIT-1",
    server: "ESTABLISHED",
  }, { details: true });
  await lab.checkWire("slowly: since it is not on the wire yet", wire, [], { flags: ["FIN"] });

  lab.say("The server reads all of it, up to the FIN.");
  step[0]!.resolve();
  await heard.promise;
  await lab.checkState("slowly: one that is", client, {
    client: "FIN-WAIT-2",
    server: "CLOSE-WAIT",
  }, { details: true });

  lab.say("The server does the same: it writes more than the client takes, and closes.");
  step[1]!.resolve();
  await server.idle();
  await lab.checkState("slowly: closed, and the kernel still has bytes to bring there", client, {
    client: "FIN-WAIT-2",
    server: "LAST-ACK",
  }, { details: true });

  lab.say("The client reads. FIN comes behind the last byte, and its ACK ends it all.");
  const received = (await readToEnd(client)).length;
  client[Symbol.dispose]();
  await lab.checkState("slowly: who said FIN first waits, the other is done", client, {
    client: "TIME-WAIT",
    server: "CLOSED",
  });
  await wire.settled();
  lab.draw();
  lab.check("slowly: not a byte is lost that was written before FIN", received, taken);
  lab.check("slowly: each was more than a kernel takes at once", sent < FLOOD.length);
}

if (import.meta.main) await run(main, import.meta);
