/** Reads what was written as pcapng, and checks what is in the packets, without our own code. */

import { assert, assertEquals } from "@std/assert";

/** One packet of a file. */
export interface FilePacket {
  interface: number;
  micros: bigint;
  size: number;
  bytes: Uint8Array;
}

/** A file taken apart. */
export interface PcapngFile {
  interfaces: { linkType: number; options: Map<number, string> }[];
  options: Map<number, string>;
  packets: FilePacket[];
}

/** Takes a file apart, and fails where it is not what the draft says. */
export function readPcapng(file: Uint8Array): PcapngFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found: PcapngFile = { interfaces: [], options: new Map(), packets: [] };
  for (let at = 0; at < file.length;) {
    const [type, length] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    assertEquals(length % 4, 0);
    assertEquals(view.getUint32(at + length - 4, true), length);
    const options = (from: number) => readOptions(file.subarray(from, at + length - 4));
    if (at === 0) {
      assertEquals([type, view.getUint32(8, true)], [0x0a0d0d0a, 0x1a2b3c4d]);
      assertEquals([view.getUint16(12, true), view.getUint16(14, true)], [1, 0]);
      found.options = options(24);
    } else if (type === 1) {
      found.interfaces.push({ linkType: view.getUint16(at + 8, true), options: options(at + 16) });
    } else {
      assertEquals(type, 6);
      const [kept, size] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
      found.packets.push({
        interface: view.getUint32(at + 8, true),
        micros: (BigInt(view.getUint32(at + 12, true)) << 32n) +
          BigInt(view.getUint32(at + 16, true)),
        size,
        bytes: file.slice(at + 28, at + 28 + kept),
      });
    }
    at += length;
  }
  return found;
}

function readOptions(bytes: Uint8Array): Map<number, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, string>();
  for (let at = 0; at < bytes.length;) {
    const [code, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (code === 0) {
      assertEquals(at + 4, bytes.length);
      return found;
    }
    found.set(code, new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  throw new Error("the options do not end");
}

/** Whether the checksums of IP and TCP are right: over all that they cover, the sum is all ones. */
export function checksumsHold(packet: Uint8Array): boolean {
  const v6 = packet[0]! >> 4 === 6;
  const header = v6 ? 40 : 20;
  const addrs = packet.subarray(v6 ? 8 : 12, header);
  const segment = packet.subarray(header);
  const pseudo = [...addrs, 0, 6, segment.length >> 8, segment.length & 255];
  const whole = sum([...pseudo, ...segment]);
  return whole === 0xffff && (v6 || sum([...packet.subarray(0, header)]) === 0xffff);
}

function sum(bytes: number[]): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  assert(total >= 0);
  return total;
}
