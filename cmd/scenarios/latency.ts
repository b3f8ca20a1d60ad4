#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Latency: what a handshake tells, and what only the first byte does
 *
 * Chapter §3.2.1: connect() - Connexion au serveur
 *
 * The chapter measures how long connect() takes. That is the round trip of the
 * network, and the name, which it times with it; of the server's program it says
 * nothing, since the kernel shakes hands before the program is told. A server that
 * needs a tenth of a second for each answer connects as fast as one that needs none;
 * so does one that accepts nobody. Only its first byte tells.
 *
 * One number is no measure either. A series has a middle and an end (p50, p95), and
 * it has holes: probes that are lost, and the time until one works again.
 *
 *     deno task lab latency
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
import { measureLatency, type MeasureLatencyOptions } from "../../lib/client/latency.ts";
import { LatencyStats } from "../../lib/client/latency_stats.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { closeGracefully } from "../../lib/stream/close.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { realWorld } from "../../lib/world.ts";
import { run } from "../_cli.ts";
import { TimeHistogram } from "../_latency_histogram.ts";
import { type Measured, summaryText } from "../_latency_report.ts";
import type { Lab, LabServer } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** How long the slow server thinks, in milliseconds. */
const THOUGHT = 100;

/** Who thinks for long, who accepts nobody; then one that is gone for a while. */
export const main = scenario(import.meta, async (lab) => {
  await oneProbe(lab);
  await programs(lab);
  await outage(lab);
});

/** Answers what it is asked, after a thought. */
function thinking(ms: number, signal: AbortSignal): (conn: Duplex) => Promise<void> {
  return async (conn) => {
    if (await conn.read(new Uint8Array(64)) === null) return;
    await realWorld.sleep(ms, { signal });
    await writeAll(conn, new Uint8Array(1));
    await readToEnd(conn);
  };
}

const ASK = new TextEncoder().encode("?");

async function oneProbe(lab: Lab): Promise<void> {
  lab.say(`A probe by hand, of a server that thinks for ${THOUGHT} ms.`);
  await using server = lab.serve(thinking(THOUGHT, lab.signal));
  using client = await lab.dial(server.addr);
  await writeAll(client, ASK);
  await client.read(new Uint8Array(1));
  await closeGracefully(client);
  await server.idle();
  lab.draw();
  const [connect] = lab.calls("client", "connect");
  const [read] = lab.calls("client", "read");
  const took = read!.end! - connect!.at;
  lab.check("by hand: the first byte takes the thought as well", took >= THOUGHT);
}

/** Probes a server; `after` is called with the number of each probe. */
async function measure(
  lab: Lab,
  name: string,
  addr: TcpAddr,
  options: MeasureLatencyOptions,
  after: (number: number) => Promise<void> = async () => {},
): Promise<Measured> {
  const [stats, histogram] = [new LatencyStats(), new TimeHistogram()];
  for await (const probe of measureLatency(addr, { ...options, signal: lab.signal })) {
    stats.add(probe);
    if (probe.connect !== undefined) histogram.record(probe.connect);
    await after(probe.number);
  }
  return { name, summary: stats.summary(), histogram };
}

async function programs(lab: Lab): Promise<void> {
  lab.say(
    "Twenty probes of each: one that answers at once, one that thinks, one that accepts nobody.",
  );
  const { signal } = lab;
  await using quick = serveTcp({ signal }, thinking(0, signal));
  await using slow = lab.serve(thinking(THOUGHT, signal));
  await using deaf = serveTcp({ signal }, async () => {});
  deaf.suspend();
  const series = { count: 20, interval: 1 };
  const asked = await measure(lab, "quick", quick.addr, { ...series, firstByte: ASK });
  const thought = await measure(lab, "slow", slow.addr, { ...series, count: 3, firstByte: ASK });
  const shut = await measure(lab, "deaf", deaf.addr, series);
  deaf.resume();
  await slow.idle();
  lab.say(
    `What \`deno task latency\` makes of it:\n${summaryText([asked, thought, shut], lab.columns)}`,
  );
  lab.draw();
  const all = [asked, thought, shut].map(({ summary }) => summary);
  lab.check("a series: all three answer each time", all.map(({ loss }) => loss), [0, 0, 0]);
  const { connect, firstByte } = thought.summary;
  lab.check("a series: the first byte takes the thought each time", firstByte!.min >= THOUGHT);
  lab.check("a series: a handshake takes none of it", connect!.min < THOUGHT);
  lab.check("a series: nor does one with a server that accepts nobody", all[2]!.connect!.count, 20);
}

async function outage(lab: Lab): Promise<void> {
  lab.say("Ten probes. After the third one the server ends, after the seventh it is back.");
  let server: LabServer | undefined = lab.serve(async () => {});
  const { addr } = server;
  await using _last = { [Symbol.asyncDispose]: async () => await server?.[Symbol.asyncDispose]() };
  const { summary } = await measure(
    lab,
    "server",
    addr,
    { count: 10, interval: 5 },
    async (number) => {
      if (number === 3) {
        await server?.[Symbol.asyncDispose]();
        server = undefined;
      }
      if (number === 7) server = lab.serve(async () => {}, "server", { port: addr.port });
    },
  );
  await server?.idle();
  lab.draw();
  const { sent, answered, loss, longestOutage } = summary;
  lab.check("an outage: four of ten find nobody", [sent, answered], [10, 6]);
  lab.check("an outage: four of ten are lost", loss, 0.4);
  lab.check("an outage: in a row, and it is over", [longestOutage!.probes, longestOutage!.over], [
    4,
    true,
  ]);
}

if (import.meta.main) await run(main, import.meta);
