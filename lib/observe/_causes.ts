/**
 * Segments that were seen, and calls: which call sent a segment, and which took what it
 * brought. Both are matched by where bytes stand in the stream, as the sequence numbers say.
 */

import { type CallEvent, isCall, type SegmentEvent, type TraceEvent } from "./events.ts";

/** The calls at the two ends of each segment. */
export class Causes {
  readonly #sender = new Map<SegmentEvent, CallEvent>();
  readonly #sent = new Map<CallEvent, SegmentEvent>();
  readonly #takers = new Map<SegmentEvent, Set<CallEvent>>();
  readonly #brought = new Map<CallEvent, SegmentEvent>();

  /** Matches the segments of `events` with the calls among them. */
  constructor(events: readonly TraceEvent[]) {
    const calls = events.filter((event) => isCall(event));
    const segments = events.filter((event) => event.kind === "segment");
    for (const [conn, seen] of Map.groupBy(segments, (segment) => segment.conn)) {
      const ours = calls.filter((call) => call.conn === conn);
      for (const [way, sent] of Map.groupBy(seen, ({ who, to }) => `${who}\n${to}`)) {
        const [from, to] = way.split("\n");
        this.#match(
          sent,
          ours.filter((call) => call.who === from),
          ours.filter((call) => call.who === to),
        );
      }
    }
  }

  /** The call that sent `segment`; what a kernel sends by itself has none. */
  senderOf(segment: SegmentEvent): CallEvent | undefined {
    return this.#sender.get(segment);
  }

  /** The first segment that `call` sent. */
  sentBy(call: CallEvent): SegmentEvent | undefined {
    return this.#sent.get(call);
  }

  /** The segment that brought the last of what `call` took. */
  broughtTo(call: CallEvent): SegmentEvent | undefined {
    return this.#brought.get(call);
  }

  /** Whether `call` took the last of what it wanted from `segment`. */
  takes(call: CallEvent, segment: SegmentEvent): boolean {
    return this.#takers.get(segment)?.has(call) === true;
  }

  /** Of segments one way, those that were sent for the first time. */
  #match(
    segments: readonly SegmentEvent[],
    senders: readonly CallEvent[],
    takers: readonly CallEvent[],
  ): void {
    const fresh = segments.filter((segment) => segment.again !== true);
    const has = (flag: SegmentEvent["flags"][number]) => (segment: SegmentEvent) =>
      segment.flags.includes(flag);
    const syn = fresh.find((segment) => has("SYN")(segment) && segment.ack === undefined);
    this.#send(senders.find(({ kind }) => kind === "connect"), syn);
    // The last of the three segments of a handshake.
    const third = syn && fresh.find((segment) => !has("SYN")(segment) && segment.ack !== undefined);
    this.#take(takers.find(({ kind }) => kind === "accept"), third);

    const holding = (byte: number) =>
      fresh.find(({ seq, length }) => seq <= byte && byte < seq + length);
    for (const [call, start] of offsets(senders, "write")) this.#send(call, holding(start + 1));
    for (const [call, , end] of offsets(takers, "read")) this.#take(call, holding(end));

    const fin = fresh.find(has("FIN"));
    const ends = senders.filter(({ kind }) => ENDS.includes(kind));
    this.#send(ends.find(({ kind, error }) => kind !== "reset" && error === undefined), fin);
    this.#take(takers.find((call) => call.kind === "read" && call.bytes === null), fin);

    const rst = fresh.find(has("RST"));
    // Who closes with bytes unread resets, whether its FIN was sent before or not at all.
    const breaking = ends.find((call) => call.kind === "reset" || !this.#sent.has(call));
    this.#send(breaking, rst);
    this.#take(takers.find(({ error }) => BROKEN.includes(error?.code ?? "")), rst);
  }

  #send(call: CallEvent | undefined, segment: SegmentEvent | undefined): void {
    if (call === undefined || segment === undefined || call.at > segment.at + SKEW) return;
    this.#sent.set(call, segment);
    this.#sender.set(segment, call);
  }

  #take(call: CallEvent | undefined, segment: SegmentEvent | undefined): void {
    if (call === undefined || segment === undefined) return;
    this.#brought.set(call, segment);
    this.#takers.set(segment, (this.#takers.get(segment) ?? new Set()).add(call));
  }
}

/** Milliseconds by which the clock of a capture may differ from ours. */
const SKEW = 1;

const ENDS: readonly string[] = ["closeWrite", "close", "reset"] satisfies CallEvent["kind"][];
const BROKEN: readonly string[] = ["ECONNRESET", "EPIPE"];

/** The calls that moved bytes, and which: the first and the one behind the last, from 0 on. */
function offsets(
  calls: readonly CallEvent[],
  kind: "read" | "write",
): [call: CallEvent, start: number, end: number][] {
  const found: [CallEvent, number, number][] = [];
  let at = 0;
  for (const call of calls) {
    if (call.kind !== kind || call.error !== undefined) continue;
    const bytes = call.bytes ?? (call.kind === "write" ? call.size : 0);
    if (bytes > 0) found.push([call, at, at += bytes]);
  }
  return found;
}
