import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { tcpAddr } from "../../lib/addr.ts";
import { packetBytes } from "../../lib/observe/_packet_bytes.ts";
import { CaptureFormatError, PcapReader } from "../../lib/observe/_pcap_reader.ts";
import { type RawSegment, segmentIn } from "../../lib/observe/_segment_in.ts";
import { StreamNumbers } from "../../lib/observe/_stream_numbers.ts";
import type { PcapPacket } from "../../lib/observe/pcapng.ts";
import type { Segment, TcpFlag } from "../../lib/observe/segment.ts";
import { anyFile, anyPacket, ipPacket, joined, type PacketModel, pcapFile } from "./_pcap.ts";

/** Link header, IP header without options, TCP header with all options. */
const ALL_HEADERS = 20 + 40 + 60;

const PLAIN = { linkType: 101, littleEndian: true, nanoseconds: true, snapLength: 512 } as const;

/** What is in a file, handed over in pieces that end at `cuts`. */
function read(file: Uint8Array, cuts: readonly number[] = []): Segment[] {
  const reader = new PcapReader();
  const numbers = new StreamNumbers();
  const ends = [...cuts.map((cut) => cut % (file.length + 1)).sort((a, b) => a - b), file.length];
  return ends.flatMap((end, at) => reader.push(file.subarray(ends[at - 1] ?? 0, end)))
    .map((packet) => segmentIn(packet, reader.linkType))
    .filter((segment) => segment !== undefined)
    .map((segment) => numbers.relative(segment));
}

const aPacket: PacketModel = {
  micros: 1_700_000_000_123_456,
  from: ["127.0.0.1", 40_000],
  to: ["127.0.0.1", 80],
  flags: ["PSH", "ACK"],
  seq: 7,
  ack: 9,
  window: 512,
  options: 3,
  data: new TextEncoder().encode("hello"),
};

const packet = (bytes: Uint8Array, size = bytes.length): PcapPacket => ({ time: 0, bytes, size });

Deno.test("PcapReader and segmentIn() read what a capture says, whatever its byte order and link", () => {
  fc.assert(fc.property(fc.array(anyPacket), anyFile(ALL_HEADERS), (packets, file) => {
    const reader = new PcapReader();
    const found = reader.push(pcapFile(packets, file)).map((it) => segmentIn(it, reader.linkType));
    assertEquals(reader.linkType, file.linkType);
    const link = { 1: 14, 113: 16, 276: 20, 0: 4, 101: 0 }[file.linkType];
    assertEquals(
      found,
      packets.map(({ micros, from, to, flags, seq, ack, window, options, data }) => {
        const headers = link + (from[0].includes(":") ? 40 : 20) + 20 + 4 * options;
        const second = Math.floor(micros / 1_000_000) * 1000;
        return {
          time: file.nanoseconds
            ? second + micros % 1_000_000 * 1000 * 1e-6
            : second + micros % 1_000_000 * 1e-3,
          from: { transport: "tcp" as const, hostname: from[0], port: from[1] },
          to: { transport: "tcp" as const, hostname: to[0], port: to[1] },
          flags,
          seq,
          ack,
          window,
          length: data.length,
          data: data.slice(0, Math.max(0, file.snapLength - headers)),
        };
      }),
    );
  }));
});

Deno.test("PcapReader gives the same segments however a capture is cut", () => {
  const cuts = fc.array(fc.nat(2000), { maxLength: 40 });
  fc.assert(fc.property(fc.array(anyPacket), anyFile(1), cuts, (packets, file, cuts) => {
    const bytes = pcapFile(packets, file);
    assertEquals(read(bytes, cuts), read(bytes));
  }));
});

Deno.test("PcapReader takes a capture byte by byte", () => {
  const bytes = pcapFile([aPacket, { ...aPacket, seq: 12 }], PLAIN);
  const everywhere = Array.from(bytes, (_, at) => at);
  assertEquals(read(bytes, everywhere).map(({ seq }) => seq), [1, 6]);
});

Deno.test("PcapReader: of a capture that ends anywhere, every packet that is whole comes out", () => {
  const bytes = pcapFile([aPacket, aPacket, aPacket], PLAIN);
  const each = (bytes.length - 24) / 3;
  for (let end = 0; end <= bytes.length; end++) {
    const whole = Math.max(0, Math.floor((end - 24) / each));
    assertEquals(read(bytes.subarray(0, end)).length, whole, `${end} bytes`);
  }
});

