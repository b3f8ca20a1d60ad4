/**
 * What is to go wrong and when, as text: read and checked as a whole before anything runs.
 *
 * ```text
 * # The first two connections are refused, the third stalls at 64 KiB, then FIN is all that comes.
 * connections 1-2: refuse
 * connection 3 down: at 64KiB stall for 200ms, then fin
 * connections 4- up: after 1s latency=100,jitter=20 for 5s, then at 1MB rst
 * link down: after 10s bandwidth=50 for 30s
 * ```
 *
 * Each line is about some connections and one direction (`both` is both), or about the `link`,
 * which is all connections, open and to come, by the link's clock. After the colon come steps, one
 * after another. A step begins at once; `at` so many bytes of its direction, exactly there; or
 * `after` a time, which counts from when the connection opened, or the step before ended. It is
 *
 * - a fault, or several, as {@linkcode parseFaults} reads them, for as long as `for` says;
 * - `fin`, `rst` or `close`, with which the line ends;
 * - `refuse`, which stands alone, without a direction.
 *
 * A step that follows a fault `for` some time without a condition of its own takes its place: what
 * a stall has held goes to the step behind it. Sizes are `B`, `kB`, `MB`, `GB`, `KiB`, `MiB`,
 * `GiB`; times `ms`, `s`, `min`.
 *
 * @example A script that is wrong says where
 * ```ts
 * import { parseTimeline, TimelineError } from "@tcplab/tcplab/faults";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const { lines } = parseTimeline("connections 1-2: refuse");
 * assertEquals(lines.length, 1);
 * assertThrows(
 *   () => parseTimeline("connection 3 down: at 64 KiB stal"),
 *   TimelineError,
 *   "line 1, column 30",
 * );
 * ```
 *
 * @module
 */

import type { FaultSpec } from "./fault_types.ts";
import { parseFaults } from "./parse_faults.ts";

/** When a step begins. */
export type StepStart =
  | { readonly kind: "now" }
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "time"; readonly ms: number };

/** One thing that happens. */
export interface TimelineStep {
  /** When it begins. */
  readonly start: StepStart;
  /** Faults, or an end. */
  readonly what: readonly (FaultSpec & { toxicity: number })[] | "fin" | "rst" | "close";
  /** Milliseconds until the faults are removed; `Infinity` if they stay. */
  readonly ms: number;
}

/** One line of a script. */
export interface TimelineLine {
  /** Which line of the text, from 1. */
  readonly line: number;
  /** Which connections, as ranges that include both ends; missing for the whole link. */
  readonly connections?: readonly (readonly [first: number, last: number])[];
  /** Which ways. */
  readonly directions: readonly ("up" | "down")[];
  /** What happens; `refuse` if the connections are not to be. */
  readonly steps: readonly TimelineStep[] | "refuse";
}

/** A script that was checked. */
export interface Timeline {
  /** Its lines, without those that say nothing. */
  readonly lines: readonly TimelineLine[];
  /** The text it was read from. */
  readonly text: string;
}

/** A script is wrong. The message shows the line, and points at the place. */
export class TimelineError extends SyntaxError {
  /** The name of this class. */
  override readonly name = "TimelineError";
  /** The line, from 1. */
  readonly line: number;
  /** The place in it, from 1. */
  readonly column: number;

  /** Says what is wrong there. */
  constructor(message: string, text: string, line: number, column: number, options?: ErrorOptions) {
    super(
      `${message} (line ${line}, column ${column})\n  ${text}\n  ${" ".repeat(column - 1)}^`,
      options,
    );
    this.line = line;
    this.column = column;
  }
}

/**
 * Reads and checks a script.
 *
 * @throws {TimelineError} At the first thing that is wrong.
 */
export function parseTimeline(text: string): Timeline {
  const lines: TimelineLine[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const code = line.replace(/#.*/, "").trimEnd();
    if (code.trim() !== "") lines.push(new LineReader(code, i + 1).line());
  }
  return { lines, text };
}

const SIZES: Record<string, number> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};
const TIMES: Record<string, number> = { ms: 1, s: 1000, min: 60_000 };

