import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { type Reader, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TimedReader } from "../../lib/stream/timed_reader.ts";
import { dice, seededWorld } from "../../lib/world.ts";
import { bytes, text } from "../_conformance.ts";
import { watchedSignal } from "../_listeners.ts";

/** A TimedReader on a clock that stands still, and who writes to it. */
function timed() {
  const [peer, source] = memoryPair();
  const world = seededWorld(1);
  return { peer, world, source, reader: new TimedReader(source, { world }) };
}

/** One read with `timeout`, which is let pass. */
async function timeOut({ reader, world }: ReturnType<typeof timed>, size = 16): Promise<Error> {
  const failing = assertRejects(
    () => reader.read(new Uint8Array(size), { timeout: 10 }),
    DOMException,
  );
  await world.advance(10);
  return await failing;
}

Deno.test("TimedReader.read() rejects with TimeoutError when nothing comes in time", async () => {
  const error = await timeOut(timed());
  assertEquals(error.name, "TimeoutError");
});

Deno.test("TimedReader.read() says in whole milliseconds for how long it waited", async () => {
  const { world, reader } = timed();
  const failing = assertRejects(() => reader.read(new Uint8Array(1), { timeout: 9.2 }));
  await world.advance(10);
  assertEquals((await failing as Error).message, "No bytes came within 10 ms");
});

Deno.test("TimedReader.read() gives the next read what a timed-out read was waiting for", async () => {
  const here = timed();
  await timeOut(here);
  await writeAll(here.peer, bytes("late"));
  const buffer = new Uint8Array(16);
  assertEquals(await here.reader.read(buffer), 4);
  assertEquals(text(buffer.subarray(0, 4)), "late");
});

Deno.test("TimedReader.read() keeps what a smaller next buffer has no room for", async () => {
  const here = timed();
  await timeOut(here);
  await writeAll(here.peer, bytes("abcde"));
  await here.peer.closeWrite();
  const buffer = new Uint8Array(2);
  const seen: string[] = [];
  for (let n = await here.reader.read(buffer); n !== null; n = await here.reader.read(buffer)) {
    seen.push(text(buffer.subarray(0, n)));
  }
  assertEquals(seen, ["ab", "cd", "e"]);
});

Deno.test("TimedReader.read() leaves the buffer of a timed-out read alone", async () => {
  const here = timed();
  const mine = bytes("mine");
  const failing = assertRejects(() => here.reader.read(mine, { timeout: 10 }));
  await here.world.advance(10);
  await failing;
  await writeAll(here.peer, bytes("late"));
  assertEquals(text(mine), "mine");
});

Deno.test("TimedReader.read() can time out again and again on the same wait", async () => {
  const here = timed();
  for (let i = 0; i < 3; i++) await timeOut(here, 1 + i);
  await writeAll(here.peer, bytes("x"));
  assertEquals(await here.reader.read(new Uint8Array(16)), 1);
});

Deno.test("TimedReader.read() gives the next read an EOF that came late", async () => {
  const here = timed();
  await timeOut(here);
  await here.peer.closeWrite();
  assertEquals(await here.reader.read(new Uint8Array(1)), null);
  assertEquals(await here.reader.read(new Uint8Array(1), { timeout: 10 }), null);
});

Deno.test("TimedReader.read() gives the next read an error that came late, once", async () => {
  let calls = 0;
  const failure = new Error("late");
  const first = Promise.withResolvers<number | null>();
  const world = seededWorld(1);
  const reader = new TimedReader({
    read: () => calls++ === 0 ? first.promise : Promise.resolve(null),
  }, { world });
  const failing = assertRejects(() => reader.read(new Uint8Array(1), { timeout: 10 }));
  await world.advance(10);
  await failing;
  first.reject(failure);
  const error = await assertRejects(() => reader.read(new Uint8Array(1)));
  assertStrictEquals(error, failure);
  assertEquals(await reader.read(new Uint8Array(1)), null);
});

Deno.test("TimedReader.read() that is given up leaves nothing behind, however often", async () => {
  let reactions = 0;
  const silent = new Promise<never>(() => {});
  const { then } = silent;
  silent.then = (...them: unknown[]) => {
    reactions++;
    return Reflect.apply(then, silent, them);
  };
  const reader = new TimedReader({ read: () => silent }, { world: seededWorld(1, { auto: true }) });
  for (let i = 0; i < 3; i++) {
    await assertRejects(() => reader.read(new Uint8Array(1), { timeout: 10 }), DOMException);
  }
  assertEquals(reactions, 1);
});

Deno.test("TimedReader leaves no rejection unhandled when nobody reads again", async () => {
  const here = timed();
  await timeOut(here);
  here.peer.reset();
  await here.world.advance(1);
});

