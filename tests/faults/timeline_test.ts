/** Scripts: what is read, what is refused and where, and what they do. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { hastyWorld, memoryLink, parseTimeline, TimelineError } from "../../lib/faults/mod.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/mod.ts";
import { pattern } from "./_stream.ts";

const SCRIPT = `# a comment
connections 1-2: refuse
connection 3 down: at 64KiB stall for 200 ms, then fin

connections 4-, 9 up: after 1s latency=100, jitter=20 for 5s, then at 1.5MB rst # and more
link both: after 1 min bandwidth=50,toxicity=0.5 for 30s then after 1s slicer=10,delay=5
`;

Deno.test("parseTimeline() reads connections, directions, conditions, faults and ends", () => {
  const { lines, text } = parseTimeline(SCRIPT);
  assertEquals(text, SCRIPT);
  const now = { kind: "now" };
  assertEquals(lines as unknown, [
    { line: 2, connections: [[1, 2]], directions: [], steps: "refuse" },
    {
      line: 3,
      connections: [[3, 3]],
      directions: ["down"],
      steps: [
        {
          start: { kind: "bytes", bytes: 65536 },
          what: [{ type: "stall", attributes: {}, toxicity: 1 }],
          ms: 200,
        },
        { start: now, what: "fin", ms: Infinity },
      ],
    },
    {
      line: 5,
      connections: [[4, Infinity], [9, 9]],
      directions: ["up"],
      steps: [
        {
          start: { kind: "time", ms: 1000 },
          what: [{ type: "latency", attributes: { latency: 100, jitter: 20 }, toxicity: 1 }],
          ms: 5000,
        },
        { start: { kind: "bytes", bytes: 1_500_000 }, what: "rst", ms: Infinity },
      ],
    },
    {
      line: 6,
      directions: ["up", "down"],
      steps: [
        {
          start: { kind: "time", ms: 60_000 },
          what: [{ type: "bandwidth", attributes: { rate: 50 }, toxicity: 0.5 }],
          ms: 30_000,
        },
        {
          start: { kind: "time", ms: 1000 },
          what: [{ type: "slicer", attributes: { average_size: 10, delay: 5 }, toxicity: 1 }],
          ms: Infinity,
        },
      ],
    },
  ]);
});

Deno.test("parseTimeline() points at what is wrong", () => {
  const wrong: [string, number, string][] = [
    ["conection 1 up: fin", 1, "There must be connection or connections or link here"],
    ["connection up: fin", 12, "The number of a connection must stand here, from 1"],
    ["connection 0 up: fin", 12, "Connections count from 1"],
    ["connections 5-3 up: fin", 13, "A range must go up: it is 5-3"],
    ["connection 1: fin", 13, "A direction must stand before the colon: up, down or both"],
    ["connection 1 sideways: fin", 14, "There must be up or down or both here"],
    ["connection 1 up fin", 17, "There must be ':' here"],
    ["connection 1 up:", 17, "A fault, or fin, rst or close must stand here"],
    ["connection 1 up: latenci=1", 18, "its type must be one of"],
    ["connection 1 up: latency=1, jiter=2", 18, "current value is jiter"],
    ["connection 1 up: at stall", 21, "There must be a size here, a number and b, kb"],
    ["connection 1 up: at 64 stall", 21, "A size must have a unit: b, kb"],
    ["connection 1 up: at 64 KiX stall", 21, "A size must have a unit"],
    ["connection 1 up: after 5 stall", 24, "A time must have a unit: ms, s, min"],
    ["connection 1 up: stall for", 27, "There must be a time here"],
    ["connection 1 up: fin for 5s", 22, "'fin' does not last"],
    ["connection 1 up: rst, then fin", 21, "Nothing can follow 'rst'"],
    ["connection 1 up: stall fin", 24, "There must be then here"],
    ["connection 1 up: at 9B stall for 1s then at 9B fin", 45, "A step must be at more bytes"],
    ["connection 1 up: refuse", 18, "'refuse' stands alone, and without a direction"],
    ["connection 1: refuse now", 22, "'refuse' stands alone"],
    ["link: refuse", 7, "Only connections can be refused"],
    ["link up: at 5B stall", 10, "A link has no bytes of its own"],
    ["link up: fin", 10, "A link cannot 'fin', connections can"],
  ];
  for (const [text, column, message] of wrong) {
    const error = assertThrows(() => parseTimeline(`\n${text}`), TimelineError, message);
    assertEquals([error.line, error.column], [2, column], text);
    const [, shown, caret] = error.message.split("\n");
    assertEquals([shown, caret?.length], [`  ${text}`, column + 2]);
  }
});

Deno.test("property: parseTimeline() reads or throws a TimelineError that points into the line", () => {
  const word = fc.constantFrom(
    ..."connection connections link up down both at after for then , : 1 2- 3-4 64KiB 200ms 1s"
      .split(" "),
    ..."stall latency=5 fin rst close refuse x # \t".split(" "),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 12 }), (words) => {
      const text = words.join(" ");
      try {
        parseTimeline(text);
      } catch (error) {
        if (!(error instanceof TimelineError)) throw error;
        assertEquals(error.line, 1);
        assertEquals(error.column >= 1 && error.column <= text.length + 1, true, error.message);
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
});

Deno.test("a timeline: two connections are refused, the third stalls at 64 KiB, then FIN only", async () => {
  await using world = hastyWorld(1);
  const timeline = "connections 1-2: refuse\nconnection 3 down: at 64KiB stall for 200ms, then fin";
  await using link = memoryLink({ world, seed: 1, timeline });
  for (let i = 0; i < 2; i++) assertThrows(() => link.connect(), Deno.errors.ConnectionRefused);
  const { client, server } = link.connect();
  const data = pattern(100_000);
  const sending = writeAll(server, data).then(() => server.closeWrite());
  assertEquals(await readExact(client, 65536), data.subarray(0, 65536));
  assertEquals(world.now(), 0);
  assertEquals(await readToEnd(client), new Uint8Array());
  assertEquals(world.now(), 200);
  await sending;
  await writeAll(client, new Uint8Array(3)); // the other direction goes on
  assertEquals((await readExact(server, 3)).length, 3);
  const fourth = link.connect();
  await writeAll(fourth.server, data.subarray(0, 10));
  assertEquals(fourth.link.down.direct, true, "nothing is said about the fourth");
});

Deno.test("a timeline: what a stall held goes on when nothing follows it", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, timeline: "connection 1 up: at 10B stall for 1s" });
  const { client, server } = link.connect();
  const data = pattern(100);
  await writeAll(client, data);
  assertEquals(await readExact(server, 10), data.subarray(0, 10));
  assertEquals(await readExact(server, 90), data.subarray(10));
  assertEquals(world.now(), 1000);
});

Deno.test("a timeline: times count from the opening, and from the end of the step before", async () => {
  await using world = hastyWorld(1);
  const seen: string[] = [];
  await using link = memoryLink({
    world,
    timeline: "connection 1 up: after 100ms latency=1 for 50ms, then after 25ms close",
    onEvent: ({ at, type, what }) =>
      (type === "closed" || what === "close") && seen.push(`${at} ${type} ${what}`),
  });
  const { client } = link.connect();
  assertEquals(await client.read(new Uint8Array(1)), null);
  assertEquals(seen, ["175 effect close", "175 closed undefined"]);
});

Deno.test("a timeline: RST at an exact byte", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, timeline: "connections 1- up: at 1kB rst" });
  for (const size of [1, 7, 999, 5000]) {
    const { client, server } = link.connect();
    const send = async () => {
      for (let i = 0; i < 5000; i += size) await writeAll(client, pattern(size));
    };
    const sending = send().catch(() => {});
    assertEquals((await readExact(server, 1000)).length, 1000);
    await assertRejects(() => server.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    await sending;
  }
});

Deno.test("a timeline about the link reaches connections open and to come, and ends", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({
    world,
    seed: 3,
    timeline: "link up: after 1s latency=500 for 1s",
  });
  const { client, server } = link.connect();
  await world.sleep(1100);
  assertEquals(link.board.faults.map(({ name }) => name), ["line 1.1.1 up"]);
  await writeAll(client, pattern(3));
  assertEquals((await readExact(server, 3)).length, 3);
  assertEquals(world.now(), 1600);
  const later = link.connect();
  assertEquals(later.link.up.names, ["line 1.1.1 up"]);
  await world.sleep(500);
  assertEquals([link.board.faults, later.link.up.names], [[], []]);
});

Deno.test("a report holds the script", async () => {
  await using link = memoryLink({ seed: 3, timeline: "connections 1-2: refuse\n" });
  assertEquals(
    link.report(),
    "seed 3\nfaults:\n  none\nscript:\n  connections 1-2: refuse\ntimeline:",
  );
});
