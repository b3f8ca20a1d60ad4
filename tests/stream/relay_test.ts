import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  type Duplex,
  readExact,
  readToEnd,
  type Resettable,
  writeAll,
} from "../../lib/stream/conn.ts";
import { type MemoryConn, memoryPair } from "../../lib/stream/memory.ts";
import { relay, type RelayOptions, type RelayReport } from "../../lib/stream/relay.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, text } from "../_conformance.ts";
import { watchedSignal } from "../_listeners.ts";

/** client — relay — server; `capacity` is that of each of the four directions. */
function joined(options: RelayOptions = {}, capacity = 65536) {
  const [client, a] = memoryPair({ capacity });
  const [b, server] = memoryPair({ capacity });
  return { client, a, b, server, report: relay(a, b, options) };
}

/** Hides reset(), as a Deno.TcpConn has none. */
function plain(conn: MemoryConn): Duplex {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}

Deno.test("relay() carries FIN of one side across, and leaves the way back open", async () => {
  const { client, server, report } = joined();
  await writeAll(client, bytes("question"));
  await client.closeWrite();
  assertEquals(text(await readToEnd(server)), "question");
  await writeAll(server, bytes("an answer"));
  await server.closeWrite();
  assertEquals(text(await readToEnd(client)), "an answer");
  assertEquals(await report, { forward: 8, backward: 9, reason: "finished", by: "b" });
});

Deno.test("relay() says that a finished, if a said FIN last", async () => {
  const { client, server, report } = joined();
  await server.closeWrite();
  assertEquals(await client.read(new Uint8Array(1)), null);
  await client.closeWrite();
  assertEquals(await report, { forward: 0, backward: 0, reason: "finished", by: "a" });
});

Deno.test("relay() disposes both ends when it is done", async () => {
  const { client, server, a, b, report } = joined();
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  await report;
  await assertRejects(() => a.read(new Uint8Array(1)), Deno.errors.BadResource);
  await assertRejects(() => b.read(new Uint8Array(1)), Deno.errors.BadResource);
});

for (const [broken, other] of [["client", "server"], ["server", "client"]] as const) {
  const side = broken === "client" ? "a" : "b";

  Deno.test(`relay() passes a reset of the ${broken} on to the ${other}`, async () => {
    const ends = joined();
    await writeAll(ends[broken], bytes("half a mess"));
    assertEquals(text(await readExact(ends[other], 11)), "half a mess");
    ends[broken].reset();
    await assertRejects(
      () => ends[other].read(new Uint8Array(1)),
      Deno.errors.ConnectionReset,
    );
    const { reason, by, error } = await ends.report;
    assertEquals([reason, by], ["reset", side]);
    assertInstanceOf(error, Deno.errors.ConnectionReset);
  });

  Deno.test(`relay() carries all that came ahead of a reset of the ${broken}`, async () => {
    const ends = joined();
    await writeAll(ends[broken], bytes("last words"));
    ends[broken].reset();
    assertEquals(text(await readExact(ends[other], 10)), "last words");
    assertEquals((await ends.report).reason, "reset");
  });

  Deno.test(`relay() delivers what the ${broken} sent before it closed unread`, async () => {
    const ends = joined();
    await writeAll(ends[broken], bytes("too long, and goodbye"));
    ends[broken][Symbol.dispose]();
    await writeAll(ends[other], bytes("a long story"));
    assertEquals(text(await readToEnd(ends[other])), "too long, and goodbye");
    const { reason, by, error } = await ends.report;
    assertEquals([reason, by], ["error", side]);
    assertInstanceOf(error, Deno.errors.BrokenPipe);
  });
}

Deno.test("relay() closes an end without reset() when the other broke, and says so", async () => {
  const [client, a] = memoryPair();
  const [b, server] = memoryPair();
  const report = relay(a, plain(b));
  client.reset();
  assertEquals(await server.read(new Uint8Array(1)), null);
  const { reason, by, disguised } = await report;
  assertEquals([reason, by, disguised], ["reset", "a", ["b"]]);
});

