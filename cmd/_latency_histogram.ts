/**
 * How often which time was measured: one column for each server, the rows in steps of 1, 2 and 5.
 *
 * @module
 */

import { Int32Histogram } from "hdr-histogram-js";

/** Counts times: in microseconds, three digits of them, and from an hour on no further. */
export class TimeHistogram {
  readonly #counts = new Int32Histogram(1, MOST, 3);

  /** Counts a time, in milliseconds. */
  record(ms: number): void {
    this.#counts.recordValue(Math.min(MOST, Math.max(1, Math.round(ms * 1000))));
  }

  /** How many times were counted. */
  get total(): number {
    return this.#counts.totalCount;
  }

  /** The most, in milliseconds. */
  get max(): number {
    return this.#counts.maxValue / 1000;
  }

  /** How many are more than `from`, and not more than `to` milliseconds. */
  between(from: number, to: number): number {
    const index = (ms: number) =>
      this.#counts.countsArrayIndex(Math.min(MOST, Math.round(ms * 1000)));
    let sum = 0;
    for (let i = index(from) + 1; i <= index(to); i++) sum += this.#counts.getCountAtIndex(i);
    return sum;
  }
}

const MOST = 3_600_000_000;

/** The bar of a count, in eighths of a column. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** What lies between the rows, in milliseconds; all times are between the first and the last. */
export function rowEdges(histograms: readonly TimeHistogram[]): number[] {
  const filled = histograms.filter(({ total }) => total > 0);
  if (filled.length === 0) return [];
  const max = Math.max(...filled.map(({ max }) => max));
  const edges = [0, 0.001];
  while (edges.at(-1)! < max) edges.push(oneTwoFive(edges.length - 1));
  // Three digits do not tell a time from an edge that is a little less.
  const isEmpty = (from: number, to: number) =>
    histograms.every((one) => one.between(from, to) === 0);
  while (isEmpty(edges.at(-2)!, edges.at(-1)!)) edges.pop();
  while (isEmpty(edges[0]!, edges[1]!)) edges.shift();
  return edges;
}

/** A step after `count` of them, without the errors that multiplying would gather. */
function oneTwoFive(count: number): number {
  return [1, 2, 5][count % 3]! * 10 ** Math.floor(count / 3) / 1000;
}

/** Draws a histogram for each name, side by side, in lines of at most `width` columns. */
export function drawHistograms(
  histograms: ReadonlyMap<string, TimeHistogram>,
  width: number,
): string[] {
  const all = [...histograms.values()];
  const edges = rowEdges(all);
  const ends = edges.slice(1);
  const label = Math.max(0, ...ends.map((end) => endText(end).length));
  const column = Math.floor((width - label) / all.length) - 2;
  const rows = ends.map((end, i) => all.map((one) => one.between(edges[i]!, end)));
  const most = Math.max(1, ...rows.flat());
  const room = column - String(most).length - 1;
  const cell = (count: number) => count === 0 ? "" : `${bar(count / most, room)} ${count}`;
  const line = (head: string, cells: string[]) =>
    [head, ...cells.map((text) => text.padEnd(column))].join("  ").trimEnd();
  const names = [...histograms.keys()].map((name) => cut(name, column));
  return [
    line(" ".repeat(label), names),
    ...rows.map((counts, i) => line(endText(ends[i]!).padStart(label), counts.map(cell))),
  ];
}

function endText(ms: number): string {
  if (ms >= 1000) return `≤ ${ms / 1000} s`;
  return ms < 1 ? `≤ ${Math.round(ms * 1000)} µs` : `≤ ${ms} ms`;
}

function bar(share: number, room: number): string {
  const eighths = Math.max(1, Math.round(share * room * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}

/** The end of an address says more than its beginning. */
function cut(name: string, room: number): string {
  return name.length <= room ? name : `…${name.slice(name.length - room + 1)}`;
}
