/**
 * A trace drawn as SVG: the ladder of {@linkcode ladder}, for a page or a slide. It has its own
 * colours for a light and for a dark surrounding, and needs nothing from outside.
 *
 * @example Both ends of a conversation
 * ```ts
 * import { SvgLadder, Trace, traced } from "@tcplab/tcplab/observe";
 * import { memoryPair, readToEnd } from "@tcplab/tcplab/stream";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const trace = new Trace();
 * const [a, b] = memoryPair();
 * using client = traced(a, "client", trace);
 * using server = traced(b, "server", trace);
 * await client.closeWrite();
 * await readToEnd(server);
 *
 * const svg = new SvgLadder({ title: "A half-close" }).draw(trace.events);
 * assertStringIncludes(svg.toString(), ">FIN</text>");
 * ```
 *
 * @module
 */

import { wrap } from "./_canvas.ts";
import { el, escape, label, STYLE } from "./_svg.ts";
import { Sheet } from "./_svg_sheet.ts";
import type { TraceEvent } from "./events.ts";
import { picture, type PictureOptions } from "./picture.ts";

/** Options for {@linkcode SvgLadder}. */
export interface SvgLadderOptions {
  /** Its heading, which is also what a screen reader calls it. */
  title?: string;
  /** A line below the heading. */
  subtitle?: string;
}

const WIDTH = 960;
const MARGIN = 24;
/** Letters of 14px that a line of prose holds. */
const PROSE = 124;

/** Pictures, and claims about them, one below the other. */
export class SvgLadder {
  readonly #title: string;
  readonly #parts: string[] = [];
  #y = MARGIN;

  /** Starts with an empty page. */
  constructor(options: SvgLadderOptions = {}) {
    const { title = "", subtitle = "" } = options;
    this.#title = title;
    if (title !== "") this.#line(title, "title", 28);
    if (subtitle !== "") this.#line(subtitle, "plain faint", 24);
  }

  /** Draws what happened below what is there; nothing if nothing did. */
  draw(events: readonly TraceEvent[], options: PictureOptions = {}): this {
    const { lifelines, rows } = picture(events, options);
    if (lifelines.length === 0 || rows.length === 0) return this;
    const sheet = new Sheet(WIDTH, lifelines, this.#y + 12);
    for (const row of rows) sheet.row(row);
    const { body, bottom } = sheet.finish();
    this.#parts.push(body);
    this.#y = bottom + 12;
    return this;
  }

  /** Writes a claim below: one that held, one that did not, or one that could not be seen. */
  claim(text: string, held: boolean | undefined): this {
    const [sign, kind] = held === undefined ? ["–", "faint"] : held ? ["✓", "yes"] : ["✗", "no"];
    for (const [at, line] of wrap(text.split(/\s+/), PROSE).entries()) {
      if (at === 0) this.#parts.push(label(MARGIN, this.#y + 16, sign, `plain ${kind}`));
      this.#parts.push(
        label(MARGIN + 22, this.#y + 16, line, held === undefined ? "plain faint" : "plain"),
      );
      this.#y += 24;
    }
    return this;
  }

  /** The whole of it, as a file of its own. */
  toString(): string {
    const height = this.#y + MARGIN;
    const size = { width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}` };
    return el(
      "svg",
      { xmlns: "http://www.w3.org/2000/svg", ...size, role: "img" },
      el("title", {}, escape(this.#title || "A ladder of TCP")),
      el("style", {}, STYLE),
      el("rect", { ...{ width: WIDTH, height }, class: "paper" }),
      ...this.#parts,
    ) + "\n";
  }

  #line(words: string, kind: string, height: number): void {
    for (const line of wrap(words.split(/\s+/), kind === "title" ? 90 : PROSE)) {
      this.#parts.push(label(MARGIN, this.#y + height - 8, line, kind));
      this.#y += height;
    }
  }
}