Deno.test("TimedReader.read() rejects with the reason of its signal and loses nothing", async () => {
  const here = timed();
  const controller = new AbortController();
  const reason = new Error("never mind");
  const failing = assertRejects(() =>
    here.reader.read(new Uint8Array(16), { signal: controller.signal })
  );
  controller.abort(reason);
  assertStrictEquals(await failing, reason);
  await writeAll(here.peer, bytes("late"));
  assertEquals(await here.reader.read(new Uint8Array(16)), 4);
});

Deno.test("TimedReader.read() with a signal aborted beforehand does not start to read", async () => {
  const { reader, peer, source } = timed();
  await writeAll(peer, bytes("x"));
  await assertRejects(() => reader.read(new Uint8Array(1), { signal: AbortSignal.abort() }));
  assertEquals(source.buffered, 1);
});

for (const options of [{}, { timeout: 10 }]) {
  const how = "timeout" in options ? "with" : "without";
  Deno.test(`TimedReader.read() is Busy while a read ${how} a timeout waits`, async () => {
    const { reader, peer } = timed();
    const first = reader.read(new Uint8Array(1), options);
    await assertRejects(() => reader.read(new Uint8Array(1)), Deno.errors.Busy);
    await writeAll(peer, bytes("x"));
    assertEquals(await first, 1);
  });
}

Deno.test("TimedReader.read() without a timeout reads straight into the caller's buffer", async () => {
  const given: Uint8Array[] = [];
  const source: Reader = { read: (p) => Promise.resolve(given.push(p)) };
  const p = new Uint8Array(8);
  await new TimedReader(source).read(p);
  assertStrictEquals(given[0], p);
});

Deno.test("TimedReader.read() puts its timer away as soon as bytes come", async () => {
  const { reader, peer, world } = timed();
  const reading = reader.read(new Uint8Array(1), { timeout: 1000 });
  assertEquals(world.sleepers, 1);
  await writeAll(peer, bytes("x"));
  await reading;
  await world.advance(0);
  assertEquals(world.sleepers, 0);
});

Deno.test("TimedReader.read() lets go of its signal, whether bytes come or not", async () => {
  const here = timed();
  const watched = watchedSignal();
  const failing = assertRejects(() =>
    here.reader.read(new Uint8Array(1), { timeout: 10, signal: watched.signal })
  );
  assertEquals(watched.listeners, 1);
  await here.world.advance(10);
  await failing;
  assertEquals(watched.listeners, 0);
  await writeAll(here.peer, bytes("x"));
  await here.reader.read(new Uint8Array(1), { signal: watched.signal });
  assertEquals(watched.listeners, 0);
});

Deno.test("TimedReader.read() of no bytes resolves with 0 and waits for nothing", async () => {
  const { reader } = timed();
  assertEquals(await reader.read(new Uint8Array(0), { timeout: 10 }), 0);
});

for (const timeout of [0, -1, NaN]) {
  Deno.test(`TimedReader.read() rejects timeout: ${timeout}`, async () => {
    await assertRejects(() => timed().reader.read(new Uint8Array(1), { timeout }), RangeError);
  });
}

Deno.test("TimedReader loses, doubles and reorders no byte, whoever gives up when", async () => {
  const size = fc.integer({ min: 1, max: 9 });
  const turn = fc.record({ read: size, write: fc.integer({ min: 0, max: 9 }), late: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 30 }), fc.nat(), async (turns, seed) => {
      const { reader, peer, world } = timed();
      const roll = dice(seed);
      const written: number[] = [];
      const read: number[] = [];
      const write = async (n: number) => {
        const data = Uint8Array.from({ length: n }, () => roll() * 256);
        written.push(...data);
        await writeAll(peer, data);
      };
      const take = async (n: number) => {
        const buffer = new Uint8Array(n);
        const got = reader.read(buffer, { timeout: 10 }).catch((error) => {
          assertEquals(error.name, "TimeoutError");
          return 0;
        });
        await world.advance(10);
        read.push(...buffer.subarray(0, (await got)!));
      };
      for (const { read, write: n, late } of turns) {
        if (late) await take(read);
        await write(n);
        if (!late) await take(read);
      }
      await peer.closeWrite();
      const buffer = new Uint8Array(5);
      for (let n = await reader.read(buffer); n !== null; n = await reader.read(buffer)) {
        read.push(...buffer.subarray(0, n));
      }
      assertEquals(read, written);
    }),
    { numRuns: 50 },
  );
});

Deno.test("TimedReader over TCP keeps the bytes that a raced read would swallow", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  using server = await listener.accept();
  const world = seededWorld(1);
  const reader = new TimedReader(client, { world });
  const failing = assertRejects(() => reader.read(new Uint8Array(8), { timeout: 10 }));
  await world.advance(10);
  await failing;
  await writeAll(server, bytes("AAA"));
  const buffer = new Uint8Array(8);
  assertEquals(await reader.read(buffer), 3);
  assert(text(buffer).startsWith("AAA"));
});
