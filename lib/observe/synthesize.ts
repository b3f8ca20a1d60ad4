/**
 * Segments made up from what programs called, for whoever wants to open a trace in Wireshark
 * where nothing could be captured: a handshake for each connection, its bytes, its FINs and
 * its RST, with numbers and checksums as they should be. What no program can know is left
 * out: retransmissions, windows, and when a kernel acknowledged.
 *
 * @module
 */

import { parseAddr, type TcpAddr } from "../addr.ts";
import { packetBytes } from "./_packet_bytes.ts";
import { type Arrow, arrows } from "./arrows.ts";
import { type CallEvent, isCall, isOfConn, type TraceEvent } from "./events.ts";
import type { PcapPacket } from "./pcapng.ts";
import { lifelinesOf, withPeer } from "./picture.ts";
import type { TcpFlag } from "./segment.ts";

/** Options for {@linkcode synthesize}. */
export interface SynthesizeOptions {
  /**
   * Milliseconds since the epoch at which the trace began.
   *
   * @default {0}
   */
  began?: number;
  /**
   * The bytes that a read or a write moved, as far as they were kept. Those that were not are
   * missing from their packets too, as from a capture that cuts packets off.
   *
   * @default Nothing was kept.
   */
  dataOf?: (call: CallEvent) => Uint8Array | undefined;
}

/** Packets of IP, without a link layer (type 101), by time. */
export function synthesize(
  events: readonly TraceEvent[],
  options: SynthesizeOptions = {},
): PcapPacket[] {
  const { began = 0, dataOf = () => undefined } = options;
  const conns = Map.groupBy(
    events.filter((event) => isCall(event)).filter(isOfConn),
    ({ conn = "" }) => conn,
  );
  const packets = Array.from(
    conns,
    ([conn, calls], at) => new Conversation(conn, calls, at, dataOf),
  );
  return packets.flatMap((made) => made.packets(began)).sort((a, b) => a.time - b.time);
}

/** The most data in one segment: what a loopback interface takes, whose packets are of 64 KiB. */
const LONGEST = 65_483;

const WINDOW = 65_535;

/** How far one end of a connection has come. */
interface Side {
  readonly addr: TcpAddr;
  /** The number of the next byte that it sends. */
  next: number;
}

/** Something that one end sent. */
interface Sent {
  readonly at: number;
  readonly arrow: Arrow;
  readonly data: Uint8Array;
}

/** One connection. */
class Conversation {
  readonly #calls: readonly CallEvent[];
  readonly #sides: Map<string, Side>;
  readonly #dataOf: (call: CallEvent) => Uint8Array | undefined;
  /** How much of a call's bytes is sent. */
  readonly #used = new Map<CallEvent, number>();
  #made: PcapPacket[] = [];
  #began = 0;
  /** Nothing is sent before what was sent before it. */
  #clock = 0;

  constructor(
    conn: string,
    calls: readonly CallEvent[],
    index: number,
    dataOf: (call: CallEvent) => Uint8Array | undefined,
  ) {
    this.#calls = calls;
    this.#dataOf = dataOf;
    this.#sides = sidesOf(conn, calls, index);
  }

  packets(began: number): PcapPacket[] {
    this.#began = began;
    this.#made = [];
    const sent = arrows(this.#calls, [...this.#sides.keys()]).map((arrow) => this.#sent(arrow));
    const [first, ...rest] = sent.sort((a, b) =>
      rank(a.arrow) - rank(b.arrow) || a.at - b.at || atEnd(a.arrow) - atEnd(b.arrow)
    );
    if (first === undefined) return [];
    if (first.arrow.what === "handshake") this.#shake(first, rest[0]);
    for (const one of first.arrow.what === "handshake" ? rest : [first, ...rest]) {
      this.#carry(one);
      if (one.arrow.what === "rst") break;
    }
    return this.#made;
  }

  #sent(arrow: Arrow): Sent {
    const { sent, received, bytes } = arrow;
    const at = sent?.at ?? received?.end ?? received?.at ?? 0;
    let data = new Uint8Array(0);
    for (const call of [received, sent]) {
      if (call === undefined || arrow.what !== "data") continue;
      const used = this.#used.get(call) ?? 0;
      this.#used.set(call, used + bytes);
      const kept = this.#dataOf(call)?.subarray(used, used + bytes);
      if (kept !== undefined && kept.length > data.length) data = Uint8Array.from(kept);
    }
    return { at, arrow, data };
  }

