#!/usr/bin/env -S deno run --allow-net=127.0.0.1,127.0.0.2,0.0.0.0 --allow-run=unshare,sysctl,ss,tcpdump
/**
 * Keep-alive: the kernel asks whether anybody is there, two hours later
 *
 * Chapter §3.1.2: Étape 2 : setsockopt() - Configuration
 *
 * A connection on which nobody says anything costs nothing, and a peer that is gone
 * without a word is never missed. SO_KEEPALIVE has the kernel ask: a segment with no
 * bytes, which stands before what was acknowledged already, so that the peer's kernel
 * must answer. No program hears of it. If no answer comes, and comes again not, reads
 * fail with ETIMEDOUT.
 *
 * On Linux it first asks after two hours, and gives up eleven minutes later. Deno
 * cannot change that for one connection. A read with a deadline finds out sooner,
 * which the lesson read_deadline is about.
 *
 * Here the kernel asks after a second, in a network of the lesson's own, where one
 * link loses the answers.
 *
 *     deno task lab keep_alive
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

import { type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import type { SegmentEvent } from "../../lib/observe/events.ts";
import { chunks, readExact, writeAll } from "../../lib/stream/conn.ts";
import { endingOf } from "../../lib/stream/ending_of.ts";
import type { TcpStream } from "../../lib/stream/tcp.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn, LabServer } from "./_lab.ts";
import { inOwnNetwork } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";

/** Where the link is bad. */
const LOSSY = "127.0.0.2";

/** It loses what acknowledges and carries nothing: a kernel's answer to a probe. */
const SETUP = `
ip link set lo up
if command -v nft >/dev/null; then
  nft add table inet link
  nft add chain inet link loses '{ type filter hook input priority 0; }'
  nft add rule inet link loses ip saddr ${LOSSY} tcp flags '&' '(syn|ack|fin|rst|psh)' == ack drop
else
  iptables -A INPUT -s ${LOSSY} -p tcp --tcp-flags SYN,ACK,FIN,RST,PSH ACK -j DROP
fi`;

/** Seconds until the kernel asks, between two questions, and how many there are. */
const SETTINGS = { tcp_keepalive_time: 1, tcp_keepalive_intvl: 1, tcp_keepalive_probes: 1 };

/** As it is by default, and then with short times and a link that loses answers. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      lab.say("A server that says back what it hears, and hears nothing for long.");
      const hostname = network.own ? "0.0.0.0" : "127.0.0.1";
      const ends: (string | undefined)[] = [];
      await using server = lab.serve(
        async (conn) => {
          try {
            for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
          } catch (error) {
            ends.push((error as { code?: string }).code);
          }
        },
        "server",
        { hostname },
      );
      await byDefault(lab, server);
      await patience(lab);
      const why = network.own ? await hurry() : network.why;
      if (why !== undefined) {
        lab.unseen("the kernel asks, and gives up where no answer comes", why);
        return;
      }
      await asked(lab, server);
      lab.check("the server's read failed as well, by RST", ends, ["ECONNRESET"]);
    }),
);

/** A client that has its kernel ask, on the record; the record does not know of the asking. */
async function watched(lab: Lab, addr: TcpAddr, who: string): Promise<[LabConn, TcpStream]> {
  const dialing = Promise.withResolvers<TcpStream>();
  const conn = await lab.connect(addr, who, async () => {
    const stream = await dial(addr, { signal: lab.signal });
    stream.setKeepAlive(true);
    dialing.resolve(stream);
    return stream;
  });
  return [conn, await dialing.promise];
}

async function byDefault(lab: Lab, server: LabServer): Promise<void> {
  const addr = tcpAddr("127.0.0.1", server.addr.port);
  lab.say("The client sets SO_KEEPALIVE: setKeepAlive(true). Its kernel sets a clock.");
  const [client, stream] = await watched(lab, addr, "client");
  await lab.state(client, {}, { details: true });
  await checkClock(
    lab,
    client,
    "the kernel asks after two hours",
    (left) => left > 7_100_000 && left <= 7_200_000,
  );
  lab.say("And without: setKeepAlive(false).");
  stream.setKeepAlive(false);
  await lab.state(client, {}, { details: true });
  await checkClock(lab, client, "without SO_KEEPALIVE it never does", (left) => left === Infinity);
  await writeAll(client, new TextEncoder().encode("hello"));
  const answer = new TextDecoder().decode(await readExact(client, 5));
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
  lab.check("a connection that is asked about is like any other", answer, "hello");
}

