#!/usr/bin/env -S deno run --allow-net=127.0.0.1,127.0.0.2,127.0.0.3,255.255.255.255,192.0.2.1 --allow-run=unshare
/**
 * Connect: two addresses raced, and nine ways to fail, told apart
 *
 * Chapter §3.2.1: connect() - Connexion au serveur
 *
 * A name may have several addresses. Who tries one after the other waits for those
 * that keep silent, two minutes each; who races them (Happy Eyeballs, RFC 8305)
 * starts the next one at once when one fails, and after 250 ms beside one that says
 * nothing. The first to connect wins, the others are closed.
 *
 * And connect() fails in ways that want different answers: start the server, mend
 * the network, wait, ask for leave, reuse connections, close some. Each has its own
 * error, which says whose doing it is.
 *
 * Those that need a route, few ports or few descriptors are provoked in a network of
 * its own, where the system gives one.
 *
 *     deno task lab connect
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

import { formatAddr, type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { dial, type DialOptions } from "../../lib/client/dial.ts";
import type { DialAttempt } from "../../lib/client/dial_attempt.ts";
import { dialWaterfall } from "../../lib/client/dial_waterfall.ts";
import type { Resolve } from "../../lib/client/eyeballs.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import type { ConnectRecord } from "../../lib/client/race_record.ts";
import { explain } from "../../lib/errors.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { FullServer } from "./_full_server.ts";
import type { Lab } from "./_lab.ts";
import { inOwnNetwork } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";

/** How many there are to connect from. */
const PORTS = 40;

/** Forty ports for connections that go out, and room for little more than a hundred files. */
const SETUP = `
ip link set lo up
ip route add unreachable 192.0.2.1
echo 40000 40039 >/proc/sys/net/ipv4/ip_local_port_range
ulimit -n 120`;

/** Races, then failures. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      await refusedFirst(lab);
      await silentFirst(lab);
      await failures(lab);
      if (network.own) {
        await unreachable(lab);
        await portsAndFiles(lab);
      } else {
        lab.unseen("EHOSTUNREACH: a router says that nobody is there", network.why);
        lab.unseen("EADDRNOTAVAIL: no port is left to connect from", network.why);
        lab.unseen("EMFILE: no descriptor is left", network.why);
      }
    }),
);

/** A name that has these addresses, in this order. */
function having(...addresses: string[]): Resolve {
  return (_, family) => Promise.resolve(family === 4 ? addresses : []);
}

/** Dials a name, leaves again, and draws what that took. */
async function race(lab: Lab, port: number, resolve: Resolve): Promise<readonly ConnectRecord[]> {
  const addr = tcpAddr("server.example", port);
  let attempts: readonly DialAttempt[] = [];
  {
    using conn = await lab.connect(addr, "client", async () => {
      const conn = await dial(addr, { resolve, signal: lab.signal });
      attempts = conn.attempts;
      return conn;
    });
    await conn.closeWrite();
    await readToEnd(conn);
  }
  lab.say(`What the dial did, in its time:\n${dialWaterfall(attempts, { width: lab.columns })}`);
  return attempts[0]!.connects;
}

function outcomes(connects: readonly ConnectRecord[]): string[] {
  return connects.map(({ hostname, outcome }) => `${hostname} ${outcome}`);
}

async function refusedFirst(lab: Lab): Promise<void> {
  lab.say("A name has two addresses. On the first one nobody listens.");
  await using server = lab.serve(async () => {});
  const connects = await race(lab, server.addr.port, having("127.0.0.2", "127.0.0.1"));
  const [first, second] = connects;
  await server.idle();
  lab.draw();
  lab.check("refused: the next address is tried", outcomes(connects), [
    "127.0.0.2 failed",
    "127.0.0.1 connected",
  ]);
  lab.check("refused: at once", second!.started - first!.ended < DELAY);
}

/** Connection Attempt Delay, in milliseconds (RFC 8305, section 8). */
const DELAY = 250;

async function silentFirst(lab: Lab): Promise<void> {
  lab.say("The first one keeps silent: its backlog is full.");
  await using server = lab.serve(async () => {});
  const { port } = server.addr;
  await using _full = await FullServer.start({
    ...{ hostname: "127.0.0.2", port, signal: lab.signal },
  });
  const connects = await race(lab, port, having("127.0.0.2", "127.0.0.1"));
  const [first, second] = connects;
  await server.idle();
  lab.draw();
  lab.check("silent: the next address is tried beside it", outcomes(connects), [
    "127.0.0.2 dropped",
    "127.0.0.1 connected",
  ]);
  lab.check("silent: after 250 ms", second!.started - first!.started >= DELAY);
  lab.check("silent: it is given up when the other has won", first!.ended, second!.ended);
}