Deno.test("PcapReader throws nothing but CaptureFormatError, whatever the bytes", () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 });
  const begun = fc.boolean();
  fc.assert(
    fc.property(chunks, begun, anyFile(1), (chunks, begun, file) => {
      const reader = new PcapReader();
      if (begun) reader.push(pcapFile([], file));
      let refused = false;
      for (const chunk of chunks) {
        try {
          const packets = reader.push(chunk);
          assert(!refused || chunk.length === 0, "it went on after it had refused");
          for (const packet of packets) segmentIn(packet, reader.linkType);
        } catch (error) {
          if (!(error instanceof CaptureFormatError)) throw error;
          refused = true;
        }
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("PcapReader says what is wrong with a capture", () => {
  const refuses = (bytes: Uint8Array, why: RegExp) => {
    const error = assertThrows(() => new PcapReader().push(bytes), CaptureFormatError);
    assert(why.test(error.message), error.message);
  };
  refuses(new TextEncoder().encode("tcpdump: no suitable device found"), /does not begin as pcap/);
  const bytes = pcapFile([aPacket], PLAIN);
  new DataView(bytes.buffer).setUint32(24 + 8, 0xffffffff, true);
  refuses(bytes, /a packet claims 4294967295 bytes/);
});

Deno.test("segmentIn() throws at nothing, whatever the packet and however little was kept", () => {
  const links = fc.constantFrom(0, 1, 12, 101, 108, 113, 228, 229, 276, -1, 147);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), links, fc.nat(70_000), (it, link, size) => {
      segmentIn(packet(it, size), link);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(anyPacket, fc.nat(140), fc.nat(255), fc.nat(139), (it, kept, byte, at) => {
      // Nearly right, so that it comes far.
      const bytes = ipPacket(it).slice(0, kept);
      bytes[at] = byte;
      const found = segmentIn(packet(bytes), 101);
      assert(found === undefined || found.length >= 0 && found.data.length <= found.length);
    }),
    { numRuns: 500 },
  );
});

Deno.test("segmentIn() finds nothing where there is no TCP header", () => {
  const good = ipPacket(aPacket);
  assert(segmentIn(packet(good), 101));
  const spoilt = (change: (bytes: Uint8Array<ArrayBuffer>) => void) => {
    const bytes = good.slice();
    change(bytes);
    return segmentIn(packet(bytes), 101);
  };
  assertEquals(spoilt((it) => it[9] = 17), undefined, "UDP");
  assertEquals(spoilt((it) => it[7] = 1), undefined, "a later fragment");
  assertEquals(spoilt((it) => it[0] = 0x44), undefined, "an IP header of 16 bytes");
  assertEquals(spoilt((it) => it[0] = 0x40), undefined, "an IP header of none");
  assertEquals(spoilt((it) => it[0] = 0x4f), undefined, "an IP header longer than the packet");
  assertEquals(spoilt((it) => it[0] = 0x55), undefined, "IP 5");
  assertEquals(spoilt((it) => it[3] = 19), undefined, "a packet shorter than its header");
  assertEquals(spoilt((it) => it[32] = 0x40), undefined, "a TCP header of 16 bytes");
  assertEquals(spoilt((it) => it[32] = 0xf0), undefined, "a TCP header longer than the packet");
  assertEquals(segmentIn(packet(good.subarray(0, 39)), 101), undefined, "not all of it was kept");
  assertEquals(segmentIn(packet(good), 147), undefined, "an unknown link");
  const six = ipPacket({ ...aPacket, from: ["::1", 1], to: ["::1", 2] });
  six[6] = 0;
  assertEquals(segmentIn(packet(six), 101), undefined, "an extension header");
});

Deno.test("segmentIn() counts data that was not kept, also of packets without a length", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    const data = new Uint8Array(60_000).fill(7);
    const bytes = ipPacket({ ...aPacket, from: [host, 1], to: [host, 2], data });
    const [at, headers] = host === "::1" ? [4, 40 + 32] : [2, 20 + 32];
    for (const withLength of [true, false]) {
      if (!withLength) new DataView(bytes.buffer).setUint16(at, 0);
      const found = segmentIn(packet(bytes.subarray(0, 512), bytes.length), 101)!;
      assertEquals(
        [found.length, found.data.length],
        [60_000, 512 - headers],
        `${host} ${withLength}`,
      );
    }
  }
});

Deno.test("segmentIn() takes no padding of the link for data", () => {
  const bytes = joined([
    new Uint8Array(14),
    ipPacket({ ...aPacket, data: new Uint8Array(0) }),
    new Uint8Array(6),
  ]);
  const found = segmentIn(packet(bytes), 1)!;
  assertEquals([found.length, found.data.length], [0, 0]);
});

const A: PacketModel["from"] = ["127.0.0.1", 40_000];
const B: PacketModel["from"] = ["127.0.0.1", 80];

/** A segment from A to B, or back. */
function raw(from: "A" | "B", flags: TcpFlag[], seq: number, ack = 0): RawSegment {
  const [source, target] = from === "A" ? [A, B] : [B, A];
  const bytes = ipPacket({
    ...aPacket,
    from: source,
    to: target,
    flags,
    seq: seq >>> 0,
    ack: ack >>> 0,
  });
  return segmentIn(packet(bytes), 101)!;
}

/** `seq` and `ack` of each, as counted. */
function counted(...segments: RawSegment[]): (number | undefined)[][] {
  const numbers = new StreamNumbers();
  return segments.map((it) => numbers.relative(it)).map(({ seq, ack }) => [seq, ack]);
}

Deno.test("StreamNumbers counts from SYN, over the end of the 32 bits too", () => {
  for (const isn of [0, 1, 1000, 0xfffffffe, 0xffffffff]) {
    assertEquals(
      counted(
        raw("A", ["SYN"], isn),
        raw("B", ["SYN", "ACK"], isn + 5, isn + 1),
        raw("A", ["ACK"], isn + 1, isn + 6),
        raw("B", ["PSH", "ACK"], isn + 6, isn + 1),
        raw("A", ["FIN", "ACK"], isn + 1, isn + 11),
      ),
      [[0, undefined], [0, 1], [1, 1], [1, 1], [1, 6]],
      `from ${isn}`,
    );
  }
});

Deno.test("StreamNumbers: without a SYN the first segment counts as 1, and what it acknowledges too", () => {
  assertEquals(
    counted(raw("A", ["ACK"], 500, 900), raw("B", ["ACK"], 900, 505), raw("A", ["ACK"], 505, 903)),
    [[1, 1], [1, 6], [6, 4]],
  );
  assertEquals(counted(raw("A", ["RST"], 0)), [[1, undefined]]);
});

Deno.test("StreamNumbers: a SYN that is sent again is the same one; another begins anew, both ways", () => {
  const first = [raw("A", ["SYN"], 10), raw("B", ["SYN", "ACK"], 70, 11)];
  assertEquals(counted(...first, raw("A", ["SYN"], 10), raw("B", ["ACK"], 75, 11)), [
    [0, undefined],
    [0, 1],
    [0, undefined],
    [5, 1],
  ]);
  // This time the port is closed, and the RST that says so has no SYN.
  assertEquals(counted(...first, raw("A", ["SYN"], 5000), raw("B", ["RST", "ACK"], 0, 5001)), [
    [0, undefined],
    [0, 1],
    [0, undefined],
    [1, 1],
  ]);
});

Deno.test("StreamNumbers: when both ends dial at once, both count from their own SYN", () => {
  assertEquals(
    counted(
      raw("A", ["SYN"], 10),
      raw("B", ["SYN"], 70),
      raw("A", ["SYN", "ACK"], 10, 71),
      raw("B", ["SYN", "ACK"], 70, 11),
      raw("B", ["ACK"], 71, 11),
    ),
    [[0, undefined], [0, undefined], [0, 1], [0, 1], [1, 1]],
  );
});

Deno.test("the checksum of TCP does not notice two words that have changed places", () => {
  const [from, to] = [tcpAddr("127.0.0.1", 5), tcpAddr("127.0.0.1", 6)];
  const header = { from, to, flags: ["PSH", "ACK"], seq: 1, ack: 1, window: 9 } as const;
  const sent = (words: string) => packetBytes(header, new TextEncoder().encode(words));
  const checksum = (words: string) => new DataView(sent(words).buffer).getUint16(20 + 16);
  assertEquals(checksum("10 to Al, 99 to Bo"), checksum("99 to Al, 10 to Bo"));
  // What it is for: most of what is damaged.
  assertNotEquals(checksum("10 to Al, 99 to Bo"), checksum("11 to Al, 99 to Bo"));
});
