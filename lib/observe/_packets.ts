/**
 * Packets out of a stream of pcap, as tcpdump writes it, and the TCP segments in them.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { ByteQueue } from "../bytes.ts";
import type { PcapPacket } from "./pcapng.ts";
import { type Segment, TCP_FLAGS } from "./segment.ts";

/** The stream is no pcap, or of a kind that is not known here. */
export class CaptureFormatError extends Error {
  /** Says what is wrong. */
  constructor(message: string) {
    super(message);
    this.name = "CaptureFormatError";
  }
}

/** How a file begins whose fractions of a second are microseconds, and nanoseconds. */
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const MAGIC: readonly number[] = [MICROSECONDS, NANOSECONDS];

const FILE_HEADER = 24;
const PACKET_HEADER = 16;

/** No packet is longer: a snapshot that claims to be is none. */
const LONGEST_PACKET = 1 << 20;

/** Takes the packets out of a pcap stream, however it is cut. */
export class PcapReader {
  /** The kind of link: {@link https://www.tcpdump.org/linktypes.html}; -1 until it is known. */
  linkType = -1;
  readonly #bytes = new ByteQueue();
  #littleEndian = true;
  /** What a unit of a second's fraction is, in milliseconds. */
  #fraction = 1e-3;

  /**
   * Takes bytes as they came, and returns the packets that are whole by now. The bytes are lent:
   * whoever hands them over must not change them later.
   *
   * @throws {CaptureFormatError} If this is no pcap. What comes later is refused as well.
   */
  push(chunk: Uint8Array): PcapPacket[] {
    const bytes = this.#bytes;
    bytes.append(chunk);
    if (this.linkType < 0 && !this.#readFileHeader()) return [];
    const packets: PcapPacket[] = [];
    while (bytes.length >= PACKET_HEADER) {
      const [seconds, fraction, kept, size] = [0, 4, 8, 12].map((at) => this.#uint32(at));
      if (kept! > LONGEST_PACKET) {
        throw new CaptureFormatError(`Cannot read a capture as a packet claims ${kept} bytes`);
      }
      if (bytes.length < PACKET_HEADER + kept!) break;
      packets.push({
        time: seconds! * 1000 + fraction! * this.#fraction,
        bytes: bytes.take(kept!, PACKET_HEADER),
        size: size!,
      });
    }
    return packets;
  }

  #readFileHeader(): boolean {
    if (this.#bytes.length < FILE_HEADER) return false;
    const magic = [true, false].map((littleEndian) => this.#bytes.peekUint(0, 4, littleEndian));
    this.#littleEndian = MAGIC.includes(magic[0]!);
    const seen = this.#littleEndian ? magic[0]! : magic[1]!;
    if (!MAGIC.includes(seen)) {
      throw new CaptureFormatError("Cannot read a capture as it does not begin as pcap does");
    }
    if (seen === NANOSECONDS) this.#fraction = 1e-6;
    this.linkType = this.#uint32(20) & 0xffff;
    this.#bytes.skip(FILE_HEADER);
    return true;
  }

  #uint32(at: number): number {
    return this.#bytes.peekUint(at, 4, this.#littleEndian);
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
export function segmentIn(packet: PcapPacket, linkType: number): RawSegment | undefined {
  const { time, bytes, size: whole = bytes.length } = packet;
  const start = RAW_LINKS.includes(linkType) ? 0 : LINK_HEADERS[linkType];
  if (start === undefined || bytes.length <= start) return undefined;
  const ip = inIp(bytes.subarray(start), whole - start);
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

/** `whole` is how many bytes there were, of which `bytes` were kept. */
function inIp(bytes: Uint8Array, whole: number): Ip | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0]! >> 4 === 4 && bytes.length >= 20) {
    const header = (bytes[0]! & 15) * 4;
    if (header < 20 || header > bytes.length) return undefined;
    // Of a fragment that is not the first the TCP header is elsewhere; loopback makes none.
    if (bytes[9] !== TCP || (view.getUint16(6) & 0x1fff) !== 0) return undefined;
    // A large packet that is cut only later has no length of its own in the header (0).
    const total = view.getUint16(2) || whole;
    const [source, destination] = [12, 16].map((at) => bytes.subarray(at, at + 4).join("."));
    return ip(source!, destination!, bytes, header, total - header);
  }
  if (bytes[0]! >> 4 === 6 && bytes.length >= 40) {
    // Extension headers between IPv6 and TCP are not looked through: Linux sends none.
    if (bytes[6] !== TCP) return undefined;
    const [source, destination] = [8, 24].map((at) => ipv6(bytes.subarray(at, at + 16)));
    return ip(source!, destination!, bytes, 40, view.getUint16(4) || whole - 40);
  }
  return undefined;
}

function ip(source: string, destination: string, bytes: Uint8Array, header: number, size: number) {
  return { source, destination, payload: bytes.subarray(header, header + size), size };
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
    if (flags.includes("SYN")) {
      // The ports come again: what was known of the other way is of another connection.
      const again = this.#starts.has(forth) && this.#starts.get(forth) !== segment.seq;
      if (again && !flags.includes("ACK")) this.#starts.delete(back);
      this.#starts.set(forth, segment.seq);
    } else if (!this.#starts.has(forth)) this.#starts.set(forth, segment.seq - 1);
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
