/** What we read in packets, beside what tshark reads in the same. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { dial } from "../../lib/client/dial.ts";
import { PcapReader } from "../../lib/observe/_pcap_reader.ts";
import { type RawSegment, segmentIn } from "../../lib/observe/_segment_in.ts";
import { type Segment, TCP_FLAGS } from "../../lib/observe/segment.ts";
import { capture } from "../../lib/observe/wire.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { needs } from "../_needs.ts";
import { anyPacket, pcapFile, pcapOf } from "./_pcap.ts";

const FIELDS = [
  "tcp.srcport",
  "tcp.dstport",
  "tcp.flags",
  "tcp.seq",
  "tcp.ack",
  "tcp.len",
  "tcp.window_size_value",
];

/** These fields of every packet, as tshark has them. */
async function tshark(file: Uint8Array<ArrayBuffer>, relative: boolean): Promise<number[][]> {
  const path = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await Deno.writeFile(path, file);
    const { success, stdout, stderr } = await new Deno.Command("tshark", {
      args: ["-r", path, "-n", "-o", `tcp.relative_sequence_numbers:${relative}`]
        .concat("-T", "fields", ...FIELDS.flatMap((field) => ["-e", field])),
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const lines = new TextDecoder().decode(stdout).trimEnd().split("\n");
    return lines.map((line) => line.split("\t").map(Number));
  } finally {
    await Deno.remove(path);
  }
}

/** The same fields, as we have them; tshark knows no segment without an acknowledgement. */
function fieldsOf({ from, to, flags, seq, ack = 0, length, window }: RawSegment | Segment) {
  const bits = flags.reduce((all, flag) => all | 1 << TCP_FLAGS.indexOf(flag), 0);
  return [from.port, to.port, bits, seq, ack, length, window];
}

const FILES = { run: ["tshark"], read: true, write: true };

needs(FILES, "segmentIn() reads in a packet what tshark does, whatever the packet", async () => {
  const packets = fc.sample(anyPacket, { numRuns: 300, seed: 42 });
  const file = pcapFile(packets, {
    linkType: 101,
    littleEndian: true,
    nanoseconds: true,
    snapLength: 65_535,
  });
  const reader = new PcapReader();
  const ours = reader.push(file).map((packet) => fieldsOf(segmentIn(packet, reader.linkType)!));
  assertEquals(ours, await tshark(file, false));
});

needs(
  { ...FILES, run: ["tcpdump", "tshark"] },
  "capture() counts sequence numbers of a real connection as tshark does",
  async () => {
    await using server = serveTcp({}, echo);
    const wire = await capture({
      ports: [server.addr.port],
      keepPackets: true,
      snapLength: 65_535,
    });
    if (!wire.available) throw new Error(`No capture: ${wire.why}`);
    await using _ = wire;
    {
      using client = await dial(server.addr);
      await writeAll(client, new TextEncoder().encode(`${"a".repeat(3000)}\n`.repeat(20)));
      await client.closeWrite();
      await readToEnd(client);
    }
    // A busy kernel may send a FIN again.
    const finished = (segments: readonly Segment[]) => {
      const fins = segments.filter(({ flags }) => flags.includes("FIN"));
      return new Set(fins.map(({ from }) => from.port)).size === 2 &&
        segments.at(-1) !== fins.at(-1);
    };
    assert(await wire.until(finished, { timeout: 60_000 }));
    const theirs = await tshark(pcapOf(wire.packets, wire.linkType), true);
    assertEquals(wire.segments.slice(0, theirs.length).map(fieldsOf), theirs);
    assert(theirs.length > 10);
  },
);
