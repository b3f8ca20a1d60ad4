/**
 * Lines of a fixed number of columns, written to at any column, and coloured only when
 * they are read out. Nothing that is put on a line makes it longer.
 */

/** What a piece of a drawing is; {@linkcode Line.toString} knows its colour. */
export type Style = "plain" | "faint" | "strong" | "data" | "fin" | "rst" | "state";

/** SGR parameters (ECMA-48): colours that read well on dark and on light. */
const SGR: Record<Style, string> = {
  plain: "",
  faint: "2",
  strong: "1",
  data: "36",
  fin: "33",
  rst: "31;1",
  state: "32;1",
};

/** A column. A wide character fills its own and leaves the next one empty. */
interface Cell {
  text: string;
  style: Style;
}

/** One line of a drawing. */
export class Line {
  readonly #cells: Cell[];

  /** Starts blank. */
  constructor(width: number) {
    this.#cells = Array.from({ length: width }, () => ({ text: " ", style: "plain" }));
  }

  /** Writes `text` from column `at` on; what does not fit is left out. */
  put(at: number, text: string, style: Style = "plain"): this {
    for (const char of text) {
      const wide = columns(char);
      if (wide === 0) {
        const before = this.#cells[at - 1];
        if (before !== undefined && !control(char)) before.text += char;
        continue;
      }
      if (at >= 0 && at + wide <= this.#cells.length) this.#set(at, wide, char, style);
      at += wide;
    }
    return this;
  }

  /** The text without the blanks at its end, with colours if they are wanted. */
  toString(color: boolean): string {
    let end = this.#cells.length;
    while (end > 0 && this.#cells[end - 1]!.text === " ") end--;
    let line = "";
    let style: Style = "plain";
    for (const cell of this.#cells.slice(0, end)) {
      // A blank has no colour to show, and keeps the run going.
      if (color && cell.text !== " " && cell.style !== style) {
        line += sgr(style, cell.style);
        style = cell.style;
      }
      line += cell.text;
    }
    return line + (color ? sgr(style, "plain") : "");
  }

  #set(at: number, wide: number, text: string, style: Style): void {
    // Half a wide character cannot stay: the other half becomes a blank.
    if (this.#cells[at]!.text === "") this.#cells[at - 1]!.text = " ";
    if (this.#cells[at + wide]?.text === "") this.#cells[at + wide]!.text = " ";
    this.#cells[at] = { text, style };
    if (wide === 2) this.#cells[at + 1] = { text: "", style };
  }
}

/** How many columns `text` takes in a terminal. */
export function columns(text: string): number {
  let sum = 0;
  for (const char of text) sum += WIDE.test(char) ? 2 : NARROWEST.test(char) ? 0 : 1;
  return sum;
}

/** `text`, or as much of its beginning as fits, with `…` for the rest. */
export function fit(text: string, width: number): string {
  if (columns(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const char of text) {
    used += columns(char);
    if (used > width - 1) break;
    kept += char;
  }
  return width < 1 ? "" : kept + "…";
}

/** Puts `words` into as few lines of at most `width` columns as their order allows. */
export function wrap(words: readonly string[], width: number, gap = " "): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const longer = lines.at(-1) + gap + word;
    if (lines.length > 0 && columns(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map((line) => fit(line, width));
}

/** East Asian wide and fullwidth characters, and emoji (Unicode Standard Annex 11). */
const WIDE =
  /[\p{Emoji_Presentation}\u{1100}-\u{115f}\u{2e80}-\u{303e}\u{3041}-\u{a4cf}\u{a960}-\u{a97c}\u{ac00}-\u{d7a3}\u{f900}-\u{faff}\u{fe10}-\u{fe6f}\u{ff01}-\u{ff60}\u{ffe0}-\u{ffe6}\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f200}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;

/** Marks that combine with what is before them, and controls, which are never printed. */
const NARROWEST = /[\p{M}\p{Cf}\p{Cc}\p{Cs}]/u;

function control(char: string): boolean {
  return /[\p{Cc}\p{Cf}\p{Cs}]/u.test(char);
}

function sgr(from: Style, to: Style): string {
  if (from === to) return "";
  return (from === "plain" ? "" : "\x1b[0m") + (to === "plain" ? "" : `\x1b[${SGR[to]}m`);
}
