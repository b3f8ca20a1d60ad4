/**
 * What a ladder draws at once, as data.
 *
 * @module
 */

import type { Arrow } from "./arrows.ts";
import type { CallEvent, SegmentEvent, StateEvent } from "./events.ts";

/** Where a row stands among those that share a write, or a read. */
export type Part = "first" | "middle" | "last";

/** An arrow, with the calls to name at its ends. */
export interface ArrowRow {
  /** Discriminates. */
  readonly kind: "arrow";
  /** What went: of a segment that was seen, the most telling of what it did. */
  readonly what: Arrow["what"] | "syn" | "ack";
  /** The segment, if it was seen. */
  readonly segment?: SegmentEvent;
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

/** What the kernel was found to have at one moment: a state for each end. */
export interface StatesRow {
  /** Discriminates. */
  readonly kind: "states";
  /** The states, at most one on each lifeline. */
  readonly states: readonly StateEvent[];
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
export type Row = ArrowRow | CallRow | StatesRow | TextRow | FoldRow;

/** When a call shows: what sends, when it was made; what waits, when it returned. */
export function moment(call: CallEvent): number {
  const waits = call.kind === "read" || call.kind === "accept" || call.kind === "listen";
  return waits || call.error !== undefined ? call.end ?? call.at : call.at;
}

/** The calls that a row names. */
export function callsOf(row: Row): CallEvent[] {
  if (row.kind === "call") return [row.call];
  if (row.kind !== "arrow") return [];
  return [row.sender, row.taker].filter((call) => call !== undefined);
}
