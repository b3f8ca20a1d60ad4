/** Writes pcap as tcpdump does, from what the packets are to say: the other way round than our code. */

import fc from "fast-check";
import type { PcapPacket } from "../../lib/observe/pcapng.ts";
import type { TcpFlag } from "../../lib/observe/segment.ts";

/** What a packet says. */
export interface PacketModel {
  /** Whole microseconds since the epoch. */
  micros: number;
  from: [host: string, port: number];
  to: [host: string, port: number];
  /** In the order of the bits. */
  flags: TcpFlag[];
  seq: number;
  ack: number;
  window: number;
  /** Words of four bytes after the header. */
  options: number;
  data: Uint8Array;
}

/** How a file is written. */
export interface FileModel {
  /** With its link header: Ethernet, cooked 1 and 2, null, raw. */
  linkType: 1 | 113 | 276 | 0 | 101;
  littleEndian: boolean;
  nanoseconds: boolean;
  /** Bytes kept of each packet. */
  snapLength: number;
}

const LINK_BYTES = { 1: 14, 113: 16, 276: 20, 0: 4, 101: 0 } as const;
const BITS: readonly TcpFlag[] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/** The file, with its header. */
export function pcapFile(
  packets: readonly PacketModel[],
  file: FileModel,
): Uint8Array<ArrayBuffer> {
  const magic = file.nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const numbers = (of: number[]) => uint32s(of, file.littleEndian);
  const head = numbers([magic, 0x00040002, 0, 0, file.snapLength, file.linkType]);
  const records = packets.map((packet) => {
    const bytes = joined([new Uint8Array(LINK_BYTES[file.linkType]), ipPacket(packet)]);
    const kept = bytes.subarray(0, file.snapLength);
    const fraction = packet.micros % 1_000_000 * (file.nanoseconds ? 1000 : 1);
    const seconds = Math.floor(packet.micros / 1_000_000);
    return joined([numbers([seconds, fraction, kept.length, bytes.length]), kept]);
  });
  return joined([head, ...records]);
}

/** A file of packets as they came. */
export function pcapOf(packets: readonly PcapPacket[], linkType: number): Uint8Array<ArrayBuffer> {
  const head = uint32s([0xa1b2c3d4, 0x00040002, 0, 0, 262_144, linkType], true);
  const records = packets.map(({ time, bytes, size = bytes.length }) => {
    const [seconds, micros] = [Math.floor(time / 1000), Math.floor(time % 1000 * 1000)];
    return joined([uint32s([seconds, micros, bytes.length, size], true), bytes]);
  });
  return joined([head, ...records]);
}

/** IPv4 or IPv6, after the addresses. Nobody looks at checksums. */
export function ipPacket({ from, to, ...packet }: PacketModel): Uint8Array<ArrayBuffer> {
  const header = 20 + 4 * packet.options;
  const tcp = joined([
    uint16s([from[1], to[1]]),
    uint32s([packet.seq, packet.ack], false),
    Uint8Array.of(
      header / 4 << 4,
      packet.flags.reduce((all, it) => all | 1 << BITS.indexOf(it), 0),
    ),
    uint16s([packet.window, 0, 0]),
    new Uint8Array(4 * packet.options),
    packet.data,
  ]);
  if (from[0].includes(":")) {
    const fixed = [uint16s([0x6000, 0, tcp.length]), Uint8Array.of(6, 64)];
    return joined([...fixed, groups(from[0]), groups(to[0]), tcp]);
  }
  const fixed = [uint16s([0x4500, 20 + tcp.length, 0, 0x4000]), Uint8Array.of(64, 6, 0, 0)];
  return joined([...fixed, octets(from[0]), octets(to[0]), tcp]);
}

/** Any packet between a few ends of one family, so that streams come about. */
export const anyPacket: fc.Arbitrary<PacketModel> = fc.constantFrom(
  ["127.0.0.1", "10.1.2.3"],
  ["::1", "2001:db8::f:1"],
).chain((hosts) => {
  const end = fc.tuple(fc.constantFrom(...hosts), fc.constantFrom(80, 40_000, 65_535));
  return fc.record({
    micros: fc.integer({ min: 0, max: 1_900_000_000 }).map((it) => it * 1_000_000 + it % 999_983),
    from: end,
    to: end,
    flags: fc.subarray([...BITS]),
    seq: fc.nat(0xffffffff),
    ack: fc.nat(0xffffffff),
    window: fc.nat(65_535),
    options: fc.nat(10),
    data: fc.uint8Array({ maxLength: 30 }),
  });
});

/** Any way to write a file that keeps `least` bytes of each packet. */
export function anyFile(least: number): fc.Arbitrary<FileModel> {
  return fc.record({
    linkType: fc.constantFrom(1, 113, 276, 0, 101),
    littleEndian: fc.boolean(),
    nanoseconds: fc.boolean(),
    snapLength: fc.integer({ min: least, max: 262_144 }),
  });
}

/** All of it in one piece. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function uint32s(of: readonly number[], littleEndian: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * of.length));
  of.forEach((number, at) => view.setUint32(4 * at, number, littleEndian));
  return new Uint8Array(view.buffer);
}

function uint16s(of: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * of.length));
  of.forEach((number, at) => view.setUint16(2 * at, number));
  return new Uint8Array(view.buffer);
}

function octets(host: string): Uint8Array {
  return Uint8Array.from(host.split("."), Number);
}

function groups(host: string): Uint8Array {
  const [before = "", after = ""] = host.split("::");
  const [first, last] = [before, after].map((it) => it.split(":").filter((group) => group !== ""));
  const middle = Array<string>(8 - first!.length - last!.length).fill("0");
  return uint16s([...first!, ...middle, ...last!].map((group) => parseInt(group, 16)));
}
