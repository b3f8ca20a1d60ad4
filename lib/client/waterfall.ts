/**
 * Draws what took how long, and what went on beside it, as text.
 *
 * @example
 * ```ts
 * import { waterfall } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * const drawing = waterfall([
 *   { label: "lookup", started: 0, ended: 10, end: "✓" },
 *   { label: "connect", started: 10, ended: 30, end: "✗", note: "refused" },
 * ], { width: 44 });
 *
 * assertEquals(drawing, [
 *   "lookup  ━━━━━━✓                10 ms",
 *   "connect       ━━━━━━━━━━━━✗    20 ms refused",
 * ].join("\n"));
 * ```
 *
 * @module
 */

/** One thing that took time. */
export interface Bar {
  /** What it was. A long one loses its middle. */
  readonly label: string;
  /** When it began, in milliseconds on any clock. */
  readonly started: number;
  /** When it ended, on the same clock. */
  readonly ended: number;
  /** How it ended: one column, at the end of the bar. */
  readonly end: string;
  /** What else to say; what does not fit loses its end. */
  readonly note?: string;
}

/** Options for {@linkcode waterfall}. */
export interface WaterfallOptions {
  /**
   * The most columns of a line, at least 40.
   *
   * @default {80}
   */
  width?: number;
}

/** What the labels, and the notes, may take of the width. */
const SHARE = 0.3;

/** Room for `99999.9 s` and a space. */
const TIME = 10;

/**
 * Draws one line for each of `rows`; those that are text stand as they are. All bars share
 * one scale, from the first start to the last end, and each is at least its end mark.
 *
 * @throws {RangeError} If `width` is less than 40.
 */
export function waterfall(
  rows: readonly (Bar | string)[],
  options: WaterfallOptions = {},
): string {
  const { width = 80 } = options;
  if (!(width >= 40)) {
    throw new RangeError(
      `Cannot draw a waterfall as 'width' must be >= 40: current value is ${width}`,
    );
  }
  const bars = rows.filter((row) => typeof row !== "string");
  const share = Math.floor(width * SHARE);
  const longest = (texts: string[]) => Math.min(share, Math.max(0, ...texts.map(columns)));
  const labels = longest(bars.map(({ label }) => label));
  const notes = longest(bars.map(({ note = "" }) => note));
  const room = width - labels - 1 - TIME - notes;
  const from = Math.min(...bars.map(({ started }) => started));
  const span = Math.max(...bars.map(({ ended }) => ended)) - from;
  // The last column is that of an end at the very end.
  const column = (at: number) => span > 0 ? Math.round((at - from) / span * (room - 1)) : 0;

  return rows.map((row) => {
    if (typeof row === "string") return cutEnd(row, width);
    const { label, started, ended, end, note = "" } = row;
    const line = " ".repeat(column(started)) + "━".repeat(column(ended) - column(started)) + end;
    const time = duration(ended - started).padStart(TIME - 1);
    const text = `${pad(cutMiddle(label, labels), labels)} ${pad(line, room)}${time} ${
      cutEnd(note, notes)
    }`;
    return text.trimEnd();
  }).join("\n");
}

/** Two or three digits are enough to compare by. */
function duration(ms: number): string {
  if (ms >= 9_999.5) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms >= 9.95 || ms === 0) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms < 0.995 ? 2 : 1)} ms`;
}

/** Names and addresses are of one column a character. */
function columns(text: string): number {
  return [...text].length;
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - columns(text)));
}

function cutEnd(text: string, width: number): string {
  return columns(text) <= width ? text : [...text].slice(0, Math.max(0, width - 1)).join("") + "…";
}

/** The ends of two addresses in one network differ. */
function cutMiddle(text: string, width: number): string {
  const all = [...text];
  if (all.length <= width) return text;
  const tail = Math.floor((width - 1) / 2);
  return [...all.slice(0, width - 1 - tail), "…", ...all.slice(all.length - tail)].join("");
}
