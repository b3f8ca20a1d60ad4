#!/usr/bin/env -S deno run --allow-net=127.0.0.1,127.0.0.2,[::1],10.8.0.1,0.0.0.0,[::],192.0.2.1 --allow-sys=networkInterfaces --allow-run=unshare,ip,ss,tcpdump
/**
 * Where a server listens decides who can reach it
 *
 * Chapter §3.1.3: Étape 3 : bind() - Liaison à une adresse
 *
 * A server listens on one address of its machine, or on all of them, and only who
 * dials that address finds it: 127.0.0.1 this machine alone, the address of an
 * interface whoever is linked to it. 0.0.0.0 is every address of IPv4, not of
 * IPv6; :: is every address of both. All others are refused by the kernel.
 *
 * A port can be had once for each address. SO_REUSEADDR, which Deno always sets,
 * does not change that while somebody listens; it helps against TIME-WAIT only.
 *
 * This runs in a network of its own, with a second machine at the end of a cable,
 * where the system gives one. Elsewhere it stays on loopback, as 0.0.0.0 would let
 * in whoever comes.
 *
 *     deno task lab bind
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
import { connName } from "../../lib/observe/events.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { Outside } from "./_outside.ts";
import { inOwnNetwork } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";

const CABLE = { name: "vpn0", here: "10.8.0.1", there: "10.8.0.2" };

/** Root may have any port; without this right it is as everybody is. */
const SETUP = `
ip link set lo up
set -- setpriv --bounding-set=-net_bind_service "$@"`;

/** Interfaces, who reaches what, and what cannot be had. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      if (network.own) {
        await using outside = await Outside.open(CABLE);
        interfaces(lab, ["127.0.0.1", CABLE.here]);
        await everywhere(lab, outside);
        await taken(lab);
        await beyond(lab);
        await privileged(lab);
        lab.draw({ lifelines: ["here", "server", "another"] });
      } else {
        interfaces(lab, ["127.0.0.1"]);
        await onLoopback(lab);
        lab.unseen("what 0.0.0.0, :: and an interface's address let in", network.why);
        await taken(lab);
        await beyond(lab);
        lab.draw({ lifelines: ["here", "server", "another"] });
        lab.unseen("ports below 1024 are privileged", network.why);
      }
    }),
);

/** Whether this machine has IPv6. */
function hasIpv6(): boolean {
  return Deno.networkInterfaces().some(({ address }) => address === "::1");
}

/** What there is to listen on. */
function interfaces(lab: Lab, expected: readonly string[]): void {
  const all = Deno.networkInterfaces();
  const known = all.filter(({ address }) => expected.includes(address) || address === "::1");
  const names = known.map(({ name, cidr }) => `${name} ${cidr}`).join(", ");
  lab.say(`The interfaces of this machine: ${names}.`);
  const there = expected.filter((wanted) => known.some(({ address }) => address === wanted));
  lab.check("they have the addresses that can be listened on", there, expected);
}

/** What a dial came to: `"reached"`, or why not. */
type Reach = Record<string, string>;

/** Who reaches what, in a network with two machines. */
async function everywhere(lab: Lab, outside: Outside): Promise<void> {
  const dials = (to: Partial<Record<string, boolean>>) => ({
    "127.0.0.1": said(to.loopback),
    [CABLE.here]: said(to.cable),
    ...hasIpv6() && { "::1": said(to.v6) },
    [`${CABLE.there} to ${CABLE.here}`]: said(to.outside),
  });
  const loopback = "127.0.0.1 is reached from this machine alone";
  await reach(lab, "127.0.0.1", loopback, dials({ loopback: true }), outside);
  const cable = `${CABLE.here} is reached by who is linked to it, and by ourselves under that name`;
  await reach(lab, CABLE.here, cable, dials({ cable: true, outside: true }), outside);
  const v4 = { loopback: true, cable: true, outside: true };
  const four = "0.0.0.0 is every address of IPv4, and none of IPv6";
  await reach(lab, "0.0.0.0", four, dials(v4), outside);
  if (!hasIpv6()) return lab.unseen(":: is every address of both", "there is no IPv6 here");
  await reach(lab, "::", ":: is every address of both", dials({ ...v4, v6: true }), outside);
}

