#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump,nstat,cat
/**
 * The backlog: who comes when the queue is full is not refused, but waits
 *
 * Chapter §3.1.4: Étape 4 : listen() - Passage en mode écoute
 *
 * A server serves one client at a time, and has a backlog of 2. Three more can
 * connect, one more than it says, and wait in the kernel's queue: their
 * connections are whole, and accept() will only hand them over. For one more there
 * is no room. The chapter has it refused by RST; Linux drops its SYN instead and
 * says nothing, so that its kernel sends it again after a second. If there is room
 * by then, its connect() has just taken a little longer.
 *
 * The backlog is what the program asks for, up to net.core.somaxconn: 4096 since
 * Linux 5.4, and not 128.
 *
 *     deno task lab backlog
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

import { readToEnd } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { Asked } from "./_asked.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

const BACKLOG = 2;

/** A queue is filled, and one client more comes. */
export const main = scenario(import.meta, async (lab) => {
  const asked = new Asked(lab);
  await limit(lab, asked);
  await overflow(lab, asked);
});

/** What becomes of a backlog that is larger than the kernel allows. */
async function limit(lab: Lab, asked: Asked): Promise<void> {
  const wanted = 65535;
  lab.say(`A server asks for a backlog of ${wanted}.`);
  await using server = lab.serve(async () => {}, "server", { backlog: wanted });
  const most = await asked.setting("net/core/somaxconn");
  if (most.seen) lab.say(`The most that this kernel allows is ${most.value}: somaxconn.`);
  const queue = await asked.queue(server.addr.port);
  lab.draw();
  const claim = "it gets as much as the kernel allows";
  if (!most.seen) lab.unseen(claim, most.why);
  else if (!queue.seen) lab.unseen(claim, queue.why);
  else lab.check(claim, queue.value.backlog, Math.min(wanted, most.value));
}

async function overflow(lab: Lab, asked: Asked): Promise<void> {
  const accepted: number[] = [];
  const first = Promise.withResolvers<void>();
  lab.say(`A server serves one client at a time, and has a backlog of ${BACKLOG}.`);
  await using server = lab.serve(
    async (conn) => {
      accepted.push(conn.remoteAddr.port);
      first.resolve();
      await readToEnd(conn);
    },
    "server",
    { backlog: BACKLOG, maxConns: 1 },
  );
  const { port } = server.addr;
  const wire = await lab.wire(port);
  const overflows = await asked.counter("TcpExtListenOverflows");
  using served = await lab.dial(server.addr, "served");
  await first.promise;

  lab.say("Nobody takes over the next three: their kernels are connected all the same.");
  const waiting: LabConn[] = [];
  for (let i = 0; i < BACKLOG + 1; i++) waiting.push(await lab.dial(server.addr, "waiting"));
  await lab.checkState("who waits in the queue is connected already", waiting.at(-1)!, {
    waiting: "ESTABLISHED",
    server: "ESTABLISHED",
  });
  await asked.checkQueue("one more than the backlog wait there", port, {
    length: BACKLOG + 1,
    backlog: BACKLOG,
  });

  lab.say("One more dials. There is no room, so its SYN is dropped.");
  const dialing = lab.dial(server.addr, "late");
  // Whoever looks may see that it waits; whether it is refused, its dial will tell.
  dialing.catch(() => {});
  const claim = "its SYN is not answered: it is in SYN-SENT";
  const dropped = await asked.checkCount(claim, port, "SYN-SENT", 1);

  lab.say("The first client goes. The next SYN finds room.");
  await leave(served);
  using late = await dialing;
  await lab.checkState("it was not refused: it is connected", late, { late: "ESTABLISHED" });
  const after = await asked.counter("TcpExtListenOverflows");
  for (const conn of [...waiting, late]) await leave(conn);
  await server.idle();
  await wire.settled();
  lab.draw({ lifelines: ["served", "waiting", "late", "server"] });

  const came = [served, ...waiting, late].map(({ localAddr }) => localAddr.port);
  lab.check("all are served, in the order in which they came", accepted, came);
  // Who has not seen the SYN dropped may have made room for it too early.
  const unseen = dropped.seen ? wire.unseen : dropped.why;
  if (unseen === undefined) {
    const its = wire.segments.filter(({ who, flags }) => who === "late" && flags.includes("SYN"));
    lab.check("it sent its SYN again", its.length >= 2 && its[1]!.again === true);
    const resets = wire.segments.filter(({ flags }) => flags.includes("RST"));
    lab.check("nobody sent RST", resets, []);
  } else {
    lab.unseen("it sent its SYN again", unseen);
    lab.unseen("nobody sent RST", unseen);
  }
  const counted = "the kernel counted that its queue had overflowed";
  if (!dropped.seen) lab.unseen(counted, dropped.why);
  else if (!overflows.seen) lab.unseen(counted, overflows.why);
  else lab.check(counted, after.seen && after.value > overflows.value);
}

/** Says FIN, and waits for the server's. */
async function leave(conn: LabConn): Promise<void> {
  await conn.closeWrite();
  await readToEnd(conn);
  conn[Symbol.dispose]();
}

if (import.meta.main) await run(main, import.meta);
