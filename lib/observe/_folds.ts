/** The middle of a long run of data, left out: a thousand writes teach no more than five. */

import type { FoldRow, Row } from "./row.ts";

/** A run of data one way that is longer than this is folded; how many of it stay. */
const LONGEST_RUN = 8;
const HEAD = 3;
const TAIL = 2;

/**
 * The same rows with the middle of long runs folded. A run goes one way; where segments were
 * seen, their acknowledgements belong to it, and the calls that move its bytes.
 */
export function folded(rows: readonly Row[]): Row[] {
  const kept: Row[] = [];
  for (let start = 0; start < rows.length;) {
    let end = start + 1;
    while (end < rows.length && continues(rows.slice(start, end), rows[end]!)) end++;
    const run = rows.slice(start, end);
    start = end;
    if (run.length <= LONGEST_RUN) kept.push(...run);
    else kept.push(...run.slice(0, HEAD), fold(run.slice(HEAD, -TAIL)), ...run.slice(-TAIL));
  }
  return kept;
}

function fold(middle: readonly Row[]): FoldRow {
  const arrows = middle.filter((row) => row.kind === "arrow");
  const sent = arrows.filter((row) => !row.late);
  if (arrows.length === 0) return { kind: "fold", count: middle.length, bytes: moved(middle) };
  return { kind: "fold", count: arrows.length, bytes: moved(sent.length > 0 ? sent : arrows) };
}

function moved(rows: readonly Row[]): number {
  const bytes = rows.map((row) => {
    if (row.kind === "arrow") return row.bytes;
    return row.kind === "call" && "bytes" in row.call ? row.call.bytes ?? 0 : 0;
  });
  return bytes.reduce((sum, each) => sum + each, 0);
}

/** Whether `row` goes on with a run. */
function continues(run: readonly Row[], row: Row): boolean {
  const last = run.at(-1)!;
  if (run.some(isSeen) || isSeen(row)) return isFlow(last) && isFlow(row);
  return last.kind === "arrow" && row.kind === "arrow" && last.what === "data" &&
    row.what === "data" && last.from === row.from && last.to === row.to;
}

function isSeen(row: Row): boolean {
  return row.kind === "arrow" && row.segment !== undefined;
}

/** A segment that only moves data or acknowledges it, or a call that moved some. */
function isFlow(row: Row): boolean {
  if (row.kind === "arrow") return isSeen(row) && (row.what === "data" || row.what === "ack");
  if (row.kind !== "call") return false;
  const { call } = row;
  return (call.kind === "read" || call.kind === "write") && (call.bytes ?? 0) > 0;
}
