/**
 * The order of a ladder: which call stands beside which arrow, from the top to the
 * bottom. A row is what is drawn at once; an arrow whose sending and taking had
 * something else happen in between takes two.
 *
 * @module
 */

import { type Arrow, arrows } from "./arrows.ts";
import { type CallEvent, isCall, type TraceEvent } from "./events.ts";

/** Where a row stands among those that share a write, or a read. */
export type Part = "first" | "middle" | "last";

/** An arrow, with the calls to name at its ends. */
export interface ArrowRow {
  /** Discriminates. */
  readonly kind: "arrow";
  /** What went. */
  readonly what: Arrow["what"];
  /** The lifeline that it left. */
  readonly from: string;
  /** The lifeline that it went to. */
  readonly to: string;
  /** Bytes of data. */
  readonly bytes: number;
  /** Whether nobody will ever read it. */
  readonly lost: boolean;
  /** Whether it had arrived before, and is only now taken from the kernel. */
  readonly late: boolean;
  /** The call that sends it, if it is named here. */
  readonly sender?: CallEvent;
  /** The call that takes it, if it does so here. */
  readonly taker?: CallEvent;
  /** Its place among the rows of one write. */
  split?: Part;
  /** Its place among the rows of one read. */
  join?: Part;
}

/** A call that sends nothing and takes nothing. */
export interface CallRow {
  /** Discriminates. */
  readonly kind: "call";
  /** The call. */
  readonly call: CallEvent;
}

/** Words between the lifelines' events. */
export interface TextRow {
  /** Discriminates. */
  readonly kind: "text";
  /** The words. */
  readonly text: string;
}

/** Many arrows of a kind, left out. */
export interface FoldRow {
  /** Discriminates. */
  readonly kind: "fold";
  /** How many. */
  readonly count: number;
  /** The bytes that were sent; of bytes that had all been sent before, those that were taken. */
  readonly bytes: number;
}

/** What is drawn at once. */
export type Row = ArrowRow | CallRow | TextRow | FoldRow;

/** When a call shows: what sends, when it was made; what waits, when it returned. */
export function moment(call: CallEvent): number {
  const waits = call.kind === "read" || call.kind === "accept" || call.kind === "listen";
  return waits || call.error !== undefined ? call.end ?? call.at : call.at;
}

/**
 * The rows of a ladder of these events, between these lifelines. Those in `drawn` are in an
 * earlier picture: what they sent can still be taken here, but they are not drawn again.
 */
export function rows(
  events: readonly TraceEvent[],
  lifelines: readonly string[],
  drawn: ReadonlySet<TraceEvent> = new Set(),
): Row[] {
  return folded(new Composition(events, lifelines, drawn).rows);
}

class Composition {
  readonly rows: Row[] = [];
  /** Calls and notes by time; of two at once, what began first. */
  readonly #order: readonly TraceEvent[];
  readonly #placed = new Set<TraceEvent>();
  readonly #sentBy: Map<CallEvent | undefined, Arrow[]>;
  readonly #takenBy: Map<CallEvent | undefined, Arrow[]>;
  /** Where an arrow is drawn. */
  readonly #drawn = new Map<Arrow, ArrowRow>();
  /** What is in an earlier picture. */
  readonly #before: ReadonlySet<TraceEvent>;
  #next = 0;

