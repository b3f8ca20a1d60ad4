/** How a row of a ladder is laid out: beside two lifelines, or between many of them. */

import { columns, fit, type Line } from "./_canvas.ts";
import { Pen } from "./_pen.ts";
import { callWords, fitting, heldWords, size, time } from "./_words.ts";
import type { CallEvent, StateEvent } from "./events.ts";
import { callsOf, moment, type Part, type Row } from "./row.ts";

/** A way to draw a ladder. */
export interface Layout {
  /** The lifelines that it draws to. */
  readonly pen: Pen;
  /** The line with their names. */
  header(): Line;
  /** The lines of a row, from the top. */
  row(row: Exclude<Row, { kind: "text" }>): Line[];
}

/** Columns of a time, and of the blank beside it. */
const TIME = 6;
const MARGIN = TIME + 1;

/** Two lifelines, with a margin on either side for what each of them called, and when. */
export class Wide implements Layout {
  readonly pen: Pen;
  readonly #width: number;
  readonly #room: number;
  readonly #left: number;
  readonly #right: number;

  constructor(width: number, [left, right]: readonly [string, string]) {
    this.#width = width;
    // 18 columns hold "write ✗ ECONNRESET", and one keeps it from the lifeline.
    this.#room = Math.max(13, Math.min(24, Math.round((width - 2 * MARGIN - 2) * 0.29)));
    this.#left = MARGIN + this.#room;
    this.#right = width - 1 - MARGIN - this.#room;
    this.pen = new Pen(width, new Map([[left, this.#left], [right, this.#right]]));
  }

  header(): Line {
    const line = this.pen.blank().put(TIME - 2, "ms", "faint").put(this.#width - 2, "ms", "faint");
    for (const [who, at] of this.pen.bars) {
      const name = fit(who, 2 * this.#room - 1);
      line.put(at - Math.floor(columns(name) / 2), name, "strong");
    }
    return line;
  }

  row(row: Exclude<Row, { kind: "text" }>): Line[] {
    const line = this.pen.line();
    if (row.kind === "fold") {
      const words = foldWords(row);
      const middle = Math.floor((this.#left + this.#right + 1 - columns(words)) / 2);
      return [line.put(middle, words, "faint")];
    }
    if (row.kind === "states") {
      for (const state of row.states) this.#state(line, state);
      return [line];
    }
    if (row.kind === "arrow") {
      this.pen.arrow(line, row);
      if (row.segment && !row.sender) this.#time(line, row.from, row.segment.at);
      if (row.split) this.#bracket(line, row.from, row.split, "┬");
      if (row.join) this.#bracket(line, row.to, row.join, "┴");
    }
    for (const call of callsOf(row)) this.#name(line, call, bracketed(row, call) ? 1 : 0);
    return [line];
  }

  /** The named call stands at the stem: above the rows of a write, below those of a read. */
  #bracket(line: Line, who: string, part: Part, stem: "┬" | "┴"): void {
    const left = this.pen.bars.get(who) === this.#left;
    line.put(left ? this.#left - 1 : this.#right + 1, mark(part, left ? "left" : "right", stem));
  }

  #name(line: Line, call: CallEvent, shift: number): void {
    const words = fitting(callWords(call), this.#room - 1 - shift);
    this.#time(line, call.who, moment(call));
    if (this.pen.bars.get(call.who) === this.#left) {
      line.put(this.#left - 1 - shift - columns(words), words);
    } else {
      line.put(this.#right + 2 + shift, words);
    }
  }

  /** A state stands on its lifeline, and what the kernel holds beside it. */
  #state(line: Line, { who, state, at, ...held }: StateEvent): void {
    const bar = this.pen.bars.get(who)!;
    const start = bar - Math.floor(columns(state) / 2);
    const end = start + columns(state);
    line.put(start - 1, ` ${state} `, "state");
    this.#time(line, who, at);
    const left = bar === this.#left;
    const words = fitting(
      heldWords(held),
      left ? start - 1 - MARGIN : this.#width - MARGIN - end - 1,
    );
    line.put(left ? start - 1 - columns(words) : end + 1, words, "faint");
  }

  #time(line: Line, who: string, at: number): void {
    const left = this.pen.bars.get(who) === this.#left;
    line.put(left ? 0 : this.#width - TIME, time(at).padStart(TIME), "faint");
  }
}

/** Lifelines from edge to edge, with the calls above and below the arrows between them. */
export class Stacked implements Layout {
  readonly pen: Pen;
  readonly #room: number;
  readonly #last: string;

  constructor(width: number, names: readonly string[]) {
    const gap = (width - 1 - MARGIN) / (names.length - 1);
    const bars = names.map((who, at) => [who, MARGIN + Math.floor(at * gap)] as const);
    this.pen = new Pen(width, new Map(bars));
    this.#room = Math.floor(gap) - 3;
    this.#last = names.at(-1)!;
  }

  /** The smallest width for this many lifelines that shows anything. */
  static least(lifelines: number): number {
    return MARGIN + 1 + (lifelines - 1) * 12;
  }

  header(): Line {
    const line = this.pen.blank().put(TIME - 2, "ms", "faint");
    for (const [who, at] of this.pen.bars) {
      const name = fit(who, this.#room / 2 + 1);
      const shift = at === MARGIN ? 0 : who === this.#last ? columns(name) - 1 : columns(name) / 2;
      line.put(at - Math.floor(shift), name, "strong");
    }
    return line;
  }

  row(row: Exclude<Row, { kind: "text" }>): Line[] {
    if (row.kind === "fold") {
      return [this.pen.line().put(MARGIN + 2, fit(foldWords(row), this.#room), "faint")];
    }
    if (row.kind === "states") return this.#states(row.states);
    const [first, second] = callsOf(row);
    const lines: Line[] = [];
    if (first !== undefined) lines.push(this.#name(this.pen.line(), first, true));
    if (row.kind === "call") return lines;
    const arrow = this.pen.line();
    this.pen.arrow(arrow, row);
    lines.push(arrow);
    if (row.segment && !row.sender) {
      lines[0]!.put(0, time(row.segment.at).padStart(TIME), "faint");
    }
    if (second === undefined) return lines;
    if (this.#fitTogether(first!, second)) this.#name(lines[0]!, second, false);
    else lines.push(this.#name(this.pen.line(), second, true));
    return lines;
  }

  #name(line: Line, call: CallEvent, timed: boolean): Line {
    const words = fitting(callWords(call), this.#room);
    const bar = this.pen.bars.get(call.who)!;
    line.put(call.who === this.#last ? bar - 1 - columns(words) : bar + 2, words);
    return timed ? line.put(0, time(moment(call)).padStart(TIME), "faint") : line;
  }

  /** States share a line as long as they keep clear of each other. */
  #states(states: readonly StateEvent[]): Line[] {
    const lines: Line[] = [];
    let free = Infinity;
    for (const [who, bar] of this.pen.bars) {
      const found = states.find((state) => state.who === who);
      if (found === undefined) continue;
      const words = fit(found.state, this.#room);
      const width = columns(words);
      const shift = bar === MARGIN ? 0 : who === this.#last ? width - 1 : Math.floor(width / 2);
      if (bar - shift < free) lines.push(this.pen.line());
      const line = lines.at(-1)!;
      line.put(bar - shift - 1, ` ${words} `, "state").put(
        0,
        time(found.at).padStart(TIME),
        "faint",
      );
      free = bar - shift + width + 1;
    }
    return lines;
  }

  /** Two calls share a gap only if it is the last one. */
  #fitTogether(a: CallEvent, b: CallEvent): boolean {
    const bars = [...this.pen.bars.keys()];
    if (![a.who, b.who].includes(this.#last) || ![a.who, b.who].includes(bars.at(-2)!)) return true;
    const taken = [a, b].map((call) => columns(fitting(callWords(call), this.#room)));
    return taken[0]! + taken[1]! + 2 <= this.#room;
  }
}

/** Whether a bracket stands between the call and its lifeline. */
function bracketed(row: Row, call: CallEvent): boolean {
  if (row.kind !== "arrow") return false;
  return (call === row.sender ? row.split : row.join) !== undefined;
}

function foldWords({ count, bytes }: { count: number; bytes: number }): string {
  return `⋮ ${count} more, ${size(bytes)}`;
}

/** The bracket that ties rows together, beside the left lifeline or beside the right one. */
function mark(part: Part, side: "left" | "right", stem: "┬" | "┴"): string {
  const [corner, through] = side === "left" ? ["┌└", "├"] : ["┐┘", "┤"];
  if (part === "middle") return through;
  const top = stem === "┬" ? "┬" : corner[0]!;
  const bottom = stem === "┴" ? "┴" : corner[1]!;
  return part === "first" ? top : bottom;
}
