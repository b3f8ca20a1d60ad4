/**
 * The order of a ladder: which call stands beside which arrow, from the top to the
 * bottom. A row is what is drawn at once; an arrow whose sending and taking had
 * something else happen in between takes two.
 *
 * Where a connection's segments were seen, they are its arrows, and nothing is inferred from
 * its calls: each of them stands beside the segment that it sent or took if nothing else
 * happened in between, and in a row of its own otherwise.
 *
 * @module
 */

import { type Arrow, arrows } from "./arrows.ts";
import { Causes } from "./_causes.ts";
import { folded } from "./_folds.ts";
import {
  type CallEvent,
  isCall,
  type SegmentEvent,
  type StateEvent,
  type TraceEvent,
} from "./events.ts";
import { type ArrowRow, moment, type Row } from "./row.ts";

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
  /** What is drawn, by time; of two at once, what began first. */
  readonly #order: readonly TraceEvent[];
  readonly #placed = new Set<TraceEvent>();
  readonly #sentBy: Map<CallEvent | undefined, Arrow[]>;
  readonly #takenBy: Map<CallEvent | undefined, Arrow[]>;
  /** Where an arrow is drawn. */
  readonly #drawn = new Map<Arrow, ArrowRow>();
  /** What is in an earlier picture. */
  readonly #before: ReadonlySet<TraceEvent>;
  readonly #causes: Causes;
  #next = 0;

  constructor(
    events: readonly TraceEvent[],
    lifelines: readonly string[],
    before: ReadonlySet<TraceEvent>,
  ) {
    this.#before = before;
    const when = (event: TraceEvent) => isCall(event) ? moment(event) : event.at;
    const shown = (event: TraceEvent) => {
      if (event.kind === "note") return true;
      if (event.kind === "segment" && !lifelines.includes(event.to)) return false;
      const there = isCall(event) || event.kind === "segment" || event.kind === "state";
      return there && lifelines.includes(event.who);
    };
    this.#order = events.filter(shown).sort((a, b) => when(a) - when(b));
    this.#causes = new Causes(this.#order);
    const seen = new Set(this.#order.flatMap((it) => it.kind === "segment" ? [it.conn] : []));
    const unseen = events.filter((event) => !isCall(event) || !seen.has(event.conn ?? ""));
    const all = arrows(unseen, lifelines);
    this.#sentBy = Map.groupBy(all, (arrow) => arrow.sent);
    this.#takenBy = Map.groupBy(all, (arrow) => arrow.received);
    for (let event; (event = this.#upcoming()) !== undefined;) this.#place(event);
  }

  #upcoming(): TraceEvent | undefined {
    while (this.#placed.has(this.#order[this.#next]!)) this.#next++;
    return this.#order[this.#next];
  }

  #place(event: TraceEvent): void {
    if (event.kind === "segment") return this.#carry(event);
    if (!isCall(event)) {
      this.#placed.add(event);
      if (this.#before.has(event)) return;
      if (event.kind === "note") this.rows.push({ kind: "text", text: event.text });
      if (event.kind === "state") this.#show(event);
      return;
    }
    const brought = this.#causes.broughtTo(event);
    if (brought !== undefined && !this.#placed.has(brought)) this.#carry(brought);
    const taken = this.#takenBy.get(event) ?? [];
    // Readings of a clock may be equal, and still nothing is taken before it was sent.
    for (const { sent } of taken) if (sent && !this.#placed.has(sent)) this.#place(sent);
    if (this.#placed.has(event)) return;
    this.#placed.add(event);
    if (this.#before.has(event)) return;
    const segment = this.#causes.sentBy(event);
    if (segment !== undefined && segment === this.#upcoming()) return this.#carry(segment, event);
    const sent = this.#sentBy.get(event) ?? [];
    if (sent.length > 0) this.#send(event, sent);
    else if (taken.length > 0) this.#take(event, taken);
    else this.rows.push({ kind: "call", call: event });
  }

  /** A segment that was seen, beside the call that sent it if nothing was in between. */
  #carry(segment: SegmentEvent, sender?: CallEvent): void {
    const cause = this.#causes.senderOf(segment);
    // Clocks differ by a little, and still nothing is sent before the call that sends it.
    if (sender === undefined && cause !== undefined && !this.#placed.has(cause)) {
      this.#placed.add(cause);
      if (!this.#before.has(cause)) sender = cause;
    }
    this.#placed.add(segment);
    const next = this.#upcoming();
    const takes = next !== undefined && isCall(next) && this.#causes.takes(next, segment) &&
      !this.#before.has(next);
    if (takes) this.#placed.add(next);
    if (this.#before.has(segment)) {
      for (const call of [sender, takes ? next : undefined]) {
        if (call !== undefined) this.rows.push({ kind: "call", call });
      }
      return;
    }
    const { who: from, to, length: bytes } = segment;
    this.rows.push({
      ...{ kind: "arrow", what: whatIs(segment), segment, from, to, bytes },
      ...{ lost: false, late: false },
      ...sender && { sender },
      ...takes && { taker: next },
    });
  }

  /** A state, beside that of the other end if both were found at once. */
  #show(state: StateEvent): void {
    const last = this.rows.at(-1);
    const joins = last?.kind === "states" && last.states[0]!.at === state.at &&
      last.states.every(({ who }) => who !== state.who);
    if (joins) this.rows.splice(-1, 1, { ...last, states: [...last.states, state] });
    else this.rows.push({ kind: "states", states: [state] });
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

function whatIs({ flags, length }: SegmentEvent): ArrowRow["what"] {
  if (flags.includes("RST")) return "rst";
  if (flags.includes("SYN")) return "syn";
  if (flags.includes("FIN")) return "fin";
  return length > 0 ? "data" : "ack";
}
