import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { pcapng, type PcapPacket } from "../../lib/observe/pcapng.ts";
import { readPcapng } from "./_pcapng.ts";

Deno.test("pcapng() writes packets by time, whichever interface they are of", () => {
  const packet = (time: number, ...bytes: number[]) => ({ time, bytes: Uint8Array.from(bytes) });
  const file = readPcapng(pcapng([
    { name: "lo", linkType: 1, packets: [packet(3, 1), packet(1, 2, 2)] },
    { name: "none", linkType: 101, description: "made up", packets: [packet(2, 3, 3, 3)] },
  ], { comment: "why" }));
  assertEquals(file.options, new Map([[4, "tcplab"], [1, "why"]]));
  assertEquals(file.interfaces, [
    { linkType: 1, options: new Map([[2, "lo"], [9, "\x06"]]) },
    { linkType: 101, options: new Map([[2, "none"], [3, "made up"], [9, "\x06"]]) },
  ]);
  assertEquals(file.packets.map(({ interface: at, micros, bytes }) => [at, micros, [...bytes]]), [
    [0, 1000n, [2, 2]],
    [1, 2000n, [3, 3, 3]],
    [0, 3000n, [1]],
  ]);
});

Deno.test("pcapng() says how long a packet was of which less was kept", () => {
  const packets = [{ time: 0, bytes: new Uint8Array(5), size: 1500 }];
  const [packet] = readPcapng(pcapng([{ name: "lo", linkType: 1, packets }])).packets;
  assertEquals([packet?.bytes.length, packet?.size], [5, 1500]);
});

Deno.test("pcapng() writes a file that reads back, whatever is in it", () => {
  const packets = fc.array(fc.record({
    time: fc.integer({ min: 0, max: 4e12 }),
    bytes: fc.uint8Array({ maxLength: 100 }),
  }));
  fc.assert(fc.property(packets, fc.string({ unit: "grapheme" }), (packets: PcapPacket[], name) => {
    const file = readPcapng(pcapng([{ name, linkType: 1, packets }], { comment: name }));
    const sorted = packets.toSorted((a, b) => a.time - b.time);
    assertEquals(
      file.packets.map(({ micros, bytes }) => [micros, bytes]),
      sorted.map(({ time, bytes }) => [BigInt(time) * 1000n, bytes]),
    );
    assertEquals(file.interfaces[0]?.options.get(2), name);
  }));
});
