#!/usr/bin/env -S deno run --allow-net=127.0.0.1,127.0.0.2,0.0.0.0 --allow-run=unshare,ss,tcpdump,nstat,cat
/**
 * The SYN queue: half-open connections, and cookies when there are too many
 *
 * Chapter §3.3.1: Cas d'usage : détection de SYN flood
 *
 * Between SYN and the last ACK of the handshake, a connection is half-open: its
 * client is connected, its server keeps a note in the SYN queue. Here a link loses
 * that last ACK, so notes pile up. When there are too many, Linux writes no more
 * of them, but puts what it must know into the number of its SYN-ACK: a cookie.
 * Whoever's ACK comes back with it is let in, so that nobody is shut out.
 *
 * The program notices nothing. The chapter waits for an exception of accept(), but
 * none comes: accept() only ever hears of connections that are whole. Who wants to
 * know counts the sockets in SYN-RECEIVED, and the cookies.
 *
 * Nobody is flooded: seven clients dial, in a network of their own.
 *
 *     deno task lab syn_queue
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

import type { TcpAddr } from "../../lib/addr.ts";
import { chunks, readExact, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { Asked } from "./_asked.ts";
import type { Lab, LabConn, LabServer } from "./_lab.ts";
import { inOwnNetwork, type Network } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";

const BACKLOG = 2;

/** Clients that are one too many for the queue. */
const MORE = 4;

/** Where the link is bad. */
const LOSSY = "127.0.0.2";

/** It loses what acknowledges and carries nothing: the last of the three, but no data. */
const SETUP = `
ip link set lo up
if command -v nft >/dev/null; then
  nft add table inet link
  nft add chain inet link loses '{ type filter hook input priority 0; }'
  nft add rule inet link loses ip daddr ${LOSSY} tcp flags '&' '(syn|ack|fin|rst|psh)' == ack drop
else
  iptables -A INPUT -d ${LOSSY} -p tcp --tcp-flags SYN,ACK,FIN,RST,PSH ACK -j DROP
fi`;

/** The handshake on a good link; then on a bad one, if there may be one. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      const asked = new Asked(lab);
      const guests = new Guests();
      const hostname = network.own ? "0.0.0.0" : "127.0.0.1";
      lab.say(`A server with a backlog of ${BACKLOG}. It accepts whoever comes, and echoes.`);
      await using server = lab.serve(
        async (conn) => {
          guests.came(conn);
          for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
          guests.left();
        },
        "server",
        { hostname, backlog: BACKLOG },
      );
      if (network.own) await overABadLink(lab, asked, server, guests);
      else await overAGoodLink(lab, server, network);
    }),
);

/** All that can be seen without a link that loses something. */
async function overAGoodLink(
  lab: Lab,
  server: LabServer,
  { why }: Network & { own: false },
): Promise<void> {
  using good = await lab.dial(server.addr, "good");
  const answer = await echoed(good);
  good[Symbol.dispose]();
  await server.idle();
  lab.draw({ lifelines: ["good", "server"] });
  lab.check("where no ACK is lost, the client is served", answer, "hello");
  lab.unseen("half-open connections pile up, and cookies let others in", why);
}

async function overABadLink(
  lab: Lab,
  asked: Asked,
  server: LabServer,
  guests: Guests,
): Promise<void> {
  const { port } = server.addr;
  const wire = await lab.wire(port);
  await asked.checkSetting("cookies are on, as they are by default", "net/ipv4/tcp_syncookies", 1);
  const conns: LabConn[] = [];
  const dialLossy = async () => {
    conns.push(await lab.dial(at(LOSSY, port), "lossy"));
    return conns.at(-1)!;
  };

  lab.say("A client dials over the bad link. Its ACK goes out, and does not arrive.");
  const first = await dialLossy();
  const whole = "on the wire, before the loss, the handshake is whole";
  const segments = await wire.next(3);
  if (segments === undefined) lab.unseen(whole, wire.unseen!);
  // Later the server may repeat its SYN-ACK.
  else lab.check(whole, segments.slice(0, 3), ["lossy SYN", "server SYN-ACK", "lossy ACK"]);
  await lab.checkState("it is half-open: only the client is ESTABLISHED", first, {
    lossy: "ESTABLISHED",
    server: "SYN-RECEIVED",
  });
  while (conns.length < BACKLOG + 1) await dialLossy();
  const full = "the SYN queue is full: one more than the backlog are half-open";
  await asked.checkCount(full, port, "SYN-RECEIVED", BACKLOG + 1);
  lab.draw({ lifelines: ["lossy", "good", "server"] });

  lab.say(`${MORE} more dial over the bad link. They get cookies, and the server no notes.`);
  while (conns.length < BACKLOG + 1 + MORE) await dialLossy();
  const last = conns.at(-1)!;
  await lab.checkState("of who got a cookie the server's kernel knows nothing", last, {
    lossy: "ESTABLISHED",
    server: "CLOSED",
  });
  await asked.checkCount("nothing was added to the queue", port, "SYN-RECEIVED", BACKLOG + 1);
  await asked.checkCounter("each of them got a cookie", "TcpExtSyncookiesSent", MORE);
  lab.check("accept() has not heard of any of them", guests.ports, []);
  await wire.settled();
  lab.draw({ lifelines: ["lossy", "good", "server"] });

  lab.say("One dials over a good link, and is let in at once: its ACK has the cookie.");
  using good = await lab.dial(at("127.0.0.1", port), "good");
  lab.check("it is served while the queue is full", await echoed(good), "hello");
  await asked.checkCounter("its cookie came back", "TcpExtSyncookiesRecv", 1);

  lab.say("Of those whose ACK was lost, two speak. Their data acknowledges as well, and arrives.");
  lab.check("the half-open one is let in by its first byte", await echoed(first), "hello");
  lab.check("so is one who got a cookie", await echoed(last), "hello");
  await asked.checkCount("the note of the first is used up", port, "SYN-RECEIVED", BACKLOG);
  const came = [good, first, last].map(({ localAddr }) => localAddr.port);
  lab.check("accept() never failed, and had these three", guests.ports, came);

  lab.say("All of them leave.");
  // One by one: of all at once, the accept queue would have to drop some.
  for (const conn of [good, ...conns]) {
    const leaving = guests.next();
    conn[Symbol.dispose]();
    await leaving;
  }
  await server.idle();
  await wire.settled();
  lab.draw({ lifelines: ["lossy", "good", "server"] });
}

/** Whom the server's program has seen. */
class Guests {
  /** The ports of those who came, in order. */
  readonly ports: number[] = [];
  #next = Promise.withResolvers<void>();

  came(conn: LabConn): void {
    this.ports.push(conn.remoteAddr.port);
  }

  left(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Resolves when the next one has left. */
  next(): Promise<void> {
    return this.#next.promise;
  }
}

/** What comes back of "hello". */
async function echoed(conn: LabConn): Promise<string> {
  const hello = new TextEncoder().encode("hello");
  await writeAll(conn, hello);
  return new TextDecoder().decode(await readExact(conn, hello.length));
}

function at(hostname: string, port: number): TcpAddr {
  return { transport: "tcp", hostname, port };
}

if (import.meta.main) await run(main, import.meta);
