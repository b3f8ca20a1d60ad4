/**
 * Packets out of a stream of pcap, as tcpdump writes it, and the TCP segments in them.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { type Segment, TCP_FLAGS } from "./segment.ts";

/** One packet, with the link layer around it. */
export interface Packet {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Its bytes, as far as they were kept. */
  readonly bytes: Uint8Array;
  /** How many bytes it had. */
  readonly size?: number;
}

/** The stream is no pcap, or of a kind that is not known here. */
export class CaptureFormatError extends Error {
  /** Says what is wrong. */
  constructor(message: string) {
    super(message);
    this.name = "CaptureFormatError";
  }
}

const FILE_HEADER = 24;
const PACKET_HEADER = 16;

/** No packet is longer: a snapshot that claims to be is none. */
const LONGEST_PACKET = 1 << 20;

/** Takes the packets out of a pcap stream, however it is cut. */
export class PcapReader {
  /** The kind of link: {@link https://www.tcpdump.org/linktypes.html}. */
  linkType = -1;
  #bytes = new Uint8Array(0);
  #littleEndian = true;
  /** What a unit of a second's fraction is, in milliseconds. */
  #fraction = 1e-3;

  /**
   * Takes bytes as they came, and returns the packets that are whole by now.
   *
   * @throws {CaptureFormatError} If this is no pcap.
   */
  push(chunk: Uint8Array): Packet[] {
    const bytes = new Uint8Array(this.#bytes.length + chunk.length);
    bytes.set(this.#bytes);
    bytes.set(chunk, this.#bytes.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    if (this.linkType < 0) {
      if (bytes.length < FILE_HEADER) {
        this.#bytes = bytes;
        return [];
      }
      this.#readFileHeader(view);
      at = FILE_HEADER;
    }
    const packets: Packet[] = [];
    while (bytes.length - at >= PACKET_HEADER) {
      const kept = view.getUint32(at + 8, this.#littleEndian);
      if (kept > LONGEST_PACKET) {
        throw new CaptureFormatError(`Cannot read a capture as a packet claims ${kept} bytes`);
      }
      const end = at + PACKET_HEADER + kept;
      if (end > bytes.length) break;
      const seconds = view.getUint32(at, this.#littleEndian);
      const fraction = view.getUint32(at + 4, this.#littleEndian);
      packets.push({
        time: seconds * 1000 + fraction * this.#fraction,
        bytes: bytes.subarray(at + PACKET_HEADER, end),
        size: view.getUint32(at + 12, this.#littleEndian),
      });
      at = end;
    }
    this.#bytes = bytes.slice(at);
    return packets;
  }

  #readFileHeader(view: DataView): void {
    const magic = view.getUint32(0, true);
    const swapped = view.getUint32(0, false);
    this.#littleEndian = magic === 0xa1b2c3d4 || magic === 0xa1b23c4d;
    const seen = this.#littleEndian ? magic : swapped;
    if (seen !== 0xa1b2c3d4 && seen !== 0xa1b23c4d) {
      throw new CaptureFormatError("Cannot read a capture as it does not begin as pcap does");
    }
    if (seen === 0xa1b23c4d) this.#fraction = 1e-6;
    this.linkType = view.getUint32(20, this.#littleEndian) & 0xffff;
  }
}

/** Where a packet's IP header begins, by kind of link: Ethernet, cooked 1 and 2, null, raw. */
const LINK_HEADERS: Readonly<Record<number, number>> = { 1: 14, 113: 16, 276: 20, 0: 4, 108: 4 };
const RAW_LINKS = [12, 101, 228, 229];

/** What a segment says before sequence numbers are counted from the start of its stream. */
export interface RawSegment extends Omit<Segment, "seq" | "ack"> {
  /** As the header has it: 32 bits. */
  readonly seq: number;
  /** As the header has it; 0 without ACK. */
  readonly ack: number;
}

/** The TCP segment in a packet; nothing if there is none, or not enough of it was kept. */
export function segmentIn({ time, bytes }: Packet, linkType: number): RawSegment | undefined {
  const start = RAW_LINKS.includes(linkType) ? 0 : LINK_HEADERS[linkType];
  if (start === undefined || bytes.length <= start) return undefined;
  const ip = inIp(bytes.subarray(start));
  if (ip === undefined || ip.payload.length < 20) return undefined;
  const { source, destination, payload, size } = ip;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const header = (payload[12]! >> 4) * 4;
  if (header < 20 || header > size) return undefined;
  const bits = payload[13]!;
  return {
    time,
    from: tcpAddr(source, view.getUint16(0)),
    to: tcpAddr(destination, view.getUint16(2)),
    flags: TCP_FLAGS.filter((_, at) => (bits >> at) & 1),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    length: size - header,
    window: view.getUint16(14),
    data: payload.slice(header, size),
  };
}

interface Ip {
  readonly source: string;
  readonly destination: string;
  /** What was kept of the TCP segment. */
  readonly payload: Uint8Array;
  /** How many bytes it had. */
  readonly size: number;
}

const TCP = 6;

function inIp(bytes: Uint8Array): Ip | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0]! >> 4 === 4 && bytes.length >= 20) {
    const header = (bytes[0]! & 15) * 4;
    // Of a fragment that is not the first the TCP header is elsewhere; loopback makes none.
    if (bytes[9] !== TCP || (view.getUint16(6) & 0x1fff) !== 0) return undefined;
    const total = view.getUint16(2);
    const [source, destination] = [12, 16].map((at) => bytes.subarray(at, at + 4).join("."));
    return ip(source!, destination!, bytes, header, total - header);
  }
  if (bytes[0]! >> 4 === 6 && bytes.length >= 40) {
    // Extension headers between IPv6 and TCP are not looked through: Linux sends none.
    if (bytes[6] !== TCP) return undefined;
    const [source, destination] = [8, 24].map((at) => ipv6(bytes.subarray(at, at + 16)));
    return ip(source!, destination!, bytes, 40, view.getUint16(4));
  }
  return undefined;
}

function ip(source: string, destination: string, bytes: Uint8Array, header: number, size: number) {
  // A large segment that is cut only later has no length of its own in the header (0).
  const whole = size <= 0 ? bytes.length - header : size;
  if (header > bytes.length) return undefined;
  return { source, destination, payload: bytes.subarray(header, header + whole), size: whole };
}

/** As the URL standard writes it, which is what RFC 5952 asks for. */
function ipv6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** Counts sequence numbers from the start of each stream. */
export class Streams {
  readonly #starts = new Map<string, number>();

  /** The same segment with its numbers counted from the SYN of their own direction. */
  relative(segment: RawSegment): Segment {
    const { from, to, flags } = segment;
    const [forth, back] = [way(from, to), way(to, from)];
    const syn = flags.includes("SYN");
    if (syn || !this.#starts.has(forth)) {
      this.#starts.set(forth, syn ? segment.seq : segment.seq - 1);
    }
    const seq = (segment.seq - this.#starts.get(forth)!) >>> 0;
    const { ack, ...rest } = segment;
    if (!flags.includes("ACK")) return { ...rest, seq };
    if (!this.#starts.has(back)) this.#starts.set(back, ack - 1);
    return { ...rest, seq, ack: (ack - this.#starts.get(back)!) >>> 0 };
  }
}

function way(from: TcpAddr, to: TcpAddr): string {
  return `${from.hostname} ${from.port} ${to.hostname} ${to.port}`;
}