Deno.test("relay() says which ends were cut without a word by its own patience", async () => {
  const world = seededWorld(1);
  const [client, a] = memoryPair();
  const [b, server] = memoryPair();
  const report = relay(plain(a), plain(b), { world, idleTimeout: 50 });
  await world.advance(50);
  assertEquals((await report).disguised, ["a", "b"]);
  for (const end of [client, server]) assertEquals(await end.read(new Uint8Array(1)), null);
});

Deno.test("relay() disguises nothing where both said FIN", async () => {
  const [client, a] = memoryPair();
  const [b, server] = memoryPair();
  const report = relay(plain(a), plain(b));
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  assertEquals("disguised" in await report, false);
});

/** The server has answered and is gone, while the client still sends. */
async function answeredAndGone(options: RelayOptions) {
  const ends = joined(options);
  await writeAll(ends.server, bytes("no thanks"));
  ends.server[Symbol.dispose]();
  await writeAll(ends.client, bytes("a long"));
  assertEquals(text(await readToEnd(ends.client)), "no thanks");
  return ends;
}

Deno.test("relay() lingers for who still sends to one that is gone, to the millisecond", async () => {
  const world = seededWorld(1);
  const { client, report } = await answeredAndGone({ world, lingerTimeout: 70 });
  await world.advance(69);
  await writeAll(client, bytes(" story"));
  await world.advance(1);
  const { reason, by } = await report;
  assertEquals([reason, by], ["error", "b"]);
  await assertRejects(() => client.write(bytes("?")), Deno.errors.BrokenPipe);
  assertEquals(world.sleepers, 0);
});

Deno.test("relay() lingers no longer than to the FIN of who still sends", async () => {
  const world = seededWorld(1);
  const { client, report } = await answeredAndGone({ world });
  await client.closeWrite();
  assertEquals((await report).reason, "error");
  assertEquals(world.now(), 0);
});

Deno.test("relay() lingers for no more than 16 MiB", async () => {
  const world = seededWorld(1);
  const { client, report } = await answeredAndGone({ world, lingerTimeout: Infinity });
  let sent = 0;
  await assertRejects(async () => {
    while (true) sent += await client.write(new Uint8Array(65536));
  }, Deno.errors.BrokenPipe);
  assert(sent >= 16 << 20 && sent <= 17 << 20, `${sent} bytes`);
  await report;
});

Deno.test("relay() protects the end of an answer from an upload that nobody takes", async () => {
  using listener = await listenResettable();
  using client = new TcpStream(await Deno.connect({ port: listener.addr.port }));
  const [b, server] = memoryPair({ capacity: 4 << 20 });
  const answer = new Uint8Array(3 << 20).fill(7);
  const report = relay(await listener.accept(), b, { lingerTimeout: 60_000 });
  await writeAll(server, answer);
  server[Symbol.dispose]();
  let received = 0;
  const buffer = new Uint8Array(65536);
  for (let n; (n = await client.read(buffer)) !== null; received += n) {
    await writeAll(client, new Uint8Array(10_000)); // and on it goes, while it reads
  }
  assertEquals(received, answer.length);
  await client.closeWrite();
  assertEquals((await report).reason, "error");
});

