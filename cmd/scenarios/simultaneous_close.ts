#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=unshare,ss,tcpdump
/**
 * Simultaneous close: both say FIN before they have heard the other's
 *
 * Chapter §6: États de connexion TCP
 *
 * Usually one end says FIN first and the other answers. If both say it before they
 * have heard the other's, neither is the one who answers: each is in FIN-WAIT-1,
 * and the other's FIN leads it to CLOSING instead of FIN-WAIT-2. Once its own FIN is
 * acknowledged too, both come to TIME-WAIT, which otherwise only one does.
 *
 * On loopback two FINs cannot cross on the wire, as it takes no time. So first, in
 * a network of the lesson's own, the wire loses the first FIN each way: both are sent
 * before either is heard. Then both ends write more than the other takes and say FIN
 * behind that: to the kernel it is said, and when the other one's comes, too late.
 *
 *     deno task lab simultaneous_close
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
import type { Lab } from "./_lab.ts";
import { inOwnNetwork } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";
import { type LabWire, segmentLabel } from "./_wire.ts";

/** More than both kernels hold. */
const FLOOD = new Uint8Array(64 * 1024 * 1024);

/** It loses the first two FINs, which are packets of 40 bytes, and 12 of time stamps. */
const SETUP = `
ip link set lo up
if command -v nft >/dev/null; then
  nft add table inet link
  nft add chain inet link loses '{ type filter hook input priority 0; }'
  nft add rule inet link loses tcp flags '&' fin == fin quota until 120 bytes drop
else
  iptables -A INPUT -p tcp --tcp-flags FIN FIN -m quota --quota 120 -j DROP
fi`;

/** Two FINs that are both lost, and two that stand in line. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      const claim = "lost: two FINs go before either is heard, and both ends come to TIME-WAIT";
      if (network.own) await lost(lab);
      else lab.unseen(claim, network.why);
      await inLine(lab);
    }),
);

async function lost(lab: Lab): Promise<void> {
  const finishing = Promise.withResolvers<void>();
  const closing = Promise.withResolvers<void>();
  lab.say("Both say FIN. The wire loses both, and each kernel sends its own again.");
  await using server = lab.serve(async (conn) => {
    await finishing.promise;
    await conn.closeWrite();
    await readToEnd(conn);
    await closing.promise;
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  await client.closeWrite();
  finishing.resolve();
  await readToEnd(client);
  await lab.checkState("lost: both wait, since both had said FIN first", client, {
    client: "TIME-WAIT",
    server: "TIME-WAIT",
  });
  const claim = "lost: two FINs were on the wire before any ACK of one";
  const seen = await wire.next(2, { flags: ["FIN", "RST"] });
  if (seen === undefined) lab.unseen(claim, wire.unseen!);
  else {
    const before = wire.segments.filter(({ ack }) => (ack ?? 0) < 2);
    const fins = before.filter(({ flags, again }) => flags.includes("FIN") && !again);
    lab.check(claim, fins.map(segmentLabel), ["client FIN-ACK", "server FIN-ACK"]);
    lab.check("lost: and no RST", seen.filter((label) => label.includes("RST")), []);
  }
  closing.resolve();
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
}

async function inLine(lab: Lab): Promise<void> {
  const finished = Promise.withResolvers<void>();
  const reading = Promise.withResolvers<void>();
  const heard = Promise.withResolvers<number>();
  const closing = Promise.withResolvers<void>();
  let answered = 0;
  lab.say("Both write more than the other takes, and both say FIN: closeWrite().");
  await using server = lab.serve(async (conn) => {
    answered = await conn.write(FLOOD);
    await conn.closeWrite();
    finished.resolve();
    await reading.promise;
    heard.resolve((await readToEnd(conn)).length);
    await closing.promise;
  });
  const wire = await lab.wire(server.addr);
  using client = await lab.dial(server.addr);
  const asked = await client.write(FLOOD);
  await client.closeWrite();
  await finished.promise;
  await lab.checkState("both have said FIN, and neither has heard the other's", client, {
    client: "FIN-WAIT-1",
    server: "FIN-WAIT-1",
  }, { details: true });
  await lab.checkWire("no FIN is on the wire yet: bytes go first", wire, [], { flags: ["FIN"] });

  lab.say("The server reads. The client's FIN meets an end that has said its own.");
  reading.resolve();
  const requests = await heard.promise;
  await lab.checkState("the server has FIN, and its own is not acknowledged", client, {
    client: "FIN-WAIT-2",
    server: "CLOSING",
  }, { details: true });
  await checkEnds(lab, wire, "the client's FIN was first", ["client FIN-ACK"]);

  lab.say("The client reads. The server's FIN comes, and its ACK goes back.");
  const answers = (await readToEnd(client)).length;
  await lab.checkState("both wait, as each may have to send the last ACK again", client, {
    client: "TIME-WAIT",
    server: "TIME-WAIT",
  });
  await checkEnds(lab, wire, "the server's FIN came second, and no RST", ["server FIN-ACK"]);
  closing.resolve();
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  lab.check("nothing was lost either way", [requests, answers], [asked, answered]);
  const fin = (who: string) => lab.calls(who, "closeWrite")[0]!;
  const eof = (who: string) => lab.calls(who, "read").find(({ bytes }) => bytes === null)!;
  lab.check(
    "both said FIN before they read the other's",
    fin("client").at < eof("client").end! && fin("server").at < eof("server").end!,
  );
}

/** What was sent that ends something; a FIN may take the last bytes along. */
async function checkEnds(
  lab: Lab,
  wire: LabWire,
  claim: string,
  expected: readonly string[],
): Promise<void> {
  const seen = await wire.next(expected.length, { flags: ["FIN", "RST"] });
  if (seen === undefined) return lab.unseen(claim, wire.unseen!);
  lab.check(claim, seen.map((one) => one.replace(/PSH-| \d+ B$/g, "")), expected);
}

if (import.meta.main) await run(main, import.meta);
