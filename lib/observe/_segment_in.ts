/** The TCP segment in a packet, as its header has it. */

import { tcpAddr } from "../addr.ts";
import type { PcapPacket } from "./pcapng.ts";
import { type Segment, TCP_FLAGS } from "./segment.ts";

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
