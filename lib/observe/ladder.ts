/**
 * A trace drawn as a ladder: a lifeline for each program, time going down, and an arrow
 * for whatever went from one to the other. Where segments were seen on the wire, each is an
 * arrow; elsewhere arrows are inferred from the calls at both ends. The kernel's states are
 * written upon the lifelines.
 *
 * ```text
 *     ms            client                          server            ms
 *   0.52      write 14 B ├────────── 14 B ─────────▶│ read 14 B        0.71
 *   0.80      closeWrite ╞══════════ FIN ══════════▶│ read → EOF       0.93
 * ```
 *
 * Left of an arrow stands the call at its left end, with its own time; right of it the
 * call at its right end. Without any colour, data is a single line, FIN a double one and
 * RST a broken one; a lifeline is solid as long as its end may send, dashed from its FIN
 * on, and gone once it is closed.
 *
 * @example A half-close
 * ```ts
 * import { ladder, Trace, traced } from "@tcplab/tcplab/observe";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertMatch } from "@std/assert";
 *
 * const trace = new Trace();
 * const [a, b] = memoryPair();
 * using client = traced(a, "client", trace);
 * using server = traced(b, "server", trace);
 *
 * await client.closeWrite();
 * await readToEnd(server);
 * await writeAll(server, new TextEncoder().encode("goodbye"));
 * await client.read(new Uint8Array(16));
 *
 * assertMatch(ladder(trace.events), /closeWrite ╞═+ FIN ═+▶│ read → EOF/);
 * assertMatch(ladder(trace.events), /read 7 B ╎◀─+ 7 B ─+┤ write 7 B/);
 * ```
 *
 * @module
 */

import { Line, wrap } from "./_canvas.ts";
import { proseLines } from "./_words.ts";
import { type Layout, Stacked, Wide } from "./_layouts.ts";
import type { TraceEvent } from "./events.ts";
import { lifelinesOf, picture, type PictureOptions } from "./picture.ts";
import type { Row } from "./row.ts";

/** Options for {@linkcode ladder}. */
export interface LadderOptions extends PictureOptions {
  /**
   * The most columns that a line may take. Two lifelines stand side by side from 60 on;
   * below that, and for more of them, calls stand above the arrows.
   *
   * @default {80}
   */
  width?: number;
  /**
   * Whether to colour with ANSI escapes, which are not counted in the width.
   *
   * @default {false}
   */
  color?: boolean;
  /**
   * Whether to say below what the strokes mean.
   *
   * @default {true}
   */
  legend?: boolean;
}

const NARROWEST = Stacked.least(2);
const SIDE_BY_SIDE = 60;

/**
 * Draws what happened as text, each line ended by a line feed; nothing if no call was made
 * and nothing was seen. Of more lifelines than the width can hold the first ones are drawn, and
 * a line says which are not.
 *
 * @throws {RangeError} If `width` is not an integer >= 20.
 */
export function ladder(events: readonly TraceEvent[], options: LadderOptions = {}): string {
  const { width = 80, color = false, drawn = new Set(), legend = true } = options;
  const { lifelines = lifelinesOf(events.filter((event) => !drawn.has(event))) } = options;
  if (!Number.isSafeInteger(width) || width < NARROWEST) {
    throw new RangeError(
      `Cannot draw a ladder as 'width' must be an integer >= ${NARROWEST}: current value is ${width}`,
    );
  }
  const fitting = lifelines.filter((_, at) => Stacked.least(Math.max(2, at + 1)) <= width);
  const { lifelines: names, rows: all } = picture(events, { lifelines: fitting, drawn });
  if (names.length === 0) return "";
  const layout = layoutOf(width, names);
  const lines = [layout.header()];
  for (const row of all) lines.push(...draw(layout, row, width, lines.length > 1));
  if (lifelines.length > fitting.length) {
    lines.push(...text(`Not drawn: ${lifelines.slice(fitting.length).join(", ")}`, width));
  }
  if (legend) lines.push(...key(all, width));
  return lines.map((line) => line.toString(color) + "\n").join("");
}

function layoutOf(width: number, names: readonly string[]): Layout {
  const [left, right] = names;
  if (names.length > 2 || width < SIDE_BY_SIDE) return new Stacked(width, names);
  return new Wide(width, [left!, right!]);
}

function draw(layout: Layout, row: Row, width: number, spaced: boolean): Line[] {
  if (row.kind === "text") return [...spaced ? [layout.pen.line()] : [], ...text(row.text, width)];
  layout.pen.begin(row);
  const lines = layout.row(row);
  layout.pen.end(row);
  return lines;
}

function text(words: string, width: number): Line[] {
  return proseLines(words, width - 2).map((line) => new Line(width).put(2, line));
}

/** What the strokes mean, as far as they occur. */
function key(rows: readonly Row[], width: number): Line[] {
  const arrows = rows.filter((row) => row.kind === "arrow");
  const has = (what: string) => arrows.some((row) => row.what === what);
  const finished = has("fin");
  const entries = [
    has("data") && "── data",
    finished && "══ FIN: no more from here",
    has("rst") && "─╳─ RST: broken off",
    arrows.some((row) => row.late) && "┄┄ taken later from the kernel",
    arrows.some((row) => row.lost) && "✗ never read",
    rows.some((row) => row.kind === "states") && "CAPITALS: the kernel's state",
    arrows.some((row) => row.segment) && "seq, ack: counted from each SYN",
    finished && "╎ has said FIN, may still receive",
  ].filter((entry) => entry !== false);
  if (entries.length === 0) return [];
  const lines = wrap(entries, width - 2, "   ").map((line) =>
    new Line(width).put(2, line, "faint")
  );
  return [new Line(width), ...lines];
}
