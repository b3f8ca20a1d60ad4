import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Lab } from "../../cmd/scenarios/_lab.ts";
import { segmentIn } from "../../lib/observe/_segment_in.ts";
import { StreamNumbers } from "../../lib/observe/_stream_numbers.ts";
import type { CallEvent, TraceEvent } from "../../lib/observe/events.ts";
import { pcapng, type PcapPacket } from "../../lib/observe/pcapng.ts";
import { flagsText, type Segment } from "../../lib/observe/segment.ts";
import { synthesize } from "../../lib/observe/synthesize.ts";
import { Trace, traced } from "../../lib/observe/trace.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";
import { checksumsHold } from "./_pcapng.ts";
import { anyTrace } from "./_traces.ts";

/** As the kernel would number them. */
function segmentsOf(packets: readonly PcapPacket[]): Segment[] {
  const numbers = new StreamNumbers();
  return packets.map((packet) => {
    assert(packet.bytes.length < (packet.size ?? 0) || checksumsHold(packet.bytes), "a checksum");
    return numbers.relative(segmentIn(packet, 101)!);
  });
}

function told(packets: readonly PcapPacket[]): string[] {
  return segmentsOf(packets).map((segment) => {
    const { from, seq, ack, length } = segment;
    return [from.port, flagsText(segment), seq, ack ?? "", length].join(" ").trim();
  });
}

const client = { who: "client", conn: "127.0.0.1:5 127.0.0.1:6" } as const;
const server = { who: "server", conn: "127.0.0.1:5 127.0.0.1:6" } as const;
const OPENED: CallEvent[] = [
  { ...client, kind: "connect", at: 1, end: 2, remote: "127.0.0.1:5", local: "127.0.0.1:6" },
  { ...server, kind: "accept", at: 2, end: 2, remote: "127.0.0.1:6" },
];

Deno.test("synthesize() makes a handshake, bytes and FINs, each acknowledged", () => {
  const packets = synthesize([
    ...OPENED,
    { ...client, kind: "write", at: 3, end: 3, size: 10, bytes: 10 },
    { ...server, kind: "read", at: 2, end: 3.5, size: 99, bytes: 10 },
    { ...client, kind: "closeWrite", at: 4, end: 4 },
    { ...server, kind: "read", at: 4, end: 4.5, size: 99, bytes: null },
    { ...server, kind: "write", at: 5, end: 5, size: 3, bytes: 3 },
    { ...server, kind: "close", at: 6, end: 6 },
  ], { began: 1000 });
  assertEquals(told(packets), [
    ...["6 SYN 0  0", "5 SYN-ACK 0 1 0", "6 ACK 1 1 0"],
    ...["6 PSH-ACK 1 1 10", "5 ACK 1 11 0", "6 FIN-ACK 11 1 0", "5 ACK 1 12 0"],
    ...["5 PSH-ACK 1 12 3", "6 ACK 12 4 0", "5 FIN-ACK 4 12 0", "6 ACK 12 5 0"],
  ]);
  assertEquals(packets.map(({ time }) => time - 1000), [1, 1.5, 2, 3, 3, 4, 4, 5, 5, 6, 6]);
});

Deno.test("synthesize() knows whose address is whose, seen from either end alone", () => {
  const write = { kind: "write", at: 3, end: 3, size: 2, bytes: 2 } as const;
  assertEquals(told(synthesize([OPENED[0]!, { ...client, ...write }])).slice(3), [
    ...["6 PSH-ACK 1 1 2", "5 ACK 1 3 0"],
  ]);
  assertEquals(told(synthesize([OPENED[1]!, { ...server, ...write }])), [
    ...["5 PSH-ACK 1 1 2", "6 ACK 1 3 0"],
  ]);
  // The lifelines come in the order in which they did something.
  assertEquals(told(synthesize([{ ...server, ...write }, ...OPENED])).slice(3), [
    ...["5 PSH-ACK 1 1 2", "6 ACK 1 3 0"],
  ]);
});

Deno.test("synthesize() lets nothing follow a RST", () => {
  const packets = synthesize([
    ...OPENED,
    { ...server, kind: "reset", at: 3, end: 3 },
    {
      ...{ ...client, kind: "read", at: 2, end: 4, size: 9 },
      error: { name: "ConnectionReset", code: "ECONNRESET", message: "" },
    },
    { ...client, kind: "close", at: 5, end: 5 },
  ]);
  assertEquals(told(packets).slice(3), ["5 RST-ACK 1 1 0"]);
});

Deno.test("synthesize() cuts what no packet holds, and keeps the bytes of all", () => {
  const data = new Uint8Array(200_000).map((_, at) => at * 7);
  const write: CallEvent = { ...client, kind: "write", at: 3, end: 4, size: 2e5, bytes: 2e5 };
  const whole = synthesize([...OPENED, write], { dataOf: () => data });
  assertEquals(streamOf(segmentsOf(whole), 6), data);
  // Of what was not kept there is the length alone.
  const cut = segmentsOf(synthesize([...OPENED, write]));
  assertEquals(cut.reduce((sum, { length }) => sum + length, 0), 200_000);
  assertEquals(streamOf(cut, 6).length, 0);
});

