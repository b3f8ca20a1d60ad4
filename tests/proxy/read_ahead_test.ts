import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { readAhead } from "../../lib/proxy/read_ahead.ts";
import { isResettable, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, pairOf, testDuplex, testReset, text } from "../_conformance.ts";

testDuplex("readAhead()", () => {
  const [a, b] = memoryPair();
  return pairOf(readAhead(a), b);
});

testReset("readAhead()", () => {
  const [a, b] = memoryPair();
  const ahead = readAhead(a);
  if (!isResettable(ahead)) throw new Error("it must stay one that can be reset");
  return pairOf(ahead, b);
});

Deno.test("readAhead() loses, doubles and reorders nothing, however it is cut and looked at", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 3000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.nat(12),
      fc.integer({ min: 1, max: 4000 }),
      fc.boolean(),
      async (cuts, late, maxBytes, peeks) => {
        const world = seededWorld(1, { auto: true });
        const [peer, conn] = memoryPair({ capacity: 1500 });
        const ahead = readAhead(conn, { world, maxBytes });
        const said = Uint8Array.from({ length: cuts.reduce((a, b) => a + b, 0) }, (_, i) => i * 31);
        const saying = (async () => {
          let at = 0;
          for (const size of cuts) await writeAll(peer, said.subarray(at, at += size));
          await peer.closeWrite();
        })();
        let seen = 0;
        if (peeks) ahead.peek((bytes) => void (seen = Math.max(seen, bytes.length)));
        for (let turn = 0; turn < late * 5; turn++) await Promise.resolve();
        const heard = await readToEnd(ahead);
        await saying;
        assertEquals(heard, said);
        assertEquals(seen <= maxBytes, true);
      },
    ),
    { numRuns: 100 },
  );
});

Deno.test("readAhead().peek() looks again whenever more has come", async () => {
  const [peer, conn] = memoryPair();
  const ahead = readAhead(conn);
  const lines: string[] = [];
  const found = ahead.peek((bytes) => {
    lines.push(text(bytes));
    return bytes.includes(10) ? text(bytes) : undefined;
  });
  for (const part of ["one", " two", "\n"]) {
    await writeAll(peer, bytes(part));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assertEquals(await found, "one two\n");
  assertEquals(lines, ["", "one", "one two", "one two\n"]);
  // What was looked at is still there.
  assertEquals(text(await readExact(ahead, 8)), "one two\n");
});

Deno.test("readAhead().peek() gives up when no more will come", async () => {
  for (const how of ["FIN", "RST", "full", "read"] as const) {
    const [peer, conn] = memoryPair();
    const ahead = readAhead(conn, { maxBytes: 4 });
    const found = ahead.peek(() => undefined);
    if (how === "FIN") await peer.closeWrite();
    else if (how === "RST") peer.reset();
    else if (how === "full") await writeAll(peer, bytes("12345"));
    else ahead.read(new Uint8Array(8)).catch(() => {});
    if (how === "read") await writeAll(peer, bytes("1"));
    assertEquals(await found, undefined, how);
    if (how === "RST") {
      await assertRejects(() => ahead.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    }
  }
});

Deno.test("readAhead() tells of a reset at once, or a rest after something has come", async () => {
  const world = seededWorld(1);
  const lost: unknown[] = [];
  const onLost = (error: unknown) => lost.push(error);
  const [first, a] = memoryPair();
  readAhead(a, { world, rest: 70, onLost });
  first.reset();
  await world.advance(0);
  assertEquals(lost.length, 1);
  const [second, b] = memoryPair();
  const ahead = readAhead(b, { world, rest: 70, onLost });
  await writeAll(second, bytes("x"));
  await world.advance(0);
  second.reset();
  await world.advance(69);
  assertEquals(lost.length, 1);
  await world.advance(1);
  assertEquals([lost.length, lost[1] instanceof Deno.errors.ConnectionReset], [2, true]);
  assertEquals(text(await readExact(ahead, 1)), "x");
  await assertRejects(() => ahead.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assertEquals(world.sleepers, 0);
});

Deno.test("readAhead() tells when it stops: at FIN, or when it is full; not once somebody reads", async () => {
  const world = seededWorld(1);
  const told: string[] = [];
  const begin = (name: string) => {
    const [peer, conn] = memoryPair();
    const listener = { onLost: () => told.push(`${name} lost`), onStop: () => told.push(name) };
    return { peer, ahead: readAhead(conn, { world, maxBytes: 2, ...listener }) };
  };
  const { peer: one } = begin("FIN");
  await one.closeWrite();
  const { peer: two } = begin("full");
  await writeAll(two, bytes("123"));
  await world.advance(1000);
  assertEquals(told, ["FIN", "full"]);
  const { peer: three, ahead } = begin("read");
  const reading = ahead.read(new Uint8Array(1));
  await writeAll(three, bytes("1"));
  await reading;
  three.reset();
  await assertRejects(() => ahead.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  await world.advance(1000);
  assertEquals(told, ["FIN", "full"]);
  assertEquals(world.sleepers, 0);
});

Deno.test("readAhead() leaves no timer behind when it is disposed or reset as it rests", async () => {
  for (const how of ["disposed", "reset"] as const) {
    const world = seededWorld(1);
    const [peer, conn] = memoryPair();
    const ahead = readAhead(conn, { world });
    await writeAll(peer, bytes("x"));
    await world.advance(0);
    assertEquals(world.sleepers, 1, how);
    if (how === "disposed") ahead[Symbol.dispose]();
    else if (isResettable(ahead)) ahead.reset();
    await world.advance(0);
    assertEquals(world.sleepers, 0, how);
  }
});

Deno.test("readAhead() rejects a limit that is none", () => {
  const [conn] = memoryPair();
  for (const maxBytes of [0, -1, 1.5, NaN]) {
    assertThrows(() => readAhead(conn, { maxBytes }), RangeError, "'maxBytes' must be an integer");
  }
});
