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
    while (end < rows.length && sameRun(rows[start]!, rows[end]!)) end++;
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
  const counted = sent.length > 0 ? sent : arrows;
  const bytes = counted.reduce((sum, row) => sum + row.bytes, 0);
  return { kind: "fold", count: arrows.length, bytes };
}

function sameRun(a: Row, b: Row): boolean {
  if (isSeen(a) || isSeen(b)) return isFlow(a) && isFlow(b);
  return a.kind === "arrow" && b.kind === "arrow" && a.what === "data" && b.what === "data" &&
    a.from === b.from && a.to === b.to;
}

function isSeen(row: Row): boolean {
  return row.kind === "arrow" && row.segment !== undefined;
}

/** A segment that only moves data or acknowledges it. */
function isFlow(row: Row): boolean {
  if (row.kind === "call") return row.call.kind === "read" || row.call.kind === "write";
  return isSeen(row) && row.kind === "arrow" && (row.what === "data" || row.what === "ack");
}