for (const broken of ["client", "server"] as const) {
  Deno.test(`relay() carries RST of the ${broken} across as RST, over TCP`, async () => {
    using near = await listenResettable();
    using far = await listenResettable();
    using client = await dialResettable(near.addr);
    using b = await dialResettable(far.addr);
    using server = await far.accept();
    const report = relay(await near.accept(), b);
    const [ends, other] = broken === "client" ? [client, server] : [server, client];
    await writeAll(ends, bytes("half a mess"));
    assertEquals(text(await readExact(other, 11)), "half a mess");
    ends.reset();
    for (let again = 0; again < 3; again++) {
      await assertRejects(() => other.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    }
    const { reason, by, disguised } = await report;
    assertEquals([reason, by, disguised], ["reset", broken === "client" ? "a" : "b", undefined]);
  });
}

Deno.test("relay() does not reset an end that was given the other's FIN", async () => {
  const world = seededWorld(1);
  const [client, a] = memoryPair();
  const [b, server] = memoryPair();
  const resets: string[] = [];
  const watched = (conn: MemoryConn, who: string): Resettable => ({
    ...plain(conn),
    reset() {
      resets.push(who);
      conn.reset();
    },
  });
  const report = relay(watched(a, "a"), watched(b, "b"), { world, halfClosedTimeout: 50 });
  await client.closeWrite();
  assertEquals(await server.read(new Uint8Array(1)), null);
  await world.advance(50);
  assertEquals((await report).reason, "half-closed");
  assertEquals(resets, ["a"]);
});

Deno.test("relay() lets a peer send all before it reads, though nobody takes it", async () => {
  const { client, server, report } = joined({}, 4);
  await writeAll(server, bytes("no thanks!")); // more than fits into the client's pipe
  server[Symbol.dispose]();
  await writeAll(client, new Uint8Array(10_000));
  assertEquals(text(await readToEnd(client)), "no thanks!");
  assertEquals((await report).reason, "error");
});

Deno.test("relay() does not take a reset for FIN when a write was the first to hear of it", async () => {
  const [client, a] = memoryPair();
  // As a Deno.TcpConn: the reset is told once, to the write, and then read as null.
  let told = () => {};
  const reset = new Promise<void>((resolve) => told = resolve);
  const b: Duplex = {
    read: () => reset.then(() => null),
    write() {
      told();
      return Promise.reject(new Deno.errors.ConnectionReset("told to the write"));
    },
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]() {},
  };
  const report = relay(a, b);
  await writeAll(client, bytes("x"));
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  const { reason, by } = await report;
  assertEquals([reason, by], ["reset", "b"]);
});

