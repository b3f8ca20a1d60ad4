/** What every layout of a ladder draws in the same way: lifelines, and arrows between them. */

import { columns, Line, type Style } from "./_canvas.ts";
import { type Life, Lives } from "./_lives.ts";
import { arrowWords, fitting } from "./_words.ts";
import { type ArrowRow, callsOf, type Row } from "./row.ts";

/** The strokes of an arrow, alternating, and how it leaves a lifeline to either side. */
const STROKES: Record<ArrowRow["what"], { shaft: string; tees: [string, string]; style: Style }> = {
  handshake: { shaft: "─", tees: ["├", "┤"], style: "strong" },
  syn: { shaft: "─", tees: ["├", "┤"], style: "strong" },
  ack: { shaft: "─", tees: ["├", "┤"], style: "faint" },
  data: { shaft: "─", tees: ["├", "┤"], style: "data" },
  fin: { shaft: "═", tees: ["╞", "╡"], style: "fin" },
  rst: { shaft: "─╳", tees: ["├", "┤"], style: "rst" },
};

/** Solid while one of its ends may send, dashed while one may receive, then nothing. */
const STROKE: Record<Life, string> = { open: "│", finished: "╎", closed: " " };

/** Where the lifelines stand, and how far each has come. */
export class Pen {
  /** The name of each lifeline, and its column. */
  readonly bars: ReadonlyMap<string, number>;
  readonly #width: number;
  readonly #lives: Lives = new Lives();

  /** Puts the lifelines in these columns of lines of this width. */
  constructor(width: number, bars: ReadonlyMap<string, number>) {
    this.#width = width;
    this.bars = bars;
  }

  /** A line with nothing on it, not even lifelines. */
  blank(): Line {
    return new Line(this.#width);
  }

  /** A line with the lifelines as they are now. */
  line(): Line {
    const line = this.blank();
    for (const [who, at] of this.bars) line.put(at, STROKE[this.#lives.of(who)], "faint");
    return line;
  }

  /** Tells the lifelines what is about to be drawn. */
  begin(row: Row): void {
    for (const call of callsOf(row)) this.#lives.begin(call);
  }

  /** Tells the lifelines what was drawn. */
  end(row: Row): void {
    for (const call of callsOf(row)) this.#lives.end(call);
  }

  /** Draws the arrow of `row` from its one lifeline to its other. */
  arrow(line: Line, row: ArrowRow): void {
    const from = this.bars.get(row.from)!;
    const to = this.bars.get(row.to)!;
    const right = to > from;
    const [left, end] = right ? [from, to] : [to, from];
    const { shaft, tees, style } = STROKES[row.what];
    const faint = row.late ? "faint" : style;
    const crossed = [...this.bars].filter(([, at]) => at > left && at < end);

    // What is only now taken from the receiver's kernel comes half the way.
    const near = row.late ? nearest(to, [from, ...crossed.map(([, at]) => at)]) : to;
    const start = right && row.late ? near + Math.floor((to - near) / 2) : left + 1;
    const stop = !right && row.late ? near - Math.floor((near - to) / 2) : end - 1;
    for (let at = start; at <= stop; at++) {
      line.put(at, row.late ? "┄" : shaft[(at - start) % shaft.length]!, faint);
    }
    for (const [who, at] of row.late ? [] : crossed) {
      if (this.#lives.of(who) !== "closed") line.put(at, row.what === "fin" ? "╪" : "┼", faint);
    }

    // The words stand beside the sender, clear of the lifelines that are crossed.
    const beside = row.late ? to : nearest(from, [to, ...crossed.map(([, at]) => at)]);
    const [first, last] = row.late
      ? [start, stop]
      : right
      ? [start, beside - 1]
      : [beside + 1, stop];
    const words = captionOf(row, last - first - 3);
    line.put(first + Math.floor((last - first + 1 - columns(words)) / 2), words, style);

    const both = row.what === "handshake";
    if (right || both) line.put(end - 1, row.lost ? "✗" : "▶", style);
    if (!right || both) line.put(left + 1, row.lost ? "✗" : "◀", style);
    // Both ends make a handshake; and what a kernel sends by itself has no call to leave from.
    if (!both && (row.sender !== undefined || row.split !== undefined)) {
      line.put(from, tees[right ? 0 : 1], style);
    }
  }
}

function nearest(column: number, others: readonly number[]): number {
  return others.reduce((a, b) => Math.abs(a - column) <= Math.abs(b - column) ? a : b);
}

function captionOf(row: ArrowRow, room: number): string {
  const words = fitting(arrowWords(row), room);
  return words === "" ? "" : ` ${words} `;
}
