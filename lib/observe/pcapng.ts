/**
 * Files that Wireshark, tshark and tcpdump open: packets as pcapng.
 *
 * The format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-05.html. Times have
 * microseconds.
 *
 * @module
 */

/** A packet with the link layer around it, as it was captured or made. */
export interface PcapPacket {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Its bytes, as far as they were kept. */
  readonly bytes: Uint8Array;
  /**
   * How many bytes it had on the wire.
   *
   * @default `bytes.length`
   */
  readonly size?: number;
}

/** Packets of one interface. */
export interface PcapInterface {
  /** Its name, as Wireshark shows it. */
  readonly name: string;
  /** The kind of link: {@link https://www.tcpdump.org/linktypes.html}; 101 is none, just IP. */
  readonly linkType: number;
  /** Where its packets come from, for whoever opens the file. */
  readonly description?: string;
  /** The packets, in any order. */
  readonly packets: readonly PcapPacket[];
}

const SECTION = 0x0a0d0d0a;
const INTERFACE = 1;
const PACKET = 6;

const OPTION = { end: 0, comment: 1, application: 4, name: 2, description: 3, resolution: 9 };

/** The file as bytes: the packets of all interfaces, by time. */
export function pcapng(
  interfaces: readonly PcapInterface[],
  options: { comment?: string } = {},
): Uint8Array<ArrayBuffer> {
  const { comment = "" } = options;
  const blocks = [section(comment), ...interfaces.map(interfaceBlock)];
  const packets = interfaces.flatMap((from, at) =>
    from.packets.map((packet) => ({ at, micros: Math.round(packet.time * 1000), ...packet }))
  ).sort((a, b) => a.micros - b.micros);
  for (const packet of packets) blocks.push(packetBlock(packet));
  return joined(blocks);
}

function section(comment: string): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, 0x1a2b3c4d, true); // the byte order
  view.setUint16(4, 1, true); // version 1.0
  view.setBigInt64(8, -1n, true); // as long as it is
  const told = [
    text(OPTION.application, "tcplab"),
    ...comment ? [text(OPTION.comment, comment)] : [],
  ];
  return block(SECTION, body, ...told, option(OPTION.end, new Uint8Array(0)));
}

function interfaceBlock({ linkType, name, description = "" }: PcapInterface): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setUint16(0, linkType, true);
  const told = [
    text(OPTION.name, name),
    ...description ? [text(OPTION.description, description)] : [],
  ];
  const micros = option(OPTION.resolution, Uint8Array.of(6));
  return block(INTERFACE, body, ...told, micros, option(OPTION.end, new Uint8Array(0)));
}

function packetBlock(
  { at, micros, bytes, size = bytes.length }: PcapPacket & { at: number; micros: number },
): Uint8Array {
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setUint32(0, at, true);
  view.setUint32(4, Math.floor(micros / 2 ** 32), true);
  view.setUint32(8, micros >>> 0, true);
  view.setUint32(12, bytes.length, true);
  view.setUint32(16, size, true);
  return block(PACKET, head, padded(bytes));
}

/** A block says its length before and behind what is in it. */
function block(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joined(parts);
  const length = body.length + 12;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  view.setUint32(length - 4, length, true);
  return bytes;
}

function text(code: number, words: string): Uint8Array {
  // An option's length has 16 bits.
  return option(code, new TextEncoder().encode(words).subarray(0, 0xffff));
}

function option(code: number, value: Uint8Array): Uint8Array {
  const head = new Uint8Array(4);
  const view = new DataView(head.buffer);
  view.setUint16(0, code, true);
  view.setUint16(2, value.length, true);
  return joined([head, padded(value)]);
}

/** Everything in a block begins at a multiple of 32 bits. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
