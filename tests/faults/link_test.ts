/** A link in memory: what passes it, what ends it, and faults that come and go meanwhile. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CLOSE,
  delayFin,
  type Fault,
  finEarly,
  hastyWorld,
  latency,
  limit,
  type LinkEvent,
  memoryLink,
  refuse,
  reset,
  RST,
  rstAfterFin,
  stall,
  swallowFin,
  timeout,
} from "../../lib/faults/mod.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/mod.ts";
import { seededWorld } from "../../lib/world.ts";
import { pattern } from "./_stream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

Deno.test("memoryLink() without faults carries bytes and FIN both ways", async () => {
  await using link = memoryLink();
  const { client, server, link: conn } = link.connect();
  await writeAll(client, bytes("question"));
  await client.closeWrite();
  assertEquals(text(await readToEnd(server)), "question");
  await writeAll(server, bytes("answer"));
  await server.closeWrite();
  assertEquals(text(await readToEnd(client)), "answer");
  const { reason, forward, backward } = await conn.finished;
  assertEquals([reason, forward, backward], ["finished", 8, 6]);
});

Deno.test("Link carries a RST behind the bytes that are on their way", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [latency(100)] });
  const { client, server } = link.connect();
  await writeAll(client, bytes("last words"));
  await world.sleep(10);
  client.reset();
  assertEquals(text(await readExact(server, 10)), "last words");
  await assertRejects(() => server.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("Lane is direct without faults, and again once they are gone and empty", async () => {
  const world = seededWorld(1);
  await using link = memoryLink({ world });
  const { client, server, link: { up } } = link.connect();
  assertEquals(up.direct, true);
  link.add("slow", "up", latency(100));
  assertEquals([up.direct, up.names], [false, ["slow"]]);
  await writeAll(client, bytes("abc"));
  await world.advance(50);
  link.remove("slow");
  assertEquals(up.names, []);
  assertEquals(text(await readExact(server, 3)), "abc");
  await world.advance(0);
  assertEquals(up.direct, true);
});

Deno.test("Lane.remove() lets what was held go first, even if the receiver does not read", async () => {
  const world = seededWorld(1);
  await using link = memoryLink({ world, capacity: 4 });
  const { client, server } = link.connect();
  link.add("stuck", "up", stall());
  const data = pattern(5000);
  const writing = writeAll(client, data).then(() => client.closeWrite());
  await world.advance(0);
  link.remove("stuck"); // nobody reads yet
  link.add("slow", "up", latency(1));
  link.remove("slow");
  const got = readToEnd(server);
  await writing;
  await world.advance(10);
  assertEquals(await got, data);
});

Deno.test("Lane.change() keeps the order: what the old fault held passes the new one", async () => {
  await using world = hastyWorld(1);
  const seen: [number, string][] = [];
  await using link = memoryLink({ world, up: [{ name: "slow", fault: latency(1000) }] });
  const { client, server } = link.connect();
  const reading = (async () => {
    const buffer = new Uint8Array(9);
    for (let n; (n = await server.read(buffer)) !== null;) {
      seen.push([world.now(), text(buffer.subarray(0, n))]);
    }
  })();
  await writeAll(client, bytes("a"));
  await world.sleep(100);
  link.change("slow", { fault: latency(50) });
  await world.sleep(10);
  await writeAll(client, bytes("b"));
  await client.closeWrite();
  await reading;
  assertEquals(seen, [[150, "a"], [160, "b"]]);
});

Deno.test("Lane.change(): bytes are counted on from where the fault was added", async () => {
  await using link = memoryLink({ up: [{ name: "cut", fault: limit(10) }] });
  const { client, server } = link.connect();
  await writeAll(client, bytes("abcdef"));
  assertEquals(text(await readExact(server, 6)), "abcdef");
  link.change("cut", { fault: limit(8) });
  await writeAll(client, bytes("ghijkl"));
  assertEquals(text(await readToEnd(server)), "gh");
});

Deno.test("Link: a RST that a fault holds up comes after ten seconds all the same", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [stall()] });
  const { client, server, link: conn } = link.connect();
  await writeAll(client, bytes("stuck"));
  client.reset();
  await assertRejects(() => readToEnd(server), Deno.errors.ConnectionReset);
  assertEquals([(await conn.finished).reason, world.now()], ["reset", 10_000]);
});

for (const first of ["the RST", "the other FIN"]) {
  const name = `Link: an end that says FIN, then RST, ends a link with faults, ${first} first`;
  Deno.test(name, async () => {
    await using world = hastyWorld(1);
    await using link = memoryLink({ world, up: [latency(1)], down: [latency(100)] });
    const { client, server, link: conn } = link.connect();
    await client.closeWrite();
    if (first === "the other FIN") assertEquals((await readToEnd(server)).length, 0);
    await writeAll(server, bytes("an answer"));
    await world.sleep(10);
    client.reset();
    // The server says nothing more: without an end of it, this would take ten minutes.
    assertEquals((await readToEnd(server)).length, 0);
    await conn.finished;
    assertEquals(world.now() < 10_000, true);
  });
}

Deno.test("Link: a RST for an end that takes no more does not wait in the faults", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [swallowFin()], down: [latency(100)] });
  const { client, server, link: conn } = link.connect();
  await client.closeWrite();
  await writeAll(server, bytes("an answer"));
  client.reset();
  await world.sleep(200);
  server.reset();
  await conn.finished;
  assertEquals(world.now() < 10_000, true);
});

Deno.test("Link: a RST behind bytes that an end will never take does not wait for it", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, capacity: 4, up: [swallowFin()], down: [latency(1)] });
  const { client, server, link: conn } = link.connect();
  await client.closeWrite();
  await writeAll(server, bytes("an answer"));
  await world.sleep(100); // the client has four bytes of it, and reads none
  server.reset();
  await world.sleep(100);
  client.reset();
  await conn.finished;
  assertEquals(world.now() < 10_000, true);
});

Deno.test("a fault that ignores its removal holds up its bytes, but not whoever removes it", async () => {
  const never: Fault = async function* () {
    await new Promise(() => {});
    yield new Uint8Array();
  };
  await using link = memoryLink({ up: [{ name: "never", fault: never }] });
  const { client } = link.connect();
  await writeAll(client, bytes("a"));
  assertEquals(link.remove("never"), true);
  assertEquals(link.remove("never"), false);
});

Deno.test("finEarly() half-closes: the other direction goes on", async () => {
  await using link = memoryLink({ up: [finEarly(3)] });
  const { client, server } = link.connect();
  await writeAll(client, bytes("abcdef"));
  assertEquals(text(await readToEnd(server)), "abc");
  await writeAll(client, bytes("more")); // nobody takes it, nobody minds
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
});

Deno.test("swallowFin() leaves the receiver waiting; removal delivers FIN", async () => {
  const world = seededWorld(1);
  await using link = memoryLink({ world, up: [{ name: "swallow", fault: swallowFin() }] });
  const { client, server } = link.connect();
  await writeAll(client, bytes("abc"));
  await client.closeWrite();
  assertEquals(text(await readExact(server, 3)), "abc");
  const fin = server.read(new Uint8Array(1));
  let told = false;
  fin.then(() => told = true);
  await world.advance(300_000);
  assertEquals(told, false);
  link.remove("swallow");
  assertEquals(await fin, null);
});

Deno.test("swallowFin() ends with the half-closed deadline, not never", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [swallowFin()], halfClosedTimeout: 60_000 });
  const { client, server, link: conn } = link.connect();
  await client.closeWrite();
  const { reason, by } = await conn.finished;
  assertEquals([reason, by, world.now()], ["half-closed", "b", 60_000]);
  await assertRejects(() => server.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("delayFin() is one way: the answer comes while FIN is held", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [delayFin(5000)] });
  const { client, server } = link.connect();
  await client.closeWrite();
  await writeAll(server, bytes("early"));
  assertEquals(text(await readExact(client, 5)), "early");
  assertEquals(world.now() < 5000, true);
  assertEquals(await server.read(new Uint8Array(1)), null);
  assertEquals(world.now(), 5000);
});

Deno.test("rstAfterFin(): the server reads FIN, and its answer meets a RST", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [rstAfterFin(20)] });
  const { client, server } = link.connect();
  await writeAll(client, bytes("question"));
  await client.closeWrite();
  assertEquals(text(await readToEnd(server)), "question");
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  await assertRejects(() => server.write(bytes("answer")));
  assertEquals(world.now(), 20);
});

Deno.test("reset() on an open connection resets both ends, though nobody reads", async () => {
  const world = seededWorld(1);
  await using link = memoryLink({ world, capacity: 4096 });
  const { client, server, link: conn } = link.connect();
  const writing = assertRejects(
    () => writeAll(client, pattern(1_000_000)),
    Deno.errors.ConnectionReset,
  );
  await world.advance(0);
  link.add("slow", "up", latency(100));
  await world.advance(10);
  link.add("rst", "up", reset({ timeout: 500 }));
  await world.advance(500);
  await writing;
  await assertRejects(() => readToEnd(server), Deno.errors.ConnectionReset);
  assertEquals((await conn.finished).reason, "aborted");
});

Deno.test("limit() closes both ends behind the bytes that passed", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, down: [latency(100), limit(5)] });
  const { client, server, link: conn } = link.connect();
  await writeAll(server, bytes("abcdefgh"));
  assertEquals(text(await readToEnd(client)), "abcde");
  assertEquals(await server.read(new Uint8Array(1)), null);
  await conn.finished;
  assertEquals(world.now(), 600); // and it heard them out for half a second
});

Deno.test("timeout() closes after ten minutes, in no time", async () => {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: [timeout(600_000)] });
  const { client } = link.connect();
  await writeAll(client, bytes("lost"));
  assertEquals(await client.read(new Uint8Array(1)), null);
  assertEquals(world.now(), 600_000);
});

Deno.test("refuse() refuses connections that come while it is there", () => {
  const events: string[] = [];
  const link = memoryLink({ onEvent: ({ type }) => events.push(type) });
  link.add("refuse", "up", refuse(), { connections: (n) => n <= 2 });
  for (let i = 0; i < 2; i++) assertThrows(() => link.connect(), Deno.errors.ConnectionRefused);
  link.connect();
  assertEquals(events, ["refused", "refused", "opened"]);
  return link[Symbol.asyncDispose]();
});

Deno.test("FaultBoard hits the part of all connections that toxicity says, the same for a seed", async () => {
  const hits = async (seed: number) => {
    await using link = memoryLink({ seed, up: [{ fault: latency(1), toxicity: 0.3 }] });
    return Array.from({ length: 400 }, () => link.connect().link.up.names.length);
  };
  const first = await hits(5);
  assertEquals(await hits(5), first);
  const part = first.filter((n) => n === 1).length / 400;
  assertEquals(part > 0.24 && part < 0.36, true, `${part}`);
  assertEquals((await hits(6)).join() === first.join(), false);
});

Deno.test("FaultBoard: a fault can be disabled, enabled, and given to fewer", async () => {
  await using link = memoryLink({ up: [{ name: "slow", fault: latency(1), enabled: false }] });
  const { up } = link.connect().link;
  assertEquals(up.names, []);
  link.change("slow", { enabled: true });
  assertEquals(up.names, ["slow"]);
  link.change("slow", { toxicity: 0 });
  assertEquals(up.names, []);
  assertThrows(() => link.change("x", {}), TypeError, "there is none");
  assertThrows(() => link.add("slow", "up", latency(1)), TypeError, "its name must be new");
  assertThrows(() => link.add("x", "up", latency(1), { toxicity: 2 }), RangeError, "toxicity");
});

Deno.test("memoryLink().explain() says the seed and the timeline of what failed", async () => {
  await using link = memoryLink({ seed: 77, up: [limit(2)] });
  const error = await assertRejects(() =>
    link.explain(async () => {
      const { client, server } = link.connect();
      await writeAll(client, bytes("abc"));
      assertEquals(text(await readToEnd(server)), "abc");
    })
  ) as Error;
  assertEquals(/seed 77\nfaults:\n {2}up1 \(up\)\ntimeline:/.test(error.message), true);
  assertEquals(/#1 up up1: effect close at byte 2/.test(error.message), true, error.message);
  assertEquals((error.cause as Error).name, "AssertionError");
});

Deno.test("the end of a connection says which end it was that finished last", async () => {
  for (const last of ["client", "server"] as const) {
    const told: (string | undefined)[] = [];
    await using link = memoryLink({
      onEvent: ({ type, what }) => type === "ended" && told.push(what),
    });
    const { client, server, link: conn } = link.connect();
    const [first, second] = last === "server" ? [client, server] : [server, client];
    await first.closeWrite();
    assertEquals(await second.read(new Uint8Array(1)), null);
    await second.closeWrite();
    await conn.finished;
    assertEquals(told, [`finished by the ${last}`]);
  }
});

Deno.test("a fault that throws is told, and counts as a reset", async () => {
  const events: LinkEvent[] = [];
  const reported: unknown[] = [];
  const hear = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error.message);
  };
  globalThis.addEventListener("error", hear);
  // deno-lint-ignore require-yield
  const broken: Fault = async function* () {
    await Promise.resolve();
    throw new Error("a mistake");
  };
  await using link = memoryLink({ up: [broken], onEvent: (event) => events.push(event) });
  const { client, link: conn } = link.connect();
  await conn.finished;
  globalThis.removeEventListener("error", hear);
  assertEquals(reported, ["a mistake"]);
  assertEquals(events.map(({ type }) => type), ["opened", "added", "error", "reset", "ended"]);
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("what onEvent throws is reported, and changes nothing on the way", async () => {
  const reported: string[] = [];
  const hear = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error.message);
  };
  globalThis.addEventListener("error", hear);
  await using link = memoryLink({
    up: [limit(3)],
    onEvent: ({ type }) => {
      throw new Error(type);
    },
  });
  const { client, server, link: conn } = link.connect();
  await writeAll(client, bytes("abcd"));
  assertEquals(text(await readToEnd(server)), "abc");
  await server.closeWrite();
  await client.closeWrite();
  await conn.finished;
  globalThis.removeEventListener("error", hear);
  assertEquals(reported.slice(0, 4), ["opened", "added", "effect", "closed"]);
});

Deno.test("Link.end() again does nothing, but that RST cuts CLOSE short", async () => {
  await using link = memoryLink({ world: seededWorld(1) });
  const { client, link: conn } = link.connect();
  conn.end(CLOSE);
  conn.end(CLOSE);
  assertEquals(await client.read(new Uint8Array(1)), null);
  conn.end(RST);
  conn.end(CLOSE);
  await conn.finished;
});

Deno.test("memoryLink() says which option is wrong", () => {
  assertThrows(() => memoryLink({ seed: -1 }), RangeError, "'seed' must be an integer");
  assertThrows(() => memoryLink({ idleTimeout: 0 }), RangeError, "'idleTimeout' must be > 0");
  assertThrows(() => memoryLink({ halfClosedTimeout: NaN }), RangeError, "'halfClosedTimeout'");
  assertThrows(() => memoryLink({ lingerTimeout: -1 }), RangeError, "'lingerTimeout' must be >= 0");
  assertThrows(() => memoryLink({ keepEvents: -1 }), RangeError, "'keepEvents' must be >= 0");
  assertThrows(() => memoryLink({ capacity: 0 }), RangeError, "'capacity'");
});