Deno.test("relay() ends after idleTimeout without a byte, to the millisecond", async () => {
  const world = seededWorld(1);
  const { client, server, report } = joined({ world, idleTimeout: 1000 });
  await world.advance(999);
  await writeAll(client, bytes("x"));
  assertEquals(await server.read(new Uint8Array(1)), 1);
  await world.advance(999);
  assertEquals(world.sleepers, 1); // it looked at 1000 and sleeps the rest
  await world.advance(1);
  assertEquals(await report, { forward: 1, backward: 0, reason: "idle", by: "relay" });
  assertEquals(world.sleeps, [1000, 999]);
  assertEquals(world.sleepers, 0);
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("relay() is not idle while a slow reader takes something", async () => {
  const world = seededWorld(1);
  const { client, server, report } = joined({ world, idleTimeout: 50 }, 4);
  const sending = writeAll(client, new Uint8Array(20)).then(() => client.closeWrite());
  for (let read = 0; read < 20; read += 4) {
    await world.advance(40);
    await readExact(server, 4);
  }
  await sending;
  await server.closeWrite();
  assertEquals((await report).reason, "finished");
});

Deno.test("relay() gives a half-closed connection its own deadline", async () => {
  const world = seededWorld(1);
  const { client, server, report } = joined({ world, idleTimeout: 1000, halfClosedTimeout: 50 });
  await world.advance(900); // FIN itself starts the clock anew
  await client.closeWrite();
  assertEquals(await server.read(new Uint8Array(1)), null);
  await world.advance(49);
  await writeAll(server, bytes("still here"));
  assertEquals(text(await readExact(client, 10)), "still here");
  await world.advance(50);
  assertEquals(await report, { forward: 0, backward: 10, reason: "half-closed", by: "b" });
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("relay() lets halfClosedTimeout override a shorter idleTimeout", async () => {
  const world = seededWorld(1);
  const { client, server, report } = joined({ world, idleTimeout: 50, halfClosedTimeout: 1000 });
  await client.closeWrite();
  await world.advance(999);
  await server.closeWrite();
  assertEquals((await report).reason, "finished");
});

Deno.test("relay() gives up on a FIN that cannot be carried across", async () => {
  const world = seededWorld(1);
  const [client, a] = memoryPair();
  const [, end] = memoryPair();
  const b: Duplex = { ...plain(end), closeWrite: () => stuck.promise };
  const stuck = Promise.withResolvers<void>();
  const report = relay(a, {
    ...b,
    [Symbol.dispose]() {
      end[Symbol.dispose]();
      stuck.reject(new Deno.errors.Interrupted("disposed"));
    },
  }, { world, halfClosedTimeout: 50 });
  await client.closeWrite();
  await world.advance(50);
  const { reason, by } = await report;
  assertEquals([reason, by], ["half-closed", "b"]);
});

Deno.test("relay() gives up when a peer that does not read has nothing to say", async () => {
  const world = seededWorld(1);
  const { client, report } = joined({ world, idleTimeout: 50 }, 4);
  const sending = assertRejects(() => writeAll(client, new Uint8Array(10_000)));
  await world.advance(50);
  const { reason, by } = await report;
  assertEquals([reason, by], ["idle", "b"]); // b took nothing
  await sending;
});

Deno.test("relay() never ends by itself when its timeouts are Infinity", async () => {
  const world = seededWorld(1);
  const forever = { idleTimeout: Infinity, halfClosedTimeout: Infinity };
  const { client, server, report } = joined({ world, ...forever });
  await world.advance(1e12);
  await client.closeWrite();
  await world.advance(1e12);
  await server.closeWrite();
  assertEquals((await report).reason, "finished");
});

Deno.test("relay() ends at once when its signal aborts, and cut streams do not look whole", async () => {
  const controller = new AbortController();
  const { client, server, report } = joined({ signal: controller.signal });
  await writeAll(client, bytes("half a mess"));
  await readExact(server, 11);
  controller.abort();
  assertEquals(await report, { forward: 11, backward: 0, reason: "aborted", by: "caller" });
  for (const end of [client, server]) {
    await assertRejects(() => end.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  }
});

Deno.test("relay() with a signal aborted beforehand only closes", async () => {
  const { client, a, report } = joined({ signal: AbortSignal.abort() });
  const { reason, by } = await report;
  assertEquals([reason, by], ["aborted", "caller"]);
  await assertRejects(() => a.read(new Uint8Array(1)), Deno.errors.BadResource);
  await assertRejects(() => client.write(bytes("x")));
});

Deno.test("relay() lets go of its signal when it is done", async () => {
  const watched = watchedSignal();
  const { client, server, report } = joined({ signal: watched.signal });
  assertEquals(watched.listeners, 1);
  await Promise.all([client.closeWrite(), server.closeWrite()]);
  await report;
  assertEquals(watched.listeners, 0);
});

for (const end of ["a", "b"] as const) {
  Deno.test(`relay() ends when the caller disposes ${end}`, async () => {
    const { report, ...ends } = joined();
    ends[end][Symbol.dispose]();
    const { reason, by } = await report;
    assertEquals([reason, by], ["aborted", "caller"]);
  });
}

Deno.test("relay() ends with the error of a write that takes nothing", async () => {
  const [client, a] = memoryPair();
  const [b, server] = memoryPair();
  const report = relay(a, { ...plain(b), write: () => Promise.resolve(0) });
  await writeAll(client, bytes("x"));
  await server.closeWrite();
  const { reason, by, error } = await report;
  assertEquals([reason, by], ["error", "b"]);
  assertInstanceOf(error, Deno.errors.WriteZero);
});

for (const option of ["idleTimeout", "halfClosedTimeout"]) {
  for (const value of [0, -1, NaN]) {
    Deno.test(`relay() rejects ${option}: ${value}`, async () => {
      await assertRejects(() => relay(...memoryPair(), { [option]: value }), RangeError);
    });
  }
}

for (const lingerTimeout of [-1, NaN]) {
  Deno.test(`relay() rejects lingerTimeout: ${lingerTimeout}`, async () => {
    await assertRejects(() => relay(...memoryPair(), { lingerTimeout }), RangeError);
  });
}

Deno.test("relay() starts with a small buffer, grows it for bulk and shrinks it again", async () => {
  const [client, a] = memoryPair({ capacity: 1 << 20 });
  const [b, server] = memoryPair({ capacity: 1 << 20 });
  const asked: number[] = [];
  const watched: Duplex = {
    ...plain(a),
    read(p) {
      if (asked.at(-1) !== p.length) asked.push(p.length);
      return a.read(p);
    },
  };
  const report = relay(watched, b);
  await writeAll(client, new Uint8Array(1 << 20));
  await readExact(server, 1 << 20);
  for (let i = 0; i < 40; i++) {
    await writeAll(client, bytes("x"));
    await readExact(server, 1);
  }
  client[Symbol.dispose]();
  server[Symbol.dispose]();
  await report;
  assertEquals(asked, [1024, 4096, 16384, 65536, 262144, 65536, 16384, 4096, 1024]);
});

/** Counts the operations of `conn`, tells `hook` before and after each, and knows who waits. */
function counted(conn: MemoryConn, hook: () => void) {
  let pending = 0;
  const count = async <T>(operation: () => Promise<T>): Promise<T> => {
    hook();
    pending++;
    try {
      return await operation();
    } finally {
      pending--;
      hook();
    }
  };
  return {
    get pending() {
      return pending;
    },
    read: (p: Uint8Array) => count(() => conn.read(p)),
    write: (p: Uint8Array) => count(() => conn.write(p)),
    closeWrite: () => count(() => conn.closeWrite()),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}

for (
  const blow of [
    "the signal aborts",
    "a is disposed",
    "b is disposed",
    "the client resets",
    "the server resets",
    "the client closes",
    "the server closes",
  ]
) {
  Deno.test(`relay() ends and leaves nothing behind, whenever ${blow}`, async () => {
    let reached = true;
    for (let moment = 1; reached; moment++) {
      const world = seededWorld(1);
      const controller = new AbortController();
      const [client, near] = memoryPair({ capacity: 3 });
      const [far, server] = memoryPair({ capacity: 3 });
      let turns = 0;
      reached = false;
      const hook = () => {
        if (++turns !== moment) return;
        reached = true;
        if (blow === "the signal aborts") controller.abort();
        else if (blow === "a is disposed") near[Symbol.dispose]();
        else if (blow === "b is disposed") far[Symbol.dispose]();
        else if (blow === "the client resets") client.reset();
        else if (blow === "the server resets") server.reset();
        else if (blow === "the client closes") client[Symbol.dispose]();
        else server[Symbol.dispose]();
      };
      const a = counted(near, hook);
      const b = counted(far, hook);
      const report = relay(a, b, { world, signal: controller.signal });
      const peers = Promise.allSettled([
        writeAll(client, bytes("question")).then(() => client.closeWrite()),
        readToEnd(server).then((asked) => writeAll(server, asked)).then(() => server.closeWrite()),
        readToEnd(client),
      ]);
      await world.advance(30_000); // a peer that closed has not said all we wait for
      await report;
      assertEquals([a.pending, b.pending, world.sleepers], [0, 0, 0]);
      client[Symbol.dispose]();
      server[Symbol.dispose]();
      await peers;
    }
  });
}

/** What one end does, step by step. */
type Step = { write: number } | "finish" | "reset" | "close" | "stop reading";

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ write: fc.integer({ min: 1, max: 40 }) }) },
  { weight: 2, arbitrary: fc.constant("finish" as const) },
  { weight: 1, arbitrary: fc.constantFrom("reset" as const, "close" as const) },
  { weight: 1, arbitrary: fc.constant("stop reading" as const) },
);

/** An end that follows its script and notes what it wrote and read. */
class Actor {
  readonly read: number[] = [];
  readonly written: number[] = [];
  finished = false;
  gone = false;
  sawFin = false;
  deaf = false;
  #deaf = Promise.withResolvers<"deaf">();

  constructor(readonly conn: Resettable, readonly seed: number) {}

  async listen(): Promise<void> {
    const buffer = new Uint8Array(7);
    try {
      while (true) {
        const n = await Promise.race([this.conn.read(buffer), this.#deaf.promise]);
        if (n === "deaf") return;
        if (n === null) {
          this.sawFin = true;
          return;
        }
        this.read.push(...buffer.subarray(0, n));
      }
    } catch {
      // Reset, or closed by our own script.
    }
  }

  /** Says FIN, if that was not in the script. */
  async end(): Promise<void> {
    await this.conn.closeWrite().catch(() => {});
  }

  async act(steps: readonly Step[]): Promise<void> {
    try {
      for (const step of steps) {
        if (step === "finish") {
          await this.conn.closeWrite();
          this.finished = true;
        } else if (step === "stop reading") {
          this.deaf = true;
          this.#deaf.resolve("deaf");
        } else if (typeof step === "string") {
          this.gone = true;
          if (step === "reset") this.conn.reset();
          else this.conn[Symbol.dispose]();
          return;
        } else {
          await this.#write(step.write);
        }
      }
    } catch {
      // The other side went away.
    }
  }

  async #write(size: number): Promise<void> {
    const data = Uint8Array.from({ length: size }, (_, i) => this.seed + this.written.length + i);
    for (let at = 0; at < size;) {
      const n = await this.conn.write(data.subarray(at));
      this.written.push(...data.subarray(at, at + n));
      at += n;
    }
  }
}

function isPrefix(part: number[], whole: number[]): boolean {
  return part.length <= whole.length && part.every((byte, i) => byte === whole[i]);
}

Deno.test("relay() never loses, doubles or reorders a byte, and always ends", async () => {
  const script = fc.array(step, { maxLength: 12 });
  const capacity = fc.constantFrom(1, 3, 16, 1024);
  await fc.assert(
    fc.asyncProperty(script, script, capacity, async (ours, theirs, capacity) => {
      const world = seededWorld(1);
      const limits = { idleTimeout: 100, halfClosedTimeout: 50, lingerTimeout: 50 };
      const ends = joined({ world, ...limits }, capacity);
      const client = new Actor(ends.client, 0);
      const server = new Actor(ends.server, 100);
      const acting = Promise.all([
        client.listen(),
        server.listen(),
        client.act(ours),
        server.act(theirs),
      ]);
      let report: RelayReport | undefined;
      ends.report.then((value) => report = value);
      // Nobody may need more than idleTimeout, since every step is taken at once.
      for (let turn = 0; turn < 5 && report === undefined; turn++) await world.advance(100);
      assert(report !== undefined, "the relay must end");
      ends.client[Symbol.dispose]();
      ends.server[Symbol.dispose]();
      await acting;

      assert(isPrefix(server.read, client.written), "a→b must be a prefix of what was sent");
      assert(isPrefix(client.read, server.written), "b→a must be a prefix of what was sent");
      assert(report.forward <= client.written.length, "no byte may be counted twice");
      assert(report.backward <= server.written.length, "no byte may be counted twice");
      // A FIN that is seen was said (closing says it too), and is behind everything.
      for (const [from, to, carried] of directions(client, server, report)) {
        if (!to.sawFin) continue;
        assert(from.finished || from.gone, "FIN must not be made up");
        assertEquals(to.read, from.written);
        assertEquals(carried, from.written.length);
      }
      if (report.reason === "finished") {
        assertEquals(report.forward, client.written.length);
        assertEquals(report.backward, server.written.length);
      }
      assertEquals(world.sleepers, 0);
    }),
    { numRuns: 300 },
  );
});

Deno.test("relay() over sockets loses nothing either, and ends when its peers do", async () => {
  const script = fc.array(step, { maxLength: 12 });
  using near = await listenResettable();
  using far = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await fc.assert(
    fc.asyncProperty(script, script, async (ours, theirs) => {
      const server = { hostname: "127.0.0.1", port: far.addr.port };
      const [c, a, b, s] = await Promise.all([
        dialResettable(near.addr),
        near.accept(),
        dialResettable(server),
        far.accept(),
      ]);
      const report = relay(a, new TcpStream(s), { idleTimeout: Infinity });
      const left = new Actor(c, 0);
      const right = new Actor(b, 100);
      const listening = Promise.all([left.listen(), right.listen()]);
      await Promise.all([left.act(ours), right.act(theirs)]);
      // What is on its way may still arrive, unless the script let somebody break off.
      if (!left.deaf && !right.deaf) await Promise.all([left.end(), right.end(), listening]);
      c[Symbol.dispose]();
      b[Symbol.dispose]();
      await listening;
      const { forward, backward } = await report;

      assert(isPrefix(right.read, left.written), "a→b must be a prefix of what was sent");
      assert(isPrefix(left.read, right.written), "b→a must be a prefix of what was sent");
      assert(forward <= left.written.length && backward <= right.written.length);
    }),
    { numRuns: 100 },
  );
});

function directions(client: Actor, server: Actor, report: RelayReport) {
  return [
    [client, server, report.forward],
    [server, client, report.backward],
  ] as const;
}
