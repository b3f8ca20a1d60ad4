/**
 * What `latency` says: a line for each probe, and the summary, for a person or for a program.
 *
 * @module
 */

import type { LatencyProbe } from "../lib/client/latency.ts";
import type { LatencySummary, TimeSpread } from "../lib/client/latency_stats.ts";
import { explain } from "../lib/errors.ts";
import { drawHistograms, type TimeHistogram } from "./_latency_histogram.ts";

/** A server and what is known of it. */
export interface Measured {
  readonly name: string;
  readonly summary: LatencySummary;
  /** The times of its handshakes. */
  readonly histogram: TimeHistogram;
}

/** The kinds of time, and what they are called. */
const KINDS = { resolve: "resolve", connect: "connect", firstByte: "first byte" } as const;

/** A probe, for a person; `width` is that of the longest name. */
export function probeLine(name: string, probe: LatencyProbe, width: number): string {
  const head = `${name.padEnd(width)}  #${probe.number}`;
  const times = Object.entries(KINDS).flatMap(([kind, text]) => {
    const time = probe[kind as keyof typeof KINDS];
    return time === undefined ? [] : [`${text} ${timeText(time)}`];
  });
  if (!("error" in probe)) {
    const named = probe.remoteAddr?.hostname !== probe.addr.hostname;
    return [head, ...times, ...named ? [`(${probe.remoteAddr!.hostname})`] : []].join("  ");
  }
  return [head, ...times, `✗ ${reason(probe).what}`].join("  ").replaceAll(/\p{Cc}/gu, " ");
}

/** A probe, for a program. */
export function probeJson(name: string, probe: LatencyProbe): string {
  const { number, resolve, connect, firstByte, remoteAddr } = probe;
  const failed = "error" in probe && { error: reason(probe) };
  const known = { target: name, number, ok: !failed, address: remoteAddr?.hostname };
  return JSON.stringify({ ...known, ...rounded({ resolve, connect, firstByte }), ...failed });
}

/** All that is known of one server, for a program. */
export function summaryJson({ name, summary }: Measured): string {
  const { sent, answered, loss, longestOutage: outage } = summary;
  const spreads = Object.keys(KINDS).map((kind) => {
    const spread = summary[kind as keyof typeof KINDS];
    return [kind, spread && rounded({ ...spread })];
  });
  const longestOutage = outage && Math.round(outage.ended - outage.started);
  const facts = { target: name, sent, answered, loss, longestOutage };
  return JSON.stringify({ ...facts, ...Object.fromEntries(spreads) });
}

/** All that is known, for a person: the servers side by side, as many as fit in `width` columns. */
export function summaryText(all: readonly Measured[], width: number): string {
  const fit = Math.max(1, Math.floor((width - LABEL) / LEAST));
  const groups: string[][] = [];
  for (let i = 0; i < all.length; i += fit) {
    const some = all.slice(i, i + fit);
    const histograms = new Map(some.map(({ name, histogram }) => [name, histogram]));
    const drawn = drawHistograms(histograms, width);
    groups.push([...table(some, width), ...drawn.length > 1 ? ["", "connect", ...drawn] : []]);
  }
  return groups.map((lines) => lines.join("\n")).join("\n\n");
}

/** Columns for what the rows are, and at least for each server. */
const LABEL = 17;
const LEAST = 19;

function table(all: readonly Measured[], width: number): string[] {
  const least = Math.floor((width - LABEL) / all.length) - 2;
  const column = Math.min(least, Math.max(LEAST - 2, ...all.map(({ name }) => name.length)));
  const row = (label: string, tell: (one: Measured) => string) =>
    [label.padEnd(LABEL), ...all.map((one) => tell(one).padStart(column))].join("  ").trimEnd();
  const name = (one: Measured) =>
    one.name.length <= column ? one.name : `…${one.name.slice(1 - column)}`;
  return [
    row("", name),
    row("probes", ({ summary }) => String(summary.sent)),
    row("lost", ({ summary }) => lostText(summary)),
    row("longest outage", ({ summary }) => outageText(summary)),
    ...Object.entries(KINDS).flatMap(([kind, text]) =>
      spreadRows(all.map(({ summary }) => summary[kind as keyof typeof KINDS]), text)
        .map(([label, cells]) => row(label, (one) => cells[all.indexOf(one)]!))
    ),
  ];
}

const FIGURES = ["min", "avg", "p50", "p95", "max", "jitter"] as const;

/** A row for each figure, if anybody has it. */
function spreadRows(
  spreads: readonly (TimeSpread | undefined)[],
  text: string,
): [label: string, cells: string[]][] {
  if (spreads.every((spread) => spread === undefined)) return [];
  return FIGURES.map((figure, i) => [
    `${(i === 0 ? text : "").padEnd(10)} ${figure}`,
    spreads.map((spread) => spread === undefined ? "–" : timeText(spread[figure])),
  ]);
}

function lostText({ sent, answered, loss }: LatencySummary): string {
  return sent === answered ? "0" : `${sent - answered} (${Math.round(loss * 100)} %)`;
}

function outageText({ longestOutage: outage }: LatencySummary): string {
  if (outage === undefined) return "–";
  const length = timeText(outage.ended - outage.started);
  return outage.over ? length : `${length}, not over`;
}

/** Three digits, of milliseconds if there are not too many of them. */
function timeText(ms: number): string {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const digits = ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0;
  return `${ms.toFixed(digits)} ms`;
}

function reason({ error, addr, connect }: LatencyProbe): { code?: string; what: string } {
  const op = connect === undefined ? "connect" : "read";
  const { code, what } = explain(error, { op, addr });
  return { ...code !== undefined && { code }, what };
}

/** To whole microseconds; what is missing stays so. */
function rounded(times: Record<string, number | undefined>): Record<string, number> {
  const known = Object.entries(times).filter(([, ms]) => ms !== undefined);
  return Object.fromEntries(known.map(([name, ms]) => [name, Math.round(ms! * 1000) / 1000]));
}