Deno.test("synthesize() speaks IPv6, and of memory with addresses for documentation", () => {
  const conn = "[::1]:5 [fe80::1%eth0]:6";
  const write = (conn?: string): TraceEvent => ({
    ...{ kind: "write", who: "a", at: 0, end: 0, size: 1, bytes: 1 },
    ...conn !== undefined && { conn },
  });
  const ends = (event: TraceEvent) =>
    segmentsOf(synthesize([event])).map(({ from, to }) => [from.hostname, to.hostname])[0];
  assertEquals(ends(write(conn)), ["::1", "fe80::1"]);
  assertEquals(ends(write()), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("synthesize() makes packets with right numbers and checksums, whatever the trace", () => {
  const conns = ["127.0.0.1:5 127.0.0.1:6", "[::1]:5 [::1]:6", "not an address"];
  fc.assert(
    fc.property(anyTrace({ conns }), (events) => {
      const next = new Map<string, number>();
      for (const segment of segmentsOf(synthesize(events))) {
        const { from, to, seq, ack, length, flags } = segment;
        const [a, b] = [`${from.hostname} ${from.port}`, `${to.hostname} ${to.port}`];
        const [way, back] = [`${a} ${b}`, `${b} ${a}`];
        // Each begins where the one before it ended, and acknowledges all that has come.
        assertEquals(seq, next.get(way) ?? seq);
        if (ack !== undefined) assertEquals(ack, next.get(back) ?? ack);
        const counts = flags.includes("SYN") || flags.includes("FIN") ? 1 : 0;
        next.set(way, seq + length + counts);
      }
    }),
    { numRuns: 200 },
  );
});

needs(
  { run: ["tshark"], read: true, write: true },
  "synthesize() makes what tshark takes for a whole conversation",
  async () => {
    const { packets, sent } = await conversation();
    const file = await Deno.makeTempFile({ suffix: ".pcapng" });
    try {
      await Deno.writeFile(file, pcapng([{ name: "made", linkType: 101, packets }]));
      const fields = (await tshark(file, [
        ...["-T", "fields", "-e", "tcp.flags.str", "-e", "tcp.payload", "-e", "tcp.analysis.flags"],
        ...["-e", "tcp.checksum.status", "-e", "ip.checksum.status", "-e", "_ws.malformed"],
      ])).replace(/\n$/, "").split("\n").map((line) => line.split("\t"));
      const flags = fields.map(([flags]) => flags!.replaceAll("·", ""));
      assertEquals(flags.slice(0, 3), ["S", "AS", "A"]);
      assertEquals(flags.filter((flag) => flag.includes("F")).length, 2);
      const hex = fields.map(([, payload]) => payload).join("");
      assertEquals(hex, Array.from(sent, (byte) => byte.toString(16).padStart(2, "0")).join(""));
      // Nothing to complain of: no gap, no retransmission; and 1 is a checksum that is right.
      assertEquals(new Set(fields.map((line) => line.slice(2).join())), new Set([",1,1,"]));
    } finally {
      await Deno.remove(file);
    }
  },
);

async function tshark(file: string, args: string[]): Promise<string> {
  const checking = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
  await using program = startProgram("tshark", ["-r", file, ...checking, ...args]);
  const { code, stdout, stderr } = await program.ended();
  assertEquals(code, 0, stderr);
  return new TextDecoder().decode(stdout);
}

/** One over loopback, on the record. */
async function conversation() {
  const trace = new Trace({ keepBytes: 1 << 20 });
  const lab = new Lab(trace, {
    ...{ signal: new AbortController().signal, show: () => {} },
    fail: (error) => {
      throw error;
    },
  });
  const sent = new Uint8Array(100_000).map((_, at) => at * 31);
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  using client = await lab.dial(server.addr);
  await writeAll(client, sent);
  await client.closeWrite();
  await readToEnd(client);
  await server.idle();
  return { packets: synthesize(trace.events, { dataOf: (call) => trace.dataOf(call) }), sent };
}

Deno.test("Trace.dataOf() keeps what was moved, as much as is wanted, as it was then", async () => {
  const trace = new Trace({ keepBytes: 3 });
  const [a, b] = memoryPair();
  using left = traced(a, "a", trace);
  using right = traced(b, "b", trace);
  const bytes = Uint8Array.of(1, 2, 3, 4, 5);
  const writing = left.write(bytes);
  bytes.fill(9);
  await writing;
  const buffer = new Uint8Array(2);
  await right.read(buffer);
  buffer.fill(9);
  const kept = trace.events.map((event) => trace.dataOf(event as CallEvent));
  assertEquals(kept, [Uint8Array.of(1, 2, 3), kept[1]]);
  assertEquals(kept[1]?.length, 2);
  assertEquals(new Trace().dataOf(trace.events[0] as CallEvent), undefined);
});

function streamOf(segments: readonly Segment[], port: number): Uint8Array {
  const parts = segments.filter(({ from }) => from.port === port).map(({ data }) => data);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
