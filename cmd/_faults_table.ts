/**
 * What `faults` shows on a terminal: where it leads, the faults with their numbers, the
 * connections with their rates, and what happened last.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import type { FaultyLink } from "../lib/faults/faulty_link.ts";
import { eventLine } from "../lib/faults/link_event.ts";

/** Bytes that each connection had carried, by its number, when it was last looked at. */
export type Counts = Map<number, { readonly up: number; readonly down: number }>;

/** What keys do. */
export const KEYS = "keys: 1-9 fault off/on, r reset connections, d listening off/on, q quit";

/** So many connections and events are shown. */
const SHOWN = 8;

/** The lines; `before` is what this made of `counts` some `seconds` ago, and is brought up to date. */
export function faultsTable(
  link: FaultyLink,
  before: Counts,
  seconds: number,
): string[] {
  const { board, listening, seed } = link;
  const faults = board.faults.map((fault, i) => {
    const { name, direction, toxicity, enabled } = fault;
    const on = board.links.filter((conn) => conn[direction].names.includes(name)).length;
    const rare = toxicity < 1 ? `, on ${toxicity * 100} %` : "";
    return `  ${i + 1} ${enabled ? "●" : "○"} ${direction.padEnd(4)} ${name}${rare}: on ${on} open`;
  });
  const now: Counts = new Map();
  const conns = board.links.map((conn) => {
    const { connection, up, down } = conn;
    const sent = { up: up.sent, down: down.sent };
    now.set(connection, sent);
    const was = before.get(connection) ?? { up: 0, down: 0 };
    const way = (direction: "up" | "down", arrow: string) =>
      `${arrow} ${size(sent[direction]).padStart(9)} ${
        `${size((sent[direction] - was[direction]) / seconds)}/s`.padStart(11)
      }${
        conn[direction].received > sent[direction]
          ? ` (${size(conn[direction].received - sent[direction])} held or lost)`
          : ""
      }`;
    return `  #${connection}  ${way("up", "↑")}  ${way("down", "↓")}`;
  });
  before.clear();
  for (const [connection, sent] of now) before.set(connection, sent);
  const more = conns.length > SHOWN ? [`  and ${conns.length - SHOWN} more`] : [];
  return [
    `${formatAddr(link.addr)} → ${formatAddr(link.target)}  seed ${seed}${
      listening ? "" : "  (not listening)"
    }`,
    "faults",
    ...faults.length > 0 ? faults : ["  none"],
    `connections: ${conns.length} open`,
    ...conns.slice(0, SHOWN),
    ...more,
    "last",
    ...link.events.slice(-SHOWN).map((event) => `  ${eventLine(event)}`),
  ];
}

/**
 * Does what a key asks for, to the link if there is one. Resolves with `quit` for whoever reads
 * keys, or with a line about what could not be done.
 */
export async function pressKey(key: string, link?: FaultyLink): Promise<string | undefined> {
  if (key === "q") return "quit";
  if (link === undefined) return undefined;
  const fault = link.board.faults[Number(key) - 1];
  if (/^[1-9]$/.test(key) && fault) link.change(fault.name, { enabled: !fault.enabled });
  else if (key === "r") link.reset();
  else if (key === "d") {
    try {
      await (link.listening ? link.disable() : link.enable());
    } catch (error) { // somebody has taken the port meanwhile
      return explainLine(error, { op: "listen", addr: link.addr });
    }
  }
  return undefined;
}

function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let n = bytes;
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit++) n /= 1000;
  return `${unit === 0 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}
