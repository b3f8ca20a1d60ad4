/**
 * The wire of a lesson: its segments on the record, with the names of its lifelines, and a
 * way to know that all of them have been seen.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { connName, type SegmentEvent } from "../../lib/observe/events.ts";
import type { PcapPacket } from "../../lib/observe/pcapng.ts";
import { Repeats } from "../../lib/observe/repeats.ts";
import { flagsText, isBareAck, type Segment, type TcpFlag } from "../../lib/observe/segment.ts";
import type { Trace } from "../../lib/observe/trace.ts";
import { type Capture, capture } from "../../lib/observe/wire.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import type { Where } from "./_states.ts";
import { whoIs } from "./_who.ts";

/** How a {@linkcode LabWire} looks. */
export interface LabWireOptions {
  /** Ends it. */
  signal: AbortSignal;
  /** Whether to keep whole packets. */
  keepPackets?: boolean;
}

/** Bytes of a packet that are kept: all of it, or what its headers take. */
const WHOLE = 65_600;
const HEADERS = 160;

/** Options for {@linkcode LabWire.until}. */
export interface WaitOptions {
  /**
   * Milliseconds to wait.
   *
   * @default {3000}
   */
  timeout?: number;
}

/** Options for {@linkcode LabWire.next}. */
export interface NextOptions extends WaitOptions {
  /**
   * Whether acknowledgements that carry nothing else count: when they are sent is the
   * kernel's choice.
   *
   * @default {true}
   */
  acks?: boolean;
  /**
   * Whether what had been sent before counts: a busy machine may make a kernel impatient.
   *
   * @default {false}
   */
  again?: boolean;
  /**
   * Only what has one of these flags.
   *
   * @default Whatever there is.
   */
  flags?: readonly TcpFlag[];
  /**
   * Of this connection only.
   *
   * @default Of all of them.
   */
  of?: Where;
}

/** What goes over the wire, if that can be seen. */
export class LabWire implements AsyncDisposable {
  /** Why nothing can be seen; missing if it can. */
  unseen: string | undefined;
  /** What was seen so far. */
  readonly segments: SegmentEvent[] = [];
  /** Every packet of it as it was, if they are kept. */
  readonly packets: PcapPacket[] = [];
  /** The kind of link that {@linkcode packets} came by. */
  linkType = -1;
  readonly #trace: Trace;
  readonly #options: LabWireOptions;
  readonly #again = new Repeats();
  #capture: Capture | undefined;
  /** A server that is called to know that all that went before the call has been seen. */
  #marker: TcpServer | undefined;
  #pulled = 0;
  #told = 0;

  constructor(trace: Trace, options: LabWireOptions) {
    this.#trace = trace;
    this.#options = options;
  }

  /** Begins to look at these ports. */
  async open(ports: readonly number[]): Promise<void> {
    // Before anything is started, so that nobody is asked for leave in the middle of a lesson.
    const { state } = Deno.permissions.querySync({ name: "run", command: "tcpdump" });
    if (state !== "granted") {
      this.unseen = "tcpdump is missing, or --allow-run=tcpdump";
      return;
    }
    const marker = serveTcp({ onError: () => {} }, () => {});
    const all = [...ports, marker.addr.port];
    const { signal, keepPackets = false } = this.#options;
    const snapLength = keepPackets ? WHOLE : HEADERS;
    const capturing = await capture({ ports: all, signal, keepPackets, snapLength });
    if (capturing.available) {
      this.#capture = capturing;
      this.#marker = marker;
    } else {
      this.unseen = capturing.why;
      await marker[Symbol.asyncDispose]();
    }
  }

  /** Waits until `enough` was seen; whether that was in time, or nothing can be seen. */
  async until(
    enough: (segments: readonly SegmentEvent[]) => boolean,
    options: WaitOptions = {},
  ): Promise<boolean> {
    const { timeout = 3000 } = options;
    const seen = () => {
      this.pull();
      return enough(this.segments);
    };
    return this.#capture === undefined || await this.#capture.until(seen, { timeout });
  }

  /** Resolves when all that went over the wire until now has been seen. */
  async settled(): Promise<void> {
    if (this.#capture === undefined || this.#marker === undefined) return;
    const { addr } = this.#marker;
    using conn = await dial(addr, { signal: this.#options.signal });
    const { port } = conn.localAddr;
    await this.#capture.until((segments) =>
      segments.some(({ from, to }) => from.port === port && to.port === addr.port)
    );
    this.pull();
  }

  /**
   * What was seen and not handed out by this before, one text each, such as `"client SYN"` or
   * `"server PSH-ACK 14 B"`: at least `count`, if they come in time. Nothing if nothing can be
   * seen.
   */
  async next(count: number, options: NextOptions = {}): Promise<string[] | undefined> {
    const { acks = true, again = false, flags, of, timeout = 3000 } = options;
    if (this.#capture === undefined) return undefined;
    const conn = of === undefined ? undefined : connOf(of);
    const wanted = (segment: SegmentEvent) =>
      (acks || !isBareAck(segment)) && (again || !segment.again) &&
      (flags === undefined || segment.flags.some((flag) => flags.includes(flag))) &&
      (conn === undefined || segment.conn === conn);
    const found = () => this.segments.slice(this.#told).filter(wanted);
    await this.until(() => found().length >= count, { timeout });
    await this.settled();
    const texts = found().map(segmentLabel);
    this.#told = this.segments.length;
    return texts;
  }

  /** Puts what was seen meanwhile on the record. */
  pull(): void {
    const { segments = [], packets = [], linkType = -1 } = this.#capture ?? {};
    this.linkType = linkType;
    for (; this.#pulled < segments.length; this.#pulled++) {
      const segment = segments[this.#pulled]!;
      const marker = this.#marker?.addr.port;
      if (segment.from.port === marker || segment.to.port === marker) continue;
      const event = this.#eventOf(segment);
      this.segments.push(event);
      if (this.#options.keepPackets) this.packets.push(packets[this.#pulled]!);
      this.#trace.add(event);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#capture?.[Symbol.asyncDispose]();
    await this.#marker?.[Symbol.asyncDispose]();
    this.#marker = this.#capture = undefined;
  }

  #eventOf(segment: Segment): SegmentEvent {
    const [from, to] = [formatAddr(segment.from), formatAddr(segment.to)];
    const { flags, seq, ack, length, time } = segment;
    return {
      kind: "segment",
      at: this.#trace.timeOf(time),
      who: whoIs(this.#trace.events, from, to),
      to: whoIs(this.#trace.events, to, from),
      conn: connName(from, to),
      flags,
      seq,
      ...ack !== undefined && { ack },
      length,
      ...this.#again.add(segment) && { again: true },
    };
  }
}

/** Who sent it, its flags, and how many bytes: what a lesson claims of a segment. */
export function segmentLabel(segment: SegmentEvent): string {
  const bytes = segment.length === 0 ? "" : ` ${segment.length} B`;
  return `${segment.who} ${flagsText(segment)}${bytes}`;
}

function connOf(where: Where): string {
  if (!("localAddr" in where)) return "";
  const [a, b] = [where.localAddr, where.remoteAddr] as TcpAddr[];
  return connName(formatAddr(a!), formatAddr(b!));
}
