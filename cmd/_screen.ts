/**
 * Text on a terminal that is drawn again and again in its place, below what was there before.
 *
 * @module
 */

import type { Io } from "./_cli.ts";

/** Draws on the terminal that standard output is. */
export class Screen {
  readonly #io: Pick<Io, "print" | "columns" | "rows">;
  #drawn = 0;

  /** Draws nothing yet. */
  constructor(io: Pick<Io, "print" | "columns" | "rows">) {
    this.#io = io;
  }

  /** Draws these lines instead of those before; what does not fit is left out. */
  async draw(lines: readonly string[]): Promise<void> {
    const { columns = 80, rows = 24 } = this.#io;
    // A line that wraps, or scrolls the terminal, could not be taken back.
    const fitting = lines.slice(0, Math.max(1, rows - 1))
      .map((line) => `${[...line].slice(0, columns - 1).join("")}\n`);
    await this.#io.print(`${this.#back()}${fitting.join("")}`);
    this.#drawn = fitting.length;
  }

  /** Takes back what was drawn, so that something else can be told there. */
  async clear(): Promise<void> {
    await this.#io.print(this.#back());
    this.#drawn = 0;
  }

  /** Up to the first line that was drawn, and all from there is gone. */
  #back(): string {
    return this.#drawn === 0 ? "" : `\x1b[${this.#drawn}A\r\x1b[J`;
  }
}
