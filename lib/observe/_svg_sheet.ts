/** The rows of one picture as SVG, between lifelines that go down with them. */

import { columns, fit } from "./_canvas.ts";
import { type Life, Lives } from "./_lives.ts";
import { el, label } from "./_svg.ts";
import { arrowWords, callWords, fitting, heldWords } from "./_words.ts";
import { isFigure, proseLines, size, time } from "./_words.ts";
import type { CallEvent, StateEvent } from "./events.ts";
import { type ArrowRow, callsOf, moment, type Row } from "./row.ts";
import type { TcpState } from "./tcp_states.ts";

/** Columns of 13px: what a letter of the monospaced font takes. */
const LETTER = 7.85;
const SMALL = 7.25;
const HEAD = 30;
const MARGIN = 24;
const ROW = 30;
const PROSE = 118;
/** What there is beside two lifelines for words, between the times and them. */
const SIDE = 204;

/** Draws rows from the top to the bottom. */
export class Sheet {
  readonly #width: number;
  readonly #bars: ReadonlyMap<string, number>;
  readonly #sides: boolean;
  readonly #lives: Lives = new Lives();
  readonly #drawn: string[] = [];
  /** Lifelines, which lie below all else. */
  readonly #below: string[] = [];
  readonly #since: Map<string, { y: number; life: Life }>;
  #y: number;

  /** Begins at `top` with the names of the lifelines. */
  constructor(width: number, lifelines: readonly string[], top: number) {
    this.#width = width;
    this.#sides = lifelines.length === 2;
    const margin = this.#sides ? 300 : 132;
    const gap = (width - 2 * margin) / (lifelines.length - 1);
    this.#bars = new Map(lifelines.map((who, at) => [who, margin + at * gap]));
    const room = Math.floor(Math.min(gap - 16, 220) / LETTER) - 2;
    for (const [who, x] of this.#bars) {
      const name = fit(who, room);
      const wide = Math.max(96, columns(name) * 8.6 + 28);
      const box = { x: x - wide / 2, y: top, width: wide, height: HEAD, rx: 6, class: "head" };
      this.#drawn.push(el("rect", box), label(x, top + 20, name, "who", "middle"));
    }
    this.#drawn.push(label(MARGIN + 50, top + 20, "ms", "time", "end"));
    if (this.#sides) this.#drawn.push(label(width - MARGIN, top + 20, "ms", "time", "end"));
    this.#y = top + HEAD + 8;
    const y = top + HEAD;
    this.#since = new Map(lifelines.map((who) => [who, { y, life: "open" }]));
  }

  /** Draws a row below those that are there. */
  row(row: Row): void {
    if (row.kind === "text") return this.#text(row.text);
    for (const call of callsOf(row)) this.#lives.begin(call);
    if (row.kind === "fold") this.#fold(`⋮  ${row.count} more, ${size(row.bytes)}`);
    else if (row.kind === "states") this.#states(row.states);
    else if (row.kind === "call") this.#call(row.call);
    else this.#arrowRow(row);
    for (const call of callsOf(row)) this.#lives.end(call);
    for (const call of callsOf(row)) this.#turn(call.who);
  }

  /** What was drawn, and where it ends. */
  finish(): { body: string; bottom: number } {
    const bottom = this.#y + 6;
    for (const who of this.#bars.keys()) this.#lifeline(who, bottom);
    return { body: [...this.#below, ...this.#drawn].join("\n"), bottom };
  }

  #text(words: string): void {
    const figure = isFigure(words);
    const lines = proseLines(words, PROSE);
    const height = lines.length * 20 + 10;
    const band = { x: MARGIN, y: this.#y + 4, width: this.#width - 2 * MARGIN, height, rx: 5 };
    this.#drawn.push(el("rect", { ...band, class: "band" }));
    for (const [at, line] of lines.entries()) {
      const shown = figure ? line.replaceAll(" ", "\u00a0") : line;
      this.#drawn.push(label(MARGIN + 12, this.#y + 23 + at * 20, shown, figure ? "" : "note"));
    }
    this.#y += height + 10;
  }

  #fold(words: string): void {
    this.#drawn.push(label(this.#width / 2, this.#y + 18, words, "caption faint", "middle"));
    this.#y += ROW;
  }

  #states(states: readonly StateEvent[]): void {
    for (const { who, state, at, ...held } of states) {
      const x = this.#bars.get(who)!;
      const wide = columns(state) * SMALL + 22;
      const kind = KINDS[state];
      const pill = { x: x - wide / 2, y: this.#y + 3, width: wide, height: 21, rx: 10.5 };
      this.#drawn.push(el("rect", { ...pill, class: `pill ${kind}` }));
      this.#drawn.push(label(x, this.#y + 17.5, state, `state ${kind}`, "middle"));
      const clear = this.#sides ? SIDE : this.#gap() - wide / 2 - 30;
      const words = fitting(heldWords(held), Math.floor((clear - wide / 2) / LETTER));
      if (words !== "") this.#beside(who, words, "faint", wide / 2);
      this.#time(who, at, this.#y + 18);
    }
    this.#y += ROW + 2;
  }

  #call(call: CallEvent): void {
    this.#name(call, this.#y + 18);
    this.#y += ROW;
  }

  #arrowRow(row: ArrowRow): void {
    const [first, second] = callsOf(row);
    // Between more lifelines than two there is no margin for the words.
    if (!this.#sides && first !== undefined) {
      const apart = second === undefined || Math.abs(this.#at(first) - this.#at(second)) > 1;
      this.#name(first, this.#y + 18, apart ? 1 : 2);
      if (second !== undefined) this.#name(second, this.#y + 18, apart ? 1 : 2, false);
      this.#y += ROW - 6;
    }
    this.#arrow(row, this.#y + 19);
    if (this.#sides) {
      for (const call of [first, second]) if (call) this.#name(call, this.#y + 23);
    }
    if (row.segment && !row.sender) this.#time(row.from, row.segment.at, this.#y + 23);
    this.#y += ROW;
  }

  #arrow(row: ArrowRow, y: number): void {
    const [from, to] = [this.#bars.get(row.from)!, this.#bars.get(row.to)!];
    const toward = to > from ? 1 : -1;
    const kind = row.what === "handshake" ? "syn" : row.what;
    const start = row.late ? to - toward * Math.min(150, Math.abs(to - from) / 2) : from;
    const end = row.lost ? to - toward * 16 : to - toward * 3;
    const stroke = `arrow ${kind}${row.late ? " late" : ""}`;
    const line = (dy: number, back = 0) =>
      el("path", { d: `M${start} ${y + dy}H${end - toward * back}`, class: stroke });
    const room = Math.floor((Math.abs(end - start) - 24) / SMALL);
    const words = fitting(arrowWords(row), room);
    this.#drawn.push(label((start + end) / 2, y - 6, words, `caption ${kind}`, "middle"));
    // FIN is a double line, as in the ladder of text.
    this.#drawn.push(...row.what === "fin" ? [line(-1.7, 5), line(1.7, 5)] : [line(0, 5)]);
    this.#drawn.push(row.lost ? cross(end, y, kind) : tip(end, y, toward, kind));
    if (row.what === "handshake") this.#drawn.push(tip(from + toward * 3, y, -toward, kind));
    else if (row.sender !== undefined || row.split !== undefined) {
      this.#drawn.push(el("circle", { cx: from, cy: y, r: 3.4, class: `dot ${kind}` }));
    }
    if (row.split) this.#bracket(row.from, row.split, y);
    if (row.join) this.#bracket(row.to, row.join, y);
  }

  /** Ties the rows of one write, or of one read, together beside the lifeline. */
  #bracket(who: string, part: "first" | "middle" | "last", y: number): void {
    const x = this.#bars.get(who)!;
    const out = x + (this.#isLeft(who) ? -7 : 7);
    const top = part === "first" ? y : y - ROW / 2;
    const bottom = part === "last" ? y : y + ROW / 2;
    const d = `${part === "first" ? `M${x} ${y}H${out}` : `M${out} ${top}`}V${bottom}` +
      (part === "last" ? `H${x}` : "");
    this.#drawn.push(el("path", { d, class: "bracket" }));
  }

  /** A call beside its lifeline, where `sharing` of them have the gap. */
  #name(call: CallEvent, y: number, sharing = 1, timed = true): void {
    const clear = this.#sides ? SIDE : (this.#gap() - 30) / sharing;
    const room = Math.floor(clear / LETTER);
    this.#beside(call.who, fitting(callWords(call), room), call.error ? "no" : "", 0, y);
    if (timed) this.#time(call.who, moment(call), y);
  }

  #beside(who: string, words: string, kind: string, clear: number, y: number = this.#y + 18): void {
    const x = this.#bars.get(who)!;
    const left = this.#sides ? this.#isLeft(who) : who === [...this.#bars.keys()].at(-1);
    const at = left ? x - 14 - clear : x + 14 + clear;
    this.#drawn.push(label(at, y, words, kind, left ? "end" : "start"));
  }

