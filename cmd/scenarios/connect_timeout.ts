#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=unshare,ss,tcpdump
/**
 * A connect that nobody answers, and who has enough of it first
 *
 * Chapter §3.2.2: Gestion des timeouts
 *
 * The chapter's example is a machine that is off. A server with a full backlog looks
 * the same from outside: SYN after SYN, and no answer. The kernel goes on asking for
 * two minutes (tcp_syn_retries), so whoever wants to know sooner brings a deadline.
 *
 * When that is over, nothing is left behind: no connection that is still trying, and
 * none that is made later. A deadline has to include the name as well, or a slow
 * name server keeps us waiting all the same. And who tries again may be let in.
 *
 * How the kernel itself gives up is seen in a network of its own, where it is told
 * to ask once more only.
 *
 *     deno task lab connect_timeout
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
import { dial, type DialedConn, type DialOptions } from "../../lib/client/dial.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import { dialWaterfall } from "../../lib/client/dial_waterfall.ts";
import { explain } from "../../lib/errors.ts";
import type { SegmentEvent } from "../../lib/observe/events.ts";
import { readToEnd } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { Asked } from "./_asked.ts";
import { FullServer } from "./_full_server.ts";
import type { Lab } from "./_lab.ts";
import { inOwnNetwork } from "./_own_network.ts";
import { scenario } from "./_scenario.ts";

/** One SYN and one more, a second later; newer kernels would send four of them first. */
const SETUP = `
ip link set lo up
echo 1 >/proc/sys/net/ipv4/tcp_syn_retries
linear=/proc/sys/net/ipv4/tcp_syn_linear_timeouts
[ ! -e $linear ] || echo 0 >$linear`;

/** Ours, the name's, the kernel's; and one that is let in. */
export const main = inOwnNetwork(
  import.meta,
  SETUP,
  (network) =>
    scenario(import.meta, async (lab) => {
      await ours(lab);
      await nameIncluded(lab);
      await again(lab);
      if (network.own) await theKernels(lab);
      else lab.unseen("the kernel's: ETIMEDOUT, when it has asked often enough", network.why);
    }),
);

/** A failed dial: the error of its last attempt, and all of it. */
async function failed(lab: Lab, addr: TcpAddr, options: DialOptions): Promise<DialError> {
  const { signal } = lab;
  let all: unknown;
  await lab.connect(addr, "client", () =>
    dial(addr, { ...options, signal }).catch((error) => {
      all = error;
      throw error instanceof DialError ? error.cause : error;
    })).catch(() => {});
  if (all instanceof DialError) return all;
  throw all ?? new Error("it connected");
}

/** How long we wait, in milliseconds; long enough to look at the kernel meanwhile. */
const PATIENCE = 1_500;

async function ours(lab: Lab): Promise<void> {
  lab.say(`A server's backlog is full. We dial it, and give it ${PATIENCE} ms.`);
  await using end = new AsyncDisposableStack();
  const server = end.use(await FullServer.start(lab));
  const { port } = server.addr;
  const wire = await lab.wire(port);
  const asked = new Asked(lab);
  const dialing = failed(lab, server.addr, { timeout: PATIENCE });
  dialing.catch(() => {}); // whoever looks may see that it waits
  await asked.checkCount("ours: SYN is not answered, we are in SYN-SENT", port, "SYN-SENT", 1);
  const error = await dialing;
  const { what, whose } = explain(error);
  lab.say(`${what}.`);
  await asked.checkCount("ours: when it is over, nothing goes on trying", port, "SYN-SENT", 0);
  await wire.settled();
  const segments = [...wire.segments];
  await end.disposeAsync();
  await wire.settled();
  lab.draw();
  const told = [nameOf(error.cause), whose];
  lab.check("ours: TimeoutError, and the network's doing", told, ["TimeoutError", "network"]);
  const [attempt] = error.attempts;
  lab.check("ours: not before its time", attempt!.ended - attempt!.started >= PATIENCE);
  const claim = "ours: there was a SYN, and no answer to it";
  if (wire.unseen !== undefined) return lab.unseen(claim, wire.unseen);
  lab.check(claim, [asking(segments).length > 0, answering(segments)], [true, []]);
}

/** SYN alone: somebody wants to connect. */
function asking(segments: readonly SegmentEvent[]): SegmentEvent[] {
  return segments.filter(({ flags }) => flags.includes("SYN") && !flags.includes("ACK"));
}

/** SYN-ACK, or RST: somebody is let in, or refused. */
function answering(segments: readonly SegmentEvent[]): SegmentEvent[] {
  return segments.filter(({ flags }) => flags.includes("SYN") && flags.includes("ACK"))
    .concat(segments.filter(({ flags }) => flags.includes("RST")));
}

async function nameIncluded(lab: Lab): Promise<void> {
  lab.say("A name server keeps silent. The deadline is on the name as well.");
  const addr = tcpAddr("slow.example", 80);
  const error = await failed(lab, addr, { timeout: 50, resolve: () => new Promise(() => {}) });
  lab.draw();
  lab.check("the name's: TimeoutError", nameOf(error.cause), "TimeoutError");
  lab.check("the name's: no address was tried", error.attempts[0]!.connects, []);
}

async function again(lab: Lab): Promise<void> {
  lab.say("The backlog is full again. We give it 100 ms, and try again.");
  await using server = await FullServer.start(lab);
  let conn: DialedConn | undefined;
  const connected = await lab.connect(server.addr, "client", async () => {
    const room = { attempts: 5, timeout: 100, backoff: 100, onAttempt: () => server.makeRoom() };
    return conn = await dial(server.addr, { ...room, signal: lab.signal });
  });
  await connected.closeWrite();
  await readToEnd(connected);
  connected[Symbol.dispose]();
  const { attempts } = conn!;
  lab.say(
    `After the first attempt there is room:\n${dialWaterfall(attempts, { width: lab.columns })}`,
  );
  lab.draw();
  lab.check("again: the first attempt finds no room", nameOf(attempts[0]!.error), "TimeoutError");
  lab.check("again: a later one is let in", attempts.at(-1)!.remoteAddr, server.addr);
}

async function theKernels(lab: Lab): Promise<void> {
  lab.say("We wait for as long as the kernel does, which here sends SYN twice.");
  await using end = new AsyncDisposableStack();
  const server = end.use(await FullServer.start(lab));
  const wire = await lab.wire(server.addr.port);
  const error = await failed(lab, server.addr, { timeout: Infinity });
  await wire.settled();
  const segments = [...wire.segments];
  await end.disposeAsync();
  await wire.settled();
  lab.draw();
  const claim = "the kernel's: ETIMEDOUT, when it has asked often enough";
  lab.check(claim, [error.code, explain(error).whose], ["ETIMEDOUT", "network"]);
  const twice = "the kernel's: it has sent SYN twice";
  if (wire.unseen !== undefined) lab.unseen(twice, wire.unseen);
  else lab.check(twice, asking(segments).length, 2);
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}

if (import.meta.main) await run(main, import.meta);
