/**
 * How evenly a balancer spreads traffic: each server's share beside its due.
 *
 * @example Two servers, of which one is due three times as much
 * ```ts
 * import { fairness, fairnessTable } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const trace = Array.from({ length: 400 }, (_, i) => ({ key: `client ${i}`, lasts: 0 }));
 * const report = fairness("round-robin", { a: 3, b: 1 }, trace);
 * assertEquals(report.servers.map(({ share }) => share), [0.75, 0.25]);
 * assertEquals(report.worst, 0);
 * console.log(fairnessTable([report]));
 * ```
 *
 * @module
 */

import { dice } from "../world.ts";
import type { Algorithm } from "./balance_algorithms.ts";
import type { Lease } from "./balance_lease.ts";
import { Balancer } from "./balancer.ts";

/** One connection of a trace; one comes at each tick. */
export interface TraceConn {
  /** Its client. */
  readonly key: string;
  /** After how many further connections it ends; 0 before the next one comes. */
  readonly lasts: number;
}

/** One server's part. */
export interface ServerShare {
  /** Its name. */
  readonly id: string;
  /** Its weight. */
  readonly weight: number;
  /** How many connections it got. */
  readonly conns: number;
  /** Its part of all of them. */
  readonly share: number;
  /** The part that is its due. */
  readonly due: number;
  /** By how much its share is off its due, as a part of the due. */
  readonly off: number;
}

/** How evenly an algorithm spread a trace. */
export interface FairnessReport {
  /** Which. */
  readonly algorithm: Algorithm;
  /** Whether it follows weights at all: `"first"` does not. */
  readonly weighted: boolean;
  /** Every server. */
  readonly servers: readonly ServerShare[];
  /** The largest `off`, without its sign. */
  readonly worst: number;
}

/** Runs a trace through a balancer. The same `seed` gives the same report. */
export function fairness(
  algorithm: Algorithm,
  weights: Readonly<Record<string, number>>,
  trace: readonly TraceConn[],
  seed = 1,
): FairnessReport {
  const world = { now: () => 0, random: dice(seed) };
  const balancer = new Balancer<undefined>({ algorithm, world });
  for (const [id, weight] of Object.entries(weights)) balancer.add(id, undefined, { weight });
  const counts = new Map<string, number>();
  const ending = new Map<number, Lease<undefined>[]>();
  for (const [tick, { key, lasts }] of trace.entries()) {
    for (const lease of ending.get(tick) ?? []) lease.release();
    ending.delete(tick);
    const { lease } = balancer.pick({ key });
    if (lease === undefined) continue;
    counts.set(lease.id, (counts.get(lease.id) ?? 0) + 1);
    const end = tick + 1 + lasts;
    ending.set(end, [...ending.get(end) ?? [], lease]);
  }
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const servers = Object.entries(weights).map(([id, weight]): ServerShare => {
    const conns = counts.get(id) ?? 0;
    const share = conns / trace.length;
    const due = weight / total;
    return { id, weight, conns, share, due, off: share / due - 1 };
  });
  const worst = Math.max(...servers.map(({ off }) => Math.abs(off)));
  return { algorithm, weighted: algorithm !== "first", servers, worst };
}

/** The reports as a table, a line for each server. */
export function fairnessTable(reports: readonly FairnessReport[]): string {
  const rows = reports.flatMap(({ algorithm, weighted, servers }) =>
    servers.map(({ id, weight, conns, share, due, off }, i) => [
      i === 0 ? algorithm : "",
      id,
      String(weight),
      String(conns),
      percent(share),
      weighted ? percent(due) : "",
      weighted ? `${off < 0 ? "-" : "+"}${percent(Math.abs(off))}` : "any",
    ])
  );
  const table = [["algorithm", "server", "weight", "conns", "share", "due", "off"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
    ).join("  ").trimEnd()
  ).join("\n");
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