  #time(who: string, at: number, y: number): void {
    const left = !this.#sides || this.#isLeft(who);
    const x = left ? MARGIN + 50 : this.#width - MARGIN;
    this.#drawn.push(label(x, y, time(at), "time", "end"));
  }

  /** Ends a lifeline's stroke where it becomes another one. */
  #turn(who: string): void {
    const life = this.#lives.of(who);
    const since = this.#since.get(who);
    if (since === undefined || since.life === life) return;
    const y = this.#y - ROW / 2 + 4;
    this.#lifeline(who, y);
    this.#since.set(who, { y, life });
  }

  #lifeline(who: string, bottom: number): void {
    const { y, life } = this.#since.get(who)!;
    const x = this.#bars.get(who)!;
    if (life === "closed" || bottom <= y) return;
    this.#below.push(el("path", { d: `M${x} ${y}V${bottom}`, class: `life ${life}` }));
  }

  /** Which of the lifelines has it, from the left. */
  #at({ who }: CallEvent): number {
    return [...this.#bars.keys()].indexOf(who);
  }

  #isLeft(who: string): boolean {
    return who === [...this.#bars.keys()][0];
  }

  #gap(): number {
    const [a = 0, b = 0] = this.#bars.values();
    return b - a;
  }
}

/** What a state means to whoever looks for its colour. */
export const KINDS: Readonly<Record<TcpState, string>> = {
  "CLOSED": "closed",
  "LISTEN": "opening",
  "SYN-SENT": "opening",
  "SYN-RECEIVED": "opening",
  "ESTABLISHED": "open",
  "FIN-WAIT-1": "closing",
  "FIN-WAIT-2": "closing",
  "CLOSE-WAIT": "closing",
  "CLOSING": "closing",
  "LAST-ACK": "closing",
  "TIME-WAIT": "waiting",
};

function tip(x: number, y: number, toward: number, kind: string): string {
  const d = `M${x} ${y}l${-9 * toward} -4.5v9z`;
  return el("path", { d, class: `tip ${kind}` });
}

function cross(x: number, y: number, kind: string): string {
  return el("path", { d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, class: `arrow ${kind}` });
}
