/**
 * The lab's table: a line for each scenario as it ends, and on a terminal one for the
 * scenario that runs.
 *
 * @module
 */

import type { Entry } from "./_catalog.ts";
import type { Io } from "./_cli.ts";
import type { Outcome } from "./_trial.ts";
import { mark } from "./scenarios/_voice.ts";

/** Prints the lines of a table whose columns fit these scenarios. */
export class Table {
  readonly #io: Pick<Io, "print" | "color" | "columns">;
  readonly #place: number;
  readonly #name: number;

  /** Measures the columns. */
  constructor(entries: readonly Entry[], io: Pick<Io, "print" | "color" | "columns">) {
    this.#io = io;
    this.#place = Math.max(...entries.map((entry) => place(entry).length));
    this.#name = Math.max(...entries.map(({ name }) => name.length));
  }

  /** A scenario, and what it is about. */
  async list(entry: Entry): Promise<void> {
    await this.#io.print(`${this.#head(entry)}  ${entry.lesson?.title ?? entry.problem}\n`);
  }

  /** The scenario that runs now; not in a pipe, where a line cannot be taken back. */
  async running(entry: Entry): Promise<void> {
    if (this.#io.columns === undefined) return;
    await this.#io.print(`▸ ${this.#head(entry)}  ${this.#about(entry, 4)}`);
  }

  /** The scenario that has run, and what speaks against it. */
  async ended(entry: Entry, { ok, text, checks, duration, complaints }: Outcome): Promise<void> {
    const { columns, color, print } = this.#io;
    const count = checks === 1 ? "1 check " : `${checks} checks`;
    const facts = count.padStart(11) + `${Math.round(duration)} ms`.padStart(9);
    const about = this.#about(entry, 4 + facts.length);
    const why = ok ? [] : [text, ...complaints].map((line) => `    ${line}\n`);
    const back = columns === undefined ? "" : "\r\x1b[2K";
    const line = `${back}${mark(ok, color)} ${this.#head(entry)}${facts}  ${about}`;
    await print(`${line.trimEnd()}\n${why.join("")}`);
  }

  #head(entry: Entry): string {
    return `${place(entry).padEnd(this.#place)}  ${entry.name.padEnd(this.#name)}`;
  }

  /** The title, cut so that the line does not wrap, which could not be redrawn. */
  #about({ lesson }: Entry, taken: number): string {
    const room = (this.#io.columns ?? Infinity) - this.#place - this.#name - 2 - taken - 1;
    return (lesson?.title ?? "").slice(0, Math.max(0, room));
  }
}

function place({ lesson }: Entry): string {
  return lesson === undefined ? "§?" : `§${lesson.order.join(".")}`;
}