  /** SYN when the client dialed, ACK when it had connected, or when something else followed. */
  #shake({ arrow, at }: Sent, next: Sent | undefined): void {
    const [client, server] = [this.#sides.get(arrow.from)!, this.#sides.get(arrow.to)!];
    const end = Math.max(at, Math.min(arrow.sent?.end ?? at, next?.at ?? Infinity));
    this.#put(at, client, server, ["SYN"]);
    this.#put((at + end) / 2, server, client, ["SYN", "ACK"]);
    this.#put(end, client, server, ["ACK"]);
  }

  #carry({ at, arrow, data }: Sent): void {
    const [from, to] = [this.#sides.get(arrow.from)!, this.#sides.get(arrow.to)!];
    if (arrow.what === "fin") {
      this.#put(at, from, to, ["FIN", "ACK"]);
      this.#put(at, to, from, ["ACK"]);
    } else if (arrow.what === "rst") {
      this.#put(at, from, to, ["RST", "ACK"]);
    } else {
      for (let done = 0; done < arrow.bytes; done += LONGEST) {
        const length = Math.min(LONGEST, arrow.bytes - done);
        this.#put(at, from, to, ["PSH", "ACK"], length, data.subarray(done, done + length));
        this.#put(at, to, from, ["ACK"]);
      }
    }
  }

  #put(
    at: number,
    from: Side,
    to: Side,
    flags: readonly TcpFlag[],
    length = 0,
    data: Uint8Array = new Uint8Array(0),
  ): void {
    this.#clock = Math.max(this.#clock, at);
    const ack = flags.includes("ACK") ? to.next : 0;
    const header = { from: from.addr, to: to.addr, flags, seq: from.next, ack, window: WINDOW };
    const whole = new Uint8Array(length);
    whole.set(data);
    const bytes = packetBytes(header, whole);
    const kept = bytes.subarray(0, bytes.length - length + data.length);
    this.#made.push({ time: this.#began + this.#clock, bytes: kept, size: bytes.length });
    const counts = flags.includes("SYN") || flags.includes("FIN") ? 1 : 0;
    from.next = (from.next + length + counts) >>> 0;
  }
}

/** A handshake goes before all else, whatever the clocks of two programs say. */
function rank({ what }: Arrow): number {
  return what === "handshake" ? 0 : 1;
}

/** Of what happened at once, an end comes last. */
function atEnd({ what }: Arrow): number {
  return what === "rst" ? 2 : what === "fin" ? 1 : 0;
}

/** A connection between two addresses of one family. */
const BETWEEN_IPS = /^([\d.]+:\d+ [\d.]+|\[[\da-f:.]+(%\S+)?\]:\d+ \[[\da-f:.]+(%\S+)?\]):\d+$/i;

/** The ends by their lifelines, with the first number of each. */
function sidesOf(conn: string, calls: readonly CallEvent[], index: number): Map<string, Side> {
  const [a, b] = withPeer(lifelinesOf(calls)) as [string, string];
  const named = BETWEEN_IPS.test(conn) ? conn.split(" ") : [];
  // In memory there are no addresses; these are for documentation (RFC 5737).
  const [one = `192.0.2.1:${49_152 + index % 16_384}`, other = "192.0.2.2:7"] = named;
  const own = ownAddr(named, calls, a) ?? (ownAddr(named, calls, b) === one ? other : one);
  const peer = own === one ? other : one;
  const start = (0x1000_0000 + index * 0x0010_0000) >>> 0;
  return new Map([
    [a, { addr: parseAddr(own), next: start }],
    [b, { addr: parseAddr(peer), next: (start + 0x4000_0000) >>> 0 }],
  ]);
}

/** Which of a connection's two addresses is that of `who`, if a call says so. */
function ownAddr(
  addrs: readonly string[],
  calls: readonly CallEvent[],
  who: string,
): string | undefined {
  for (const call of calls) {
    if (call.who !== who) continue;
    if (call.kind === "connect") return addrs.find((addr) => addr === call.local);
    if (call.kind === "accept") return addrs.find((addr) => addr !== call.remote);
  }
  return undefined;
}