/** What has to be said of a failed dial. */
type Verdict = [code: string | undefined, whose: string];

async function failure(
  lab: Lab,
  claim: string,
  addr: TcpAddr,
  expected: Verdict,
  options: DialOptions = {},
): Promise<void> {
  const { signal } = lab;
  const connecting = lab.connect(
    addr,
    "client",
    () =>
      dial(addr, { ...options, signal }).catch((error) => {
        throw error instanceof DialError ? error.cause : error; // as the kernel, or Deno, said it
      }),
  );
  const seen = await connecting.then((conn) => {
    conn[Symbol.dispose]();
    return undefined;
  }, (error) => explain(error, { op: "connect", addr }));
  if (seen !== undefined) lab.say(`${seen.what}.`);
  lab.check(claim, [seen?.code, seen?.whose], expected);
}

async function failures(lab: Lab): Promise<void> {
  lab.say("The same call fails in many ways. Here each is made to happen.");
  const port = await deserted(lab);
  await failure(
    lab,
    "ECONNREFUSED: a machine answers, nobody listens",
    tcpAddr("127.0.0.1", port),
    [
      "ECONNREFUSED",
      "peer",
    ],
  );
  {
    await using silent = await FullServer.start(lab);
    const patience = { timeout: 50 };
    await failure(
      lab,
      "TimeoutError: nobody answers",
      silent.addr,
      [undefined, "network"],
      patience,
    );
  }
  const broadcast = tcpAddr("255.255.255.255", port); // never leaves this machine
  await failure(lab, "ENETUNREACH: no route leads there", broadcast, ["ENETUNREACH", "kernel"]);
  const unknown = tcpAddr("nobody.example", port);
  await failure(lab, "ENOTFOUND: the name has no address", unknown, ["ENOTFOUND", "network"], {
    resolve: having(),
  });
  const forbidden = tcpAddr("127.0.0.9", port); // not on this lesson's first line
  await failure(lab, "NotCapable: Deno was not given leave", forbidden, [undefined, "permission"]);
  lab.draw();
}

async function unreachable(lab: Lab): Promise<void> {
  const addr = tcpAddr("192.0.2.1", 80);
  const claim = "EHOSTUNREACH: a router says that nobody is there";
  await failure(lab, claim, addr, ["EHOSTUNREACH", "network"]);
  lab.draw();
}

/** Connections are held, until there is no port to connect from, and then no descriptor. */
async function portsAndFiles(lab: Lab): Promise<void> {
  lab.say("There are forty ports to connect from, and we hold on to all that we get.");
  using held = new DisposableStack();
  await using servers = new AsyncDisposableStack();
  const hold = async (hostname: string) => {
    // Nobody takes them over: each costs one descriptor only.
    const options = { hostname, backlog: 511, signal: lab.signal };
    const server = servers.use(serveTcp(options, async () => {}));
    server.suspend();
    for (let count = 0;; count++) {
      try {
        held.use(await dial(server.addr, { signal: lab.signal }));
      } catch (error) {
        const { what, code, whose } = explain(error);
        lab.say(`${formatAddr(server.addr)}: ${count} connections, then ${what}.`);
        return { count, verdict: [code, whose] };
      }
    }
  };
  const first = await hold("127.0.0.1");
  const second = await hold("127.0.0.2");
  const third = await hold("127.0.0.3");
  held.dispose();
  lab.draw();
  const out = ["EADDRNOTAVAIL", "kernel"];
  lab.check("EADDRNOTAVAIL: no port is left to connect from", first.verdict, out);
  lab.check("each connection takes one", first.count <= PORTS);
  lab.check("the same ports are free for another address", second.count > 0);
  lab.check("EMFILE: no descriptor is left", third.verdict, ["EMFILE", "kernel"]);
}

/** A port where somebody listened a moment ago. */
async function deserted(lab: Lab): Promise<number> {
  await using server = lab.serve(async () => {});
  return server.addr.port;
}

if (import.meta.main) await run(main, import.meta);