/** For how long it goes on asking, once it has begun: nine times, 75 s apart. */
async function patience(lab: Lab): Promise<void> {
  const claim = "if no answer comes, it gives up eleven minutes later";
  const names = ["tcp_keepalive_intvl", "tcp_keepalive_probes"];
  const asked = await sysctl("-n", ...names.map((name) => `net.ipv4.${name}`));
  if ("why" in asked) return lab.unseen(claim, asked.why);
  const [seconds = NaN, times = NaN] = asked.printed.split("\n").map(Number);
  lab.check(claim, Math.floor(seconds * times / 60), 11);
}

/** Has the kernel ask soon, in this network only; returns why it cannot. */
async function hurry(): Promise<string | undefined> {
  const settings = Object.entries(SETTINGS).map(([name, value]) => `net.ipv4.${name}=${value}`);
  const set = await sysctl("-qw", ...settings);
  return "why" in set ? set.why : undefined;
}

/** What it printed, or why it could not. */
async function sysctl(...args: string[]): Promise<{ printed: string } | { why: string }> {
  const { state } = Deno.permissions.querySync({ name: "run", command: "sysctl" });
  if (state !== "granted") return { why: "sysctl is missing, or --allow-run=sysctl" };
  const { success, stdout, stderr } = await new Deno.Command("sysctl", { args, stdin: "null" })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return success ? { printed: text(stdout) } : { why: text(stderr).split("\n")[0]! };
}

async function asked(lab: Lab, server: LabServer): Promise<void> {
  const { port } = server.addr;
  lab.say("Now it asks after a second. One client has a good link, the other's loses answers.");
  const wire = await lab.wire(port);
  const [near] = await watched(lab, tcpAddr("127.0.0.1", port), "good");
  const [far] = await watched(lab, tcpAddr(LOSSY, port), "bad");
  const from = (who: string) => (segment: SegmentEvent) => segment.who === who;
  const probes = (who: string) => wire.segments.filter(from(who)).filter(({ again }) => again);

  const { how, settled, error } = await endingOf(far, { signal: lab.signal, timeout: Infinity });
  await lab.checkState("no answer: the connection is gone", far, {
    bad: "CLOSED",
    server: "CLOSED",
  });
  await lab.checkState("an answer: nothing has happened", near, {
    good: "ESTABLISHED",
    server: "ESTABLISHED",
  }, { details: true });
  near[Symbol.dispose]();
  far[Symbol.dispose]();
  await server.idle();
  await wire.settled();
  lab.draw({ lifelines: ["good", "server", "bad"] });

  lab.check("no answer: the read fails", (error as { code?: string }).code, "ETIMEDOUT");
  lab.check("no answer: that is known as silence, for good", [how, settled], ["silence", true]);
  const claims: [string, () => boolean][] = [
    [
      "a question has no bytes, and stands before what is acknowledged",
      () => probes("good").every(({ length, seq }) => length === 0 && seq === 0),
    ],
    ["the one with a good link was asked about, and answered", () => probes("good").length > 0],
    ["the other one was asked about once", () => probes("bad").length === 1],
    [
      "then its kernel gave up, by RST",
      () => wire.segments.filter(from("bad")).at(-1)!.flags.includes("RST"),
    ],
  ];
  for (const [claim, holds] of claims) {
    if (wire.unseen === undefined) lab.check(claim, holds());
    else lab.unseen(claim, wire.unseen);
  }
}

/** How many milliseconds the kernel has left until it asks: `Infinity` if it will not. */
async function checkClock(
  lab: Lab,
  client: LabConn,
  claim: string,
  holds: (left: number) => boolean,
): Promise<void> {
  const sockets = await lab.kernel.sockets(client);
  if (sockets === undefined) return lab.unseen(claim, lab.kernel.unseen!);
  const timer = sockets.find(({ local }) => local.port === client.localAddr.port)?.timer;
  lab.check(claim, holds(timer?.kind === "keepalive" ? timer.left : Infinity));
}

if (import.meta.main) await run(main, import.meta);
