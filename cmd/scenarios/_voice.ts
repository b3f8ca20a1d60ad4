/**
 * How a scenario tells what happens: to a person, with pictures; to a program, as JSON; to a
 * page, as Mermaid; or in the one line that counts.
 *
 * @module
 */

import type { TraceEvent, VerdictEvent } from "../../lib/observe/events.ts";
import { ladder } from "../../lib/observe/ladder.ts";
import { MermaidLadder } from "../../lib/observe/ladder_mermaid.ts";
import type { Io } from "../_cli.ts";
import { type Claim, Claims, isPictured } from "./_claims.ts";
import type { DrawOptions, LabOptions } from "./_lab.ts";
import type { Lesson } from "./_lesson.ts";

/** A way of telling. */
export interface Voice {
  /** The lesson begins. */
  open(lesson: Lesson): void;
  /** Something happened; a call, that it returned. */
  event(event: TraceEvent): void;
  /** A picture of these events, but for those that are `drawn` already. */
  show: LabOptions["show"];
  /** Says no more, and resolves when all that was said is printed. */
  close(): Promise<void>;
}

/** Says nothing, and prints in the order in which it was asked to. */
class Silence implements Voice {
  protected readonly io: Io;
  #printed: Promise<void> = Promise.resolve();
  #over = false;

  constructor(io: Io) {
    this.io = io;
  }

  open(_lesson: Lesson): void {}

  event(_event: TraceEvent): void {}

  show(
    _events: readonly TraceEvent[],
    _drawn: ReadonlySet<TraceEvent>,
    _options: DrawOptions,
  ): void {}

  close(): Promise<void> {
    this.#over = true;
    return this.#printed;
  }

  protected print(text: string): void {
    // A call that a lesson left behind may return after the verdict, which is the last word.
    if (this.#over) return;
    this.#printed = this.#printed.then(() => this.io.print(text));
    // Whoever closes learns of it.
    this.#printed.catch(() => {});
  }

  protected verdict({ ok, text }: VerdictEvent): void {
    this.print(`${mark(ok, this.io.color)} ${text}\n`);
  }
}

/** One JSON object on each line. */
export class JsonVoice extends Silence {
  override event(event: TraceEvent): void {
    this.print(`${JSON.stringify(event)}\n`);
  }
}

/** The verdict only. */
export class QuietVoice extends Silence {
  override event(event: TraceEvent): void {
    if (event.kind === "verdict") this.verdict(event);
  }
}

/** One Mermaid diagram of all pictures, and the verdict as a comment. */
export class MermaidVoice extends Silence {
  readonly #drawing = new MermaidLadder();

  override event(event: TraceEvent): void {
    if (event.kind !== "verdict") return;
    this.print(this.#drawing.toString());
    this.print(`%% ${mark(event.ok, false)} ${event.text}\n`);
  }

  override show(
    events: readonly TraceEvent[],
    drawn: ReadonlySet<TraceEvent>,
    options: DrawOptions,
  ): void {
    const { lifelines = ["client", "server"] } = options;
    this.#drawing.draw(events, { lifelines, drawn });
  }
}

/** For a person: what it is about, pictures, checks, and the verdict. */
export class PlainVoice extends Silence {
  readonly #claims = new Claims();
  /** What keeps the next picture, or the verdict, from the checks before it. */
  #gap = "";

  override open({ title, order, section, about }: Lesson): void {
    const { color, columns = COLUMNS } = this.io;
    const head = color ? `\x1b[1m${title}\x1b[0m` : title;
    this.print(`${head}\n(chapter §${order.join(".")}: ${section})\n\n`);
    for (const paragraph of about) {
      this.print(`${inColumns(paragraph, Math.min(columns, COLUMNS))}\n\n`);
    }
  }

  override event(event: TraceEvent): void {
    this.#tell(this.#claims.hear(event));
    if (event.kind !== "verdict") return;
    this.print(this.#gap);
    this.verdict(event);
  }

  override show(
    events: readonly TraceEvent[],
    drawn: ReadonlySet<TraceEvent>,
    options: DrawOptions,
  ): void {
    const { lifelines = ["client", "server"] } = options;
    const { color, columns = COLUMNS } = this.io;
    const width = Math.max(20, Math.min(columns, 100));
    if (events.some((event) => isPictured(event) && !drawn.has(event))) {
      this.print(`${this.#gap}${ladder(events, { lifelines, drawn, color, width })}\n`);
      this.#gap = "";
    }
    this.#tell(this.#claims.drawn());
  }

  #tell(claims: readonly Claim[]): void {
    const { color } = this.io;
    for (const event of claims) {
      this.#gap = "\n";
      if (event.kind === "unseen") {
        this.print(`  – not seen: ${event.text}\n      (${event.why})\n`);
        continue;
      }
      const { ok, text, actual, expected } = event;
      const why = ok ? "" : `: expected ${expected}, got ${actual}`;
      this.print(`  ${mark(ok, color)} ${text}${why}\n`);
    }
  }
}

const COLUMNS = 80;

/** A paragraph as it is written, or with its lines broken anew if one of them is too long. */
function inColumns(paragraph: string, columns: number): string {
  const lines = paragraph.split("\n");
  if (lines.every((line) => line.length <= columns)) return paragraph;
  return paragraph.split(/\s+/).reduce((told, word) => {
    const room = columns - (told.length - told.lastIndexOf("\n") - 1);
    return `${told}${word.length < room ? " " : "\n"}${word}`;
  });
}

/** A tick or a cross. */
export function mark(ok: boolean, color: boolean): string {
  const [sign, sgr] = ok ? ["✓", 32] : ["✗", 31];
  return color ? `\x1b[${sgr}m${sign}\x1b[0m` : sign;
}
