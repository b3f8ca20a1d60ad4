/** An IP packet with a TCP segment in it, byte for byte, with its checksums. */

import type { TcpAddr } from "../addr.ts";
import { TCP_FLAGS, type TcpFlag } from "./segment.ts";

/** What stands in a TCP header. */
export interface TcpHeader {
  /** Who sends it. */
  readonly from: TcpAddr;
  /** To whom. */
  readonly to: TcpAddr;
  /** Its flags. */
  readonly flags: readonly TcpFlag[];
  /** Its number, of 32 bits. */
  readonly seq: number;
  /** The number that it acknowledges, of 32 bits; 0 without ACK. */
  readonly ack: number;
  /** The window, not scaled. */
  readonly window: number;
}

const TCP = 6;
const HOPS = 64;

/** The packet; both ends must be of one family, IPv4 or IPv6. */
export function packetBytes(header: TcpHeader, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const [source, destination] = [header.from, header.to].map(({ hostname }) => addrBytes(hostname));
  const segment = tcpBytes(header, data);
  const v6 = source!.length === 16;
  const ip = new Uint8Array((v6 ? 40 : 20) + segment.length);
  const view = new DataView(ip.buffer);
  if (v6) {
    ip.set([0x60]);
    view.setUint16(4, segment.length);
    ip.set([TCP, HOPS], 6);
    ip.set(source!, 8);
    ip.set(destination!, 24);
  } else {
    ip.set([0x45]);
    view.setUint16(2, ip.length);
    view.setUint16(6, 0x4000); // not to be fragmented
    ip.set([HOPS, TCP], 8);
    ip.set(source!, 12);
    ip.set(destination!, 16);
    view.setUint16(10, checksum(ip.subarray(0, 20)));
  }
  const start = ip.length - segment.length;
  ip.set(segment, start);
  const pseudo = Uint8Array.of(...source!, ...destination!, 0, TCP, ...bigEndian(segment.length));
  view.setUint16(start + 16, checksum(pseudo, segment));
  return ip;
}

function tcpBytes({ from, to, flags, seq, ack, window }: TcpHeader, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(20 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, from.port);
  view.setUint16(2, to.port);
  view.setUint32(4, seq);
  view.setUint32(8, ack);
  bytes[12] = 5 << 4; // words of 32 bits in this header
  bytes[13] = flags.reduce((bits, flag) => bits | (1 << TCP_FLAGS.indexOf(flag)), 0);
  view.setUint16(14, window);
  bytes.set(data, 20);
  return bytes;
}

/** RFC 1071: the ones' complement of the sum of 16-bit words. Only the last part may be odd. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += part[at]! * 256 + (part[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function bigEndian(length: number): [number, number] {
  return [length >> 8, length & 255];
}

function addrBytes(hostname: string): Uint8Array {
  if (!hostname.includes(":")) return Uint8Array.from(hostname.split("."), Number);
  // The URL standard writes an address that may be short at full length but for one gap.
  const plain = new URL(`http://[${hostname.replace(/%.*/, "")}]`).hostname.slice(1, -1);
  const [head = "", tail] = plain.split("::");
  const groups = (text = "") => text === "" ? [] : text.split(":").map((it) => parseInt(it, 16));
  const [before, after] = [groups(head), groups(tail)];
  const all = [...before, ...Array(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}
