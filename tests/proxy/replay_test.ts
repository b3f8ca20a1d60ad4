import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  parseRecording,
  type Recorded,
  RECORDING_HEAD,
  recordingLine,
} from "../../lib/proxy/recording.ts";
import { replay } from "../../lib/proxy/replay.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, text } from "../_conformance.ts";

const said = (at: number, way: "up" | "down", what: string | null): Recorded => ({
  conn: 1,
  at,
  way,
  bytes: what === null ? null : bytes(what),
});

Deno.test("parseRecording() reads what recordingLine() wrote, connection by connection", () => {
  const events: Recorded[] = [
    said(0, "up", "a\n\u00ff"),
    { ...said(1.5, "down", ""), conn: 2 },
    said(2.25, "up", null),
  ];
  const all = [RECORDING_HEAD, ...events.map(recordingLine)].join("\n");
  const read = parseRecording(`${all}\n`);
  assertEquals([...read.keys()], [1, 2]);
  assertEquals(read.get(1), [events[0], events[2]]);
  // Cut off in the middle of a line: what is whole counts.
  assertEquals(parseRecording(all.slice(0, -3)).get(1), [events[0]]);
});

for (
  const [text, says] of [
    ["", "begin as one: line 1"],
    ["{}", "begin as one: line 1"],
    [`${RECORDING_HEAD}\nx\n`, "be whole: line 2"],
    [`${RECORDING_HEAD}\nnull\n`, "be whole: line 2"],
    [`${RECORDING_HEAD}\n{"conn":1,"at":0,"way":"up"}\n`, "be whole: line 2"],
    [`${RECORDING_HEAD}\n{"conn":1,"at":0,"way":"up","data":"%"}\n`, "be whole: line 2"],
    [`${RECORDING_HEAD}\n{"conn":1,"at":-1,"way":"up","fin":true}\n`, "be whole: line 2"],
    [`${RECORDING_HEAD}\n{"conn":1,"at":0,"way":"in","fin":true}\n`, "be whole: line 2"],
  ] as const
) {
  Deno.test(`parseRecording() rejects ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseRecording(text), TypeError, says);
  });
}

const TALK = [
  said(0, "up", "hello"),
  said(100, "down", "who?"),
  said(1100, "up", "me"),
  said(1100, "up", null),
  said(1200, "down", "bye"),
  said(1200, "down", null),
];

Deno.test("replay() says what its side said when its turn comes, at the pace of then", async () => {
  const world = seededWorld(1);
  const [conn, peer] = memoryPair();
  const replaying = replay(conn, TALK, "client", { world, speed: 10 });
  assertEquals(text(await readExact(peer, 5)), "hello");
  await world.advance(50);
  assertEquals(conn.buffered, 0);
  await writeAll(peer, bytes("who?"));
  await world.advance(99);
  assertEquals(peer.buffered, 0);
  await world.advance(1); // a second then, a tenth of it now
  assertEquals(text(await readToEnd(peer)), "me");
  await writeAll(peer, bytes("bye"));
  await peer.closeWrite();
  assertEquals(await replaying, { sent: 7, received: 7, recorded: 7 });
  assertEquals(world.sleepers, 0);
});

Deno.test("replay() plays the server as well", async () => {
  const [conn, peer] = memoryPair();
  const replaying = replay(conn, TALK, "server", { speed: Infinity });
  await writeAll(peer, bytes("hello"));
  assertEquals(text(await readExact(peer, 4)), "who?");
  await writeAll(peer, bytes("me"));
  await peer.closeWrite();
  assertEquals(text(await readToEnd(peer)), "bye");
  assertEquals(await replaying, { sent: 7, received: 7, recorded: 7 });
});

Deno.test("replay() says where the other side said something else, less, or more", async () => {
  for (const [answer, differsAt] of [["whoX", 3], ["wh", 2], ["who?bye!", 7]] as const) {
    const [conn, peer] = memoryPair();
    const replaying = replay(conn, TALK, "client", { speed: Infinity });
    await writeAll(peer, bytes(answer));
    await peer.closeWrite();
    await readToEnd(peer);
    const report = await replaying;
    assertEquals([report.received, report.differsAt], [answer.length, differsAt]);
  }
});

Deno.test("replay() waits for nothing for ever, and says what broke", async () => {
  const world = seededWorld(1);
  const [conn, peer] = memoryPair({ capacity: 2 });
  const silent = replay(conn, TALK, "client", { world, timeout: 500 });
  await world.advance(500); // it takes no more than two bytes
  assertEquals((await silent).error?.name, "TimeoutError");
  await readToEnd(peer);
  const [other, broken] = memoryPair();
  const replaying = replay(other, TALK, "client", { world, timeout: 500 });
  broken.reset();
  await world.advance(0);
  assertEquals((await replaying).error?.name, "ConnectionReset");
  assertEquals(world.sleepers, 0);
  await assertRejects(() => replay(other, TALK, "client", { speed: 0 }), RangeError, "'speed'");
  await assertRejects(() => replay(other, TALK, "client", { timeout: 0 }), RangeError, "'timeout'");
});
