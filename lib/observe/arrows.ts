/**
 * Who sent what to whom: the calls at both ends of a connection, matched. Bytes are
 * matched by where they stand in the stream, since TCP keeps their order and nothing
 * else: one write may come out of three reads, and three writes of one.
 *
 * Only calls are known here, so what the wire did is inferred: a connection that is
 * there had its handshake, and an end that learns of a reset was sent an RST.
 *
 * @module
 */

import { type CallEvent, isCall, isOfConn, type TraceEvent } from "./events.ts";

/** Something that went from one lifeline to another. */
export interface Arrow {
  /** What it was. */
  readonly what: "handshake" | "data" | "fin" | "rst";
  /** The lifeline that sent it. */
  readonly from: string;
  /** The lifeline that it went to. */
  readonly to: string;
  /** Bytes of data; 0 for all else. */
  readonly bytes: number;
  /** Whether the receiver closed without reading it. */
  readonly lost: boolean;
  /** The call that sent it; missing if it is known only from what the receiver saw. */
  readonly sent?: CallEvent;
  /** The call that took it; missing if none did. */
  readonly received?: CallEvent;
}

/** One end of a connection. */
interface End {
  readonly who: string;
  readonly calls: readonly CallEvent[];
}

/**
 * The arrows between these lifelines, each with the calls at its two ends. An end that
 * is alone on the record talks to the other lifeline, if there is just one other.
 */
export function arrows(events: readonly TraceEvent[], lifelines: readonly string[]): Arrow[] {
  return connections(events).flatMap(([a, b]) => {
    if (a === undefined) return [];
    const others = lifelines.filter((who) => who !== a.who);
    if (b === undefined && others.length > 1) return [];
    const peer = b ?? { who: others[0] ?? "", calls: [] };
    if (!lifelines.includes(a.who) || !lifelines.includes(peer.who)) return [];
    return [...oneWay(a, peer), ...oneWay(peer, a)];
  });
}

/** The two ends of each connection; of more than two, which no connection has, the first. */
function connections(events: readonly TraceEvent[]): End[][] {
  const found = new Map<string, Map<string, CallEvent[]>>();
  for (const event of events) {
    if (!isCall(event) || !isOfConn(event)) continue;
    const { conn = "", who } = event;
    const ends = found.get(conn) ?? new Map<string, CallEvent[]>();
    const calls = ends.get(who) ?? [];
    calls.push(event);
    found.set(conn, ends.set(who, calls));
  }
  return Array.from(
    found.values(),
    (ends) => Array.from(ends, ([who, calls]) => ({ who, calls })).slice(0, 2),
  );
}

function oneWay(from: End, to: End): Arrow[] {
  const ends = { from: from.who, to: to.who, bytes: 0, lost: false };
  return [
    ...handshake(from, to).map((calls) => ({ what: "handshake" as const, ...ends, ...calls })),
    ...data(from, to).map((found) => ({ what: "data" as const, ...ends, ...found })),
    ...fin(from, to).map((calls) => ({ what: "fin" as const, ...ends, ...calls })),
    ...rst(from, to).map((calls) => ({ what: "rst" as const, ...ends, ...calls })),
  ];
}

type Calls = Pick<Arrow, "sent" | "received">;

function handshake(from: End, to: End): Calls[] {
  const sent = from.calls.find((call) => call.kind === "connect");
  return sent === undefined ? [] : [calls(sent, to.calls.find((call) => call.kind === "accept"))];
}

/** One for each stretch of the stream that one write put there and one read took. */
function data(from: End, to: End): (Calls & Pick<Arrow, "bytes" | "lost">)[] {
  const found: (Calls & Pick<Arrow, "bytes" | "lost">)[] = [];
  const gone = to.calls.some((call) => call.kind === "close" || call.kind === "reset");
  const writes = stretches(from, "write");
  const reads = stretches(to, "read");
  let [write, read] = [writes.shift(), reads.shift()];
  while (write !== undefined || read !== undefined) {
    const bytes = Math.min(write?.left ?? Infinity, read?.left ?? Infinity);
    const lost = read === undefined && gone;
    found.push({ ...calls(write?.call, read?.call), bytes, lost });
    if (write !== undefined && (write.left -= bytes) === 0) write = writes.shift();
    if (read !== undefined && (read.left -= bytes) === 0) read = reads.shift();
  }
  return found;
}

/** The calls that moved bytes, with how many. What an open write has put out is a guess: all. */
function stretches(end: End, kind: "read" | "write"): { call: CallEvent; left: number }[] {
  return end.calls.flatMap((call) => {
    if (call.kind !== kind || call.error !== undefined) return [];
    const left = call.bytes ?? (call.kind === "write" ? call.size : 0);
    return left > 0 ? [{ call, left }] : [];
  });
}

function fin(from: End, to: End): Calls[] {
  const over = from.calls.findIndex((call, at) => call.kind === "reset" || broke(from, call, at));
  const before = over < 0 ? from.calls : from.calls.slice(0, over);
  const sent = before.find((call) =>
    (call.kind === "closeWrite" || call.kind === "close") && call.error === undefined
  );
  const received = to.calls.find((call) => call.kind === "read" && call.bytes === null);
  // Deno says `null` after a reset too, so that `null` proves a FIN only where we see
  // one sent, or do not see the sender at all.
  if (sent === undefined && (from.calls.length > 0 || received === undefined)) return [];
  return [calls(sent, received)];
}

function rst(from: End, to: End): Calls[] {
  const sent = from.calls.find((call) => call.kind === "reset");
  const received = to.calls.find((call, at) => broke(to, call, at));
  return sent === undefined && received === undefined ? [] : [calls(sent, received)];
}

/** Whether the call at index `at` tells that the peer sent an RST: EPIPE may be our own doing. */
function broke(end: End, { kind, error }: CallEvent, at: number): boolean {
  if (error?.name === "ConnectionReset" || error?.code === "ECONNRESET") return true;
  const epipe = error?.name === "BrokenPipe" || error?.code === "EPIPE";
  return kind === "write" && epipe && !end.calls.slice(0, at).some(saidFin);
}

function saidFin({ kind }: CallEvent): boolean {
  return kind === "closeWrite" || kind === "close" || kind === "reset";
}

function calls(sent: CallEvent | undefined, received: CallEvent | undefined): Calls {
  return { ...(sent && { sent }), ...(received && { received }) };
}
