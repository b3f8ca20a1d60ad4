/**
 * What is drawn of a trace: some of its events between some lifelines, as rows, which text,
 * SVG and Mermaid each put down in their own way.
 *
 * @module
 */

import { isCall, type TraceEvent } from "./events.ts";
import type { Row } from "./row.ts";
import { rows } from "./rows.ts";

/** Options for {@linkcode picture}. */
export interface PictureOptions {
  /**
   * The lifelines to draw, from left to right.
   *
   * @default All of them, in the order of their first events.
   */
  lifelines?: readonly string[] | undefined;
  /**
   * Those of the events that an earlier picture has. They are not drawn again, but what was
   * sent there and is taken here is known for what it is.
   *
   * @default {new Set()}
   */
  drawn?: ReadonlySet<TraceEvent>;
}

/** What is drawn. */
export interface Picture {
  /** The names of the lifelines, at least two; none if there is nothing to draw. */
  readonly lifelines: readonly string[];
  /** What stands on them, from the top to the bottom. */
  readonly rows: readonly Row[];
}

/** Composes a picture. A lifeline that is alone gets a peer. */
export function picture(events: readonly TraceEvent[], options: PictureOptions = {}): Picture {
  const { drawn = new Set() } = options;
  const { lifelines = lifelinesOf(events.filter((event) => !drawn.has(event))) } = options;
  if (lifelines.length === 0) return { lifelines: [], rows: [] };
  const names = withPeer(lifelines);
  return { lifelines: names, rows: rows(events, names, drawn) };
}

/** The names, and one more if there is just one: whoever is off the record. */
export function withPeer(names: readonly string[]): readonly string[] {
  return names.length === 1 ? [...names, names[0] === "peer" ? "other" : "peer"] : names;
}

/** Who did something or had it done, in the order in which they came. */
export function lifelinesOf(events: readonly TraceEvent[]): string[] {
  const named = events.flatMap((event) => {
    if (event.kind === "segment") return [event.who, event.to];
    return isCall(event) || event.kind === "state" ? [event.who] : [];
  });
  return [...new Set(named)];
}
