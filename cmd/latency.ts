#!/usr/bin/env -S deno run --allow-net
/**
 * Measures how long it takes to reach servers: their names, the handshake and, if wanted, the
 * first byte, a line for each probe. At the end, or at Ctrl-C, it sums up, all side by side.
 *
 *     deno task latency example.com:443
 *     deno task latency 127.0.0.1:80 127.0.0.1:6379 --count 20 --interval 100ms
 *     deno task latency example.com:80 --send 'HEAD / HTTP/1.0\r\n\r\n'
 *
 * A probe ends with FIN, and leaves nothing in a server's log that says otherwise. A name is
 * resolved until it has answered, and again after three failures in a row.
 *
 * Flags:
 *
 *     --count COUNT      how many probes of each server, 0 for no end; 0
 *     --interval TIME    from one probe to the next; 1s
 *     --timeout TIME     for one probe, name resolution and first byte included; 2s
 *     --first-byte       time the first byte as well, of a server that speaks first
 *     --send TEXT        send this, with \r and \n for CR and LF, and time the first byte back
 *     --json             a JSON object on each line: the probes, then a summary of each server
 *     --help, --version
 *
 * Before the first probe it makes some to itself, which count for nothing, lest that one have
 * some milliseconds of the program's own beginning in it; so it has if less is allowed than
 * --allow-net. Jitter is the mean difference of a time to the next. An outage lasts from the
 * start of the first probe that failed to the end of the first that did not.
 *
 * Exit codes: 0, all servers were reached; 1, one never was; 2, wrong command line. Ctrl-C or
 * SIGTERM ends it, and the exit code says the same.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { measureLatency, type MeasureLatencyOptions } from "../lib/client/latency.ts";
import { LatencyStats } from "../lib/client/latency_stats.ts";
import { type Io, run } from "./_cli.ts";
import { duration, integer, peer, text, toggle } from "./_flag.ts";
import { parseFlags } from "./_flags.ts";
import { TimeHistogram } from "./_latency_histogram.ts";
import { warmUp } from "./_latency_warm_up.ts";
import { probeJson, probeLine, summaryJson, summaryText } from "./_latency_report.ts";
import { need } from "./_permissions.ts";

/** What the command line may say. */
export const flags = {
  count: integer({ fallback: 0 }),
  interval: duration({ min: 1, fallback: 1_000 }),
  timeout: duration({ min: 1, fallback: 2_000 }),
  "first-byte": toggle(),
  send: text(""),
  json: toggle(),
};

/** Measures until all probes are made, or it is interrupted. */
export async function main(args: string[], io: Io): Promise<number> {
  const given = parseFlags(args, flags, {}, { "HOST:PORT": peer() });
  const { count, interval, timeout, json, send, "HOST:PORT": addrs } = given;
  const targets = addrs.map((addr) => new Target(addr));
  for (const { name } of targets) need({ kind: "net", to: name });
  const width = Math.max(...targets.map(({ name }) => name.length));
  const failed = new AbortController();
  const options: MeasureLatencyOptions = {
    ...{ count: count || Infinity, interval, timeout },
    firstByte: send === "" ? given["first-byte"] : bytesOf(send),
    signal: AbortSignal.any([io.interrupted, failed.signal]),
  };
  await warmUp();
  const measuring = targets.map(async (target) => {
    for await (const probe of measureLatency(target.addr, options)) {
      target.stats.add(probe);
      if (probe.connect !== undefined) target.histogram.record(probe.connect);
      const line = json ? probeJson(target.name, probe) : probeLine(target.name, probe, width);
      await io.print(`${line}\n`);
    }
  });
  // Nobody reads it any more: that ends the others as well.
  for (const one of measuring) one.catch(() => failed.abort());
  await Promise.all(measuring);
  const all = targets.map((target) => target.measured());
  for (const one of json ? all : []) await io.print(`${summaryJson(one)}\n`);
  const probed = all.some(({ summary }) => summary.sent > 0);
  if (!json && probed) await io.print(`\n${summaryText(all, io.columns ?? 80)}\n`);
  return all.every(({ summary }) => summary.answered > 0) ? 0 : 1;
}

/** A server, and what is known of it so far. */
class Target {
  readonly name: string;
  readonly stats = new LatencyStats();
  readonly histogram = new TimeHistogram();

  constructor(readonly addr: TcpAddr) {
    this.name = formatAddr(addr);
  }

  measured() {
    const { name, histogram } = this;
    return { name, histogram, summary: this.stats.summary() };
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text.replaceAll("\\r", "\r").replaceAll("\\n", "\n"));
}

if (import.meta.main) await run(main, import.meta);