  constructor(
    events: readonly TraceEvent[],
    lifelines: readonly string[],
    before: ReadonlySet<TraceEvent>,
  ) {
    this.#before = before;
    const when = (event: TraceEvent) => isCall(event) ? moment(event) : event.at;
    this.#order = events
      .filter((event) => isCall(event) ? lifelines.includes(event.who) : event.kind === "note")
      .sort((a, b) => when(a) - when(b));
    const all = arrows(events, lifelines);
    this.#sentBy = Map.groupBy(all, (arrow) => arrow.sent);
    this.#takenBy = Map.groupBy(all, (arrow) => arrow.received);
    for (let event; (event = this.#upcoming()) !== undefined;) this.#place(event);
  }

  #upcoming(): TraceEvent | undefined {
    while (this.#placed.has(this.#order[this.#next]!)) this.#next++;
    return this.#order[this.#next];
  }

  #place(event: TraceEvent): void {
    if (!isCall(event)) {
      this.#placed.add(event);
      if (event.kind === "note" && !this.#before.has(event)) {
        this.rows.push({ kind: "text", text: event.text });
      }
      return;
    }
    const taken = this.#takenBy.get(event) ?? [];
    // Readings of a clock may be equal, and still nothing is taken before it was sent.
    for (const { sent } of taken) if (sent && !this.#placed.has(sent)) this.#place(sent);
    if (this.#placed.has(event)) return;
    this.#placed.add(event);
    if (this.#before.has(event)) return;
    const sent = this.#sentBy.get(event) ?? [];
    if (sent.length > 0) this.#send(event, sent);
    else if (taken.length > 0) this.#take(event, taken);
    else this.rows.push({ kind: "call", call: event });
  }

  /** What `call` sent: into the reads that happen next, and the rest into the kernel. */
  #send(call: CallEvent, sent: readonly Arrow[]): void {
    const before = this.rows.length;
    const rest = [...sent];
    for (let taker; (taker = this.#takenNext(rest[0])) !== undefined; rest.shift()) {
      this.#placed.add(taker);
      this.#draw(rest.slice(0, 1), { ...named(this.rows.length === before, call), taker });
      this.#joinUp(this.#takenBy.get(taker)!);
    }
    for (const lost of [false, true]) {
      const same = rest.filter((arrow) => arrow.lost === lost);
      this.#draw(same, named(this.rows.length === before, call));
    }
    bracket(this.rows.slice(before), "split");
  }

  /** The call that takes `arrow`, if that is whole by then and the next thing to happen. */
  #takenNext(arrow: Arrow | undefined): CallEvent | undefined {
    const taker = arrow?.received;
    if (taker === undefined || taker !== this.#upcoming()) return undefined;
    return this.#takenBy.get(taker)!.at(-1) === arrow ? taker : undefined;
  }

  /** What came before `taker` asked for it, or from a sender who is not on the record. */
  #take(taker: CallEvent, taken: readonly Arrow[]): void {
    const late = taken.some((arrow) => arrow.sent !== undefined);
    // A connection that waited to be accepted was whole: nothing arrives with accept().
    if (late && taker.kind === "accept") this.rows.push({ kind: "call", call: taker });
    else this.#draw(taken, { taker, late });
  }

  #draw(same: readonly Arrow[], facts: Partial<ArrowRow>): void {
    const [first] = same;
    if (first === undefined) return;
    const { what, from, to, lost } = first;
    const bytes = total(same);
    const row: ArrowRow = { kind: "arrow", what, from, to, bytes, lost, late: false, ...facts };
    for (const arrow of same) this.#drawn.set(arrow, row);
    this.rows.push(row);
  }

  /** Brackets the rows of one read, if they stand one below the other. */
  #joinUp(taken: readonly Arrow[]): void {
    const joined = [...new Set(taken.map((arrow) => this.#drawn.get(arrow)))];
    const last = this.rows.slice(-joined.length);
    if (joined.every((row, at) => row !== undefined && row === last[at])) bracket(last, "join");
  }
}

function named(first: boolean, sender: CallEvent): Partial<ArrowRow> {
  return first ? { sender } : {};
}

function bracket(rows: readonly Row[], side: "split" | "join"): void {
  if (rows.length < 2) return;
  for (const [at, row] of rows.entries()) {
    if (row.kind !== "arrow") continue;
    row[side] = at === 0 ? "first" : at === rows.length - 1 ? "last" : "middle";
  }
}

function total(counted: readonly { readonly bytes: number }[]): number {
  return counted.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** A run of data one way that is longer than this is folded; how many of it stay. */
const LONGEST_RUN = 8;
const HEAD = 3;
const TAIL = 2;

/** Folds the middle of long runs: a thousand writes teach no more than five. */
function folded(rows: readonly Row[]): Row[] {
  const kept: Row[] = [];
  for (let start = 0; start < rows.length;) {
    let end = start + 1;
    while (end < rows.length && sameWay(rows[start]!, rows[end]!)) end++;
    const run = rows.slice(start, end);
    start = end;
    if (run.length <= LONGEST_RUN) {
      kept.push(...run);
      continue;
    }
    const middle = run.slice(HEAD, -TAIL).filter((row) => row.kind === "arrow");
    const sent = middle.filter((row) => !row.late);
    kept.push(...run.slice(0, HEAD));
    const bytes = total(sent.length > 0 ? sent : middle);
    kept.push({ kind: "fold", count: middle.length, bytes });
    kept.push(...run.slice(-TAIL));
  }
  return kept;
}

function sameWay(a: Row, b: Row): boolean {
  return a.kind === "arrow" && b.kind === "arrow" && a.what === "data" && b.what === "data" &&
    a.from === b.from && a.to === b.to;
}
