/** Packets out of a stream of pcap, as tcpdump writes it. */

import { ByteQueue } from "../bytes.ts";
import type { PcapPacket } from "./pcapng.ts";

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
