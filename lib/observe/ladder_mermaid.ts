/**
 * A trace drawn as a Mermaid sequence diagram, which many pages draw from their Markdown:
 * https://mermaid.js.org/syntax/sequenceDiagram.html
 *
 * @example Both ends of a conversation
 * ```ts
 * import { ladderMermaid, Trace, traced } from "@tcplab/tcplab/observe";
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
 * assertStringIncludes(ladderMermaid(trace.events), "L0->>L1: closeWrite ▸ FIN ▸ read → EOF\n");
 * ```
 *
 * @module
 */

import { arrowWords, callWords, heldWords, size } from "./_words.ts";
import type { CallEvent, TraceEvent } from "./events.ts";
import { picture, type PictureOptions } from "./picture.ts";
import type { ArrowRow, Row } from "./row.ts";

/** Draws what happened; nothing if nothing did. */
export function ladderMermaid(
  events: readonly TraceEvent[],
  options: PictureOptions = {},
): string {
  return new MermaidLadder().draw(events, options).toString();
}

/** Pictures, one below the other in one diagram. */
export class MermaidLadder {
  readonly #ids = new Map<string, string>();
  readonly #lines: string[] = [];

  /** Draws what happened below what is there. */
  draw(events: readonly TraceEvent[], options: PictureOptions = {}): this {
    const { lifelines, rows } = picture(events, options);
    for (const who of lifelines) {
      if (!this.#ids.has(who)) this.#ids.set(who, `L${this.#ids.size}`);
    }
    for (const row of rows) this.#lines.push(...this.#row(row, lifelines));
    return this;
  }

  /** The text of the diagram. */
  toString(): string {
    if (this.#lines.length === 0) return "";
    const names = Array.from(this.#ids, ([who, id]) => `participant ${id} as ${plain(who)}`);
    const lines = [...names, ...this.#lines].map((line) => `    ${line}\n`);
    return `sequenceDiagram\n${lines.join("")}`;
  }

  #row(row: Row, lifelines: readonly string[]): string[] {
    const over = this.#over(lifelines);
    switch (row.kind) {
      case "text":
        return [`${over}: ${plain(row.text)}`];
      case "fold":
        return [`${over}: ${plain(`⋮ ${row.count} more, ${size(row.bytes)}`)}`];
      case "call":
        return [`${this.#over([row.call.who])}: ${plain(callWords(row.call)[0]!)}`];
      case "states":
        return row.states.map(({ who, state, ...held }) => {
          const words = [state as string, heldWords(held)[0] ?? ""].filter((word) => word !== "");
          return `${this.#over([who])}: ${plain(words.join(", "))}`;
        });
      default:
        return [
          `${this.#ids.get(row.from)}${stroke(row)}${this.#ids.get(row.to)}: ${wordsOf(row)}`,
        ];
    }
  }

  #over(lifelines: readonly string[]): string {
    const ids = [...new Set([lifelines[0]!, lifelines.at(-1)!])].map((who) => this.#ids.get(who));
    return `Note over ${ids.join(",")}`;
  }
}

/** Solid, dotted for what only acknowledges, and crossed out for what breaks off or is lost. */
function stroke({ what, lost, late }: ArrowRow): string {
  if (what === "rst" || lost) return "-x";
  return what === "ack" || late ? "-->>" : "->>";
}

function wordsOf(row: ArrowRow): string {
  const call = (call: CallEvent | undefined) => call === undefined ? [] : [callWords(call)[0]!];
  const [what] = arrowWords(row);
  return plain([...call(row.sender), what!, ...call(row.taker)].join(" ▸ "));
}

/** Free of what means something to Mermaid: its ends of lines, comments and entities. */
function plain(words: string): string {
  return words.toWellFormed().replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim()
    .replaceAll(/[#;<>%]/g, (sign) => `#${sign.charCodeAt(0)};`);
}