/** The same with what is on every machine. */
async function onLoopback(lab: Lab): Promise<void> {
  const others = hasIpv6() ? { "::1": "ECONNREFUSED" } : {};
  const one = "127.0.0.1 is reached under no other name";
  await reach(lab, "127.0.0.1", one, { "127.0.0.1": "reached", ...others });
  if (!hasIpv6()) return lab.unseen("::1 is another address", "there is no IPv6 here");
  const two = "::1 is another address";
  await reach(lab, "::1", two, { "127.0.0.1": "ECONNREFUSED", "::1": "reached" });
}

function said(reached: boolean | undefined): string {
  return reached ? "reached" : "ECONNREFUSED";
}

/** Listens on one address, and dials those in `expected`, from outside where that is said. */
async function reach(
  lab: Lab,
  hostname: string,
  claim: string,
  expected: Reach,
  outside?: Outside,
): Promise<void> {
  lab.say(`A server listens on ${hostname}.`);
  await using server = lab.serve(async () => {}, "server", { hostname });
  const { port } = server.addr;
  await lab.checkState(`the kernel listens on ${hostname}`, server.addr, { server: "LISTEN" });
  const came: Reach = {};
  for (const name of Object.keys(expected)) {
    const [to, from] = name.split(" to ").reverse() as [string, string?];
    const addr = tcpAddr(to, port);
    came[name] = from === undefined ? await dialed(lab, addr) : await knocked(lab, addr, outside!);
  }
  await server.idle();
  lab.draw({
    lifelines: outside === undefined ? ["here", "server"] : ["here", "outside", "server"],
  });
  lab.check(claim, came, expected);
}

async function dialed(lab: Lab, addr: TcpAddr): Promise<string> {
  try {
    using _conn = await lab.dial(addr, "here");
    return "reached";
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

/** Dials from the other machine, on the record. */
async function knocked(lab: Lab, addr: TcpAddr, outside: Outside): Promise<string> {
  const remote = formatAddr(addr);
  const done = lab.trace.begin({ kind: "connect", who: "outside", remote });
  const knock = await outside.knock(addr);
  if ("code" in knock) {
    const message = "Connection refused";
    done({ error: { name: "ConnectionRefused", code: knock.code, message } });
    return knock.code;
  }
  done({ local: knock.from, conn: connName(knock.from, remote) });
  return "reached";
}

/** Why a server cannot listen; nothing if it could. */
async function refusal(lab: Lab, hostname: string, port: number): Promise<string | undefined> {
  try {
    await using _server = lab.serve(async () => {}, "another", { hostname, port });
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name;
  }
}

async function taken(lab: Lab): Promise<void> {
  lab.say("A server listens. Another one wants the same port, here and on 127.0.0.2.");
  await using server = lab.serve(async () => {});
  const { port } = server.addr;
  const same = await refusal(lab, "127.0.0.1", port);
  // Only Linux has all of 127.0.0.0/8 for itself.
  const other = Deno.build.os === "linux" ? await refusal(lab, "127.0.0.2", port) : undefined;
  lab.check("a port that is listened on is taken, in spite of SO_REUSEADDR", same, "EADDRINUSE");
  lab.check("on another address it can be had", orListens(other), "listens");

  lab.say("The first one ends. Now nobody listens there.");
  await server[Symbol.asyncDispose]();
  const wire = await lab.wire(port);
  const refused = await dialed(lab, server.addr);
  lab.check("who dials it is refused", refused, "ECONNREFUSED");
  await lab.checkWire("what refuses is RST, from the kernel", wire, [
    "here SYN",
    "server RST-ACK",
  ]);
}

async function beyond(lab: Lab): Promise<void> {
  lab.say("A server wants an address that no interface has: 192.0.2.1.");
  const code = await refusal(lab, "192.0.2.1", 0);
  lab.check("an address must be the machine's own", code, "EADDRNOTAVAIL");
}

async function privileged(lab: Lab): Promise<void> {
  lab.say("Without the right to privileged ports, a server wants port 1023, then 1024.");
  const codes = [await refusal(lab, "127.0.0.1", 1023), await refusal(lab, "127.0.0.1", 1024)];
  const expected = ["EACCES", "listens"];
  lab.check("ports below 1024 are privileged; 1024 is not", codes.map(orListens), expected);
}

function orListens(code: string | undefined): string {
  return code ?? "listens";
}

if (import.meta.main) await run(main, import.meta);