class LineReader {
  readonly #text: string;
  readonly #line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
  }

  line(): TimelineLine {
    const who = this.#word("connection", "connections", "link");
    const connections = who === "link" ? undefined : this.#ranges();
    const line = { line: this.#line, ...connections ? { connections } : {} };
    if (this.#peek() === ":") {
      const at = this.#at;
      this.#expect(":");
      this.#space();
      const refuseAt = this.#at;
      if (this.#token() === "refuse" && who !== "link") {
        this.#end("'refuse' stands alone");
        return { ...line, directions: [], steps: "refuse" };
      }
      if (this.#text.slice(refuseAt).startsWith("refuse")) {
        this.#fail("Only connections can be refused, not a link: disable it", refuseAt);
      }
      this.#fail("A direction must stand before the colon: up, down or both", at);
    }
    const direction = this.#word("up", "down", "both");
    this.#expect(":");
    const directions = direction === "both"
      ? ["up", "down"] as const
      : [direction as "up" | "down"];
    return { ...line, directions, steps: this.#steps(who === "link") };
  }

  #steps(link: boolean): TimelineStep[] {
    const steps: TimelineStep[] = [];
    let reached = -1;
    while (true) {
      const start = this.#start(link, reached);
      if (start.kind === "bytes") reached = start.bytes;
      const step = this.#step(start, link);
      steps.push(step);
      this.#space();
      if (this.#at === this.#text.length) return steps;
      const at = this.#at;
      if (this.#peek() === ",") this.#at++;
      if (typeof step.what === "string") this.#fail(`Nothing can follow '${step.what}'`, at);
      this.#word("then");
    }
  }

  #start(link: boolean, reached: number): StepStart {
    this.#space();
    const at = this.#at;
    const word = this.#token();
    if (word === "after") return { kind: "time", ms: this.#quantity("a time", TIMES) };
    if (word !== "at") {
      this.#at = at;
      return { kind: "now" };
    }
    if (link) this.#fail("A link has no bytes of its own: 'after' a time is possible", at);
    this.#space();
    const sizeAt = this.#at;
    const bytes = this.#quantity("a size", SIZES);
    if (bytes <= reached) {
      this.#fail(
        `A step must be at more bytes than the one before it, which is at ${reached}`,
        sizeAt,
      );
    }
    return { kind: "bytes", bytes };
  }

  #step(start: StepStart, link: boolean): TimelineStep {
    this.#space();
    const at = this.#at;
    // Faults are one word, unless there is a space after a comma that no 'then' follows.
    const [told = ""] = /^[^\s,]+(,\s*(?!then\b)[^\s,]+)*/.exec(this.#text.slice(at)) ?? [];
    if (told === "") this.#fail("A fault, or fin, rst or close must stand here", at);
    this.#at = at + told.length;
    const what = told === "fin" || told === "rst" || told === "close"
      ? told
      : this.#faults(told, at);
    if (link && typeof what === "string") {
      this.#fail(`A link cannot '${what}', connections can`, at);
    }
    this.#space();
    const forAt = this.#at;
    if (this.#token() !== "for") {
      this.#at = forAt;
      return { start, what, ms: Infinity };
    }
    if (typeof what === "string") this.#fail(`'${what}' does not last`, forAt);
    return { start, what, ms: this.#quantity("a time", TIMES) };
  }

  #faults(told: string, at: number) {
    try {
      const faults = parseFaults(told);
      const refuse = faults.find(({ type }) => type === "refuse");
      if (refuse) this.#fail("'refuse' stands alone, and without a direction", at);
      return faults;
    } catch (error) {
      if (error instanceof TimelineError) throw error;
      const { message } = error as Error;
      throw new TimelineError(message, this.#text, this.#line, at + 1, { cause: error });
    }
  }

  #ranges(): [number, number][] {
    const ranges: [number, number][] = [];
    do {
      this.#space();
      const at = this.#at;
      const [told, first = "", dash, last = ""] =
        /^(\d+)\s*(-)?\s*(\d+)?/.exec(this.#text.slice(at)) ?? [];
      if (told === undefined) this.#fail("The number of a connection must stand here, from 1", at);
      this.#at = at + told.trimEnd().length;
      const range: [number, number] = [
        Number(first),
        dash === undefined ? Number(first) : last === "" ? Infinity : Number(last),
      ];
      if (range[0] < 1) this.#fail("Connections count from 1", at);
      if (range[1] < range[0]) this.#fail(`A range must go up: it is ${told.trim()}`, at);
      ranges.push(range);
    } while (this.#peek() === "," && ++this.#at);
    return ranges;
  }

  #quantity(what: string, units: Record<string, number>): number {
    this.#space();
    const at = this.#at;
    const [told, number, unit = ""] =
      /^(\d+(?:\.\d+)?)\s*([a-zA-Z]+)?/.exec(this.#text.slice(at)) ?? [];
    const names = Object.keys(units).join(", ");
    if (told === undefined) this.#fail(`There must be ${what} here, a number and ${names}`, at);
    const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
    if (factor === undefined) {
      this.#fail(`${what[0]!.toUpperCase()}${what.slice(1)} must have a unit: ${names}`, at);
    }
    this.#at = at + told.length;
    return Math.round(Number(number) * factor);
  }

  #word(...words: string[]): string {
    this.#space();
    const at = this.#at;
    const token = this.#token();
    if (!words.includes(token)) this.#fail(`There must be ${words.join(" or ")} here`, at);
    return token;
  }

  #token(): string {
    this.#space();
    const [token] = /^[a-z_]*/i.exec(this.#text.slice(this.#at))!;
    this.#at += token.length;
    return token;
  }

  #expect(char: string): void {
    if (this.#peek() !== char) this.#fail(`There must be '${char}' here`, this.#at);
    this.#at++;
  }

  #end(message: string): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail(message, this.#at);
  }

  /** The next character that is no space. */
  #peek(): string | undefined {
    this.#space();
    return this.#text[this.#at];
  }

  #space(): void {
    while (this.#text[this.#at] === " " || this.#text[this.#at] === "\t") this.#at++;
  }

  #fail(message: string, at: number): never {
    throw new TimelineError(message, this.#text, this.#line, at + 1);
  }
}
