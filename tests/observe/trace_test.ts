import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals } from "@std/assert";
import { connName, errorFacts, isCall, type TraceEvent } from "../../lib/observe/events.ts";
import { Trace, traced } from "../../lib/observe/trace.ts";
import { type Duplex, isResettable } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";
import { pairOf, testDuplex } from "../_conformance.ts";

testDuplex("traced(memoryPair())", () => {
  const trace = new Trace();
  const [a, b] = memoryPair({ capacity: 1000 });
  return pairOf(traced(a, "a", trace), traced(b, "b", trace));
});

testDuplex("traced(TcpStream)", async () => {
  const trace = new Trace();
  const [a, b] = await connected();
  return pairOf(traced(a, "a", trace), traced(b, "b", trace));
});

Deno.test("Trace says when a call was made and when it returned, on its own clock", async () => {
  const world = seededWorld(1);
  await world.advance(1000);
  const trace = new Trace({ world });
  const { promise, resolve } = Promise.withResolvers<number>();

  await world.advance(5.0004);
  const calling = trace.call(
    { kind: "read", who: "a", size: 9 },
    () => promise,
    (bytes) => ({ bytes }),
  );
  assertEquals(trace.events, [{ at: 5, kind: "read", who: "a", size: 9 }]);

  await world.advance(2.1);
  resolve(3);
  assertEquals(await calling, 3);
  assertEquals(trace.events, [{ at: 5, kind: "read", who: "a", size: 9, end: 7.1, bytes: 3 }]);
});

Deno.test("Trace tells of a call when it has returned, and of other events at once", async () => {
  const told: TraceEvent[] = [];
  const trace = new Trace({ onEvent: (event) => told.push(event) });
  const done = trace.begin({ kind: "accept", who: "server" });
  trace.say("between");
  assertEquals(told.map(({ kind }) => kind), ["note"]);
  done({ remote: "127.0.0.1:1" });
  assertEquals(told.map(({ kind }) => kind), ["note", "accept"]);
  assertEquals(trace.events.map(({ kind }) => kind), ["accept", "note"]);
  await Promise.resolve();
});

Deno.test("Trace.call() records an error and throws that same one on", async () => {
  const trace = new Trace();
  const error = Object.assign(new Deno.errors.ConnectionReset("gone"), { code: "ECONNRESET" });
  const thrown = await trace.call({ kind: "connect", who: "a", remote: "x:1" }, () => {
    throw error;
  }).catch((error) => error);
  assertStrictEquals(thrown, error);
  const [event] = trace.events;
  assert(event?.kind === "connect");
  assertEquals(event.error, { name: "ConnectionReset", code: "ECONNRESET", message: "gone" });
});

Deno.test("Trace.toString() is a JSON object on each line", async () => {
  const trace = new Trace({ world: seededWorld(1) });
  const [a] = memoryPair();
  using end = traced(a, "a", trace);
  await end.write(new Uint8Array(3));
  trace.say("two\nlines");
  const lines = String(trace).split("\n");
  assertEquals(lines.pop(), "");
  assertEquals(lines.map((line) => JSON.parse(line)), [
    { at: 0, kind: "write", who: "a", size: 3, end: 0, bytes: 3 },
    { at: 0, kind: "note", who: "", text: "two\nlines" },
  ]);
});

Deno.test("traced() records every call with its outcome", async () => {
  const trace = new Trace();
  const [a, b] = memoryPair({ capacity: 4 });
  const client = traced(a, "client", trace);
  using server = traced(b, "server", trace);
  await client.write(new Uint8Array(6));
  await server.read(new Uint8Array(3));
  await server.read(new Uint8Array(3));
  await client.closeWrite();
  await client.write(new Uint8Array(1)).catch(() => {});
  await server.read(new Uint8Array(3));
  client[Symbol.dispose]();
  assertEquals(told(trace), [
    ["client", "write", "4 of 6"],
    ["server", "read", "3 of 3"],
    ["server", "read", "1 of 3"],
    ["client", "closeWrite", ""],
    ["client", "write", "BrokenPipe"],
    ["server", "read", "null of 3"],
    ["client", "close", ""],
  ]);
});

Deno.test("traced() calls through at once, and hands on the very promise's outcome", async () => {
  const trace = new Trace();
  const asked: Uint8Array[] = [];
  const failure = new Error("sticky");
  const inner: Duplex = {
    read: (p) => (asked.push(p), Promise.reject(failure)),
    write: (p) => (asked.push(p), Promise.resolve(1)),
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]: () => {},
  };
  const end = traced(inner, "a", trace);
  const p = new Uint8Array(2);
  const reading = end.read(p);
  const writing = end.write(p);
  assertEquals(asked.length, 2);
  assertStrictEquals(asked[0], p);
  assertStrictEquals(asked[1], p);
  assertStrictEquals(await reading.catch((error) => error), failure);
  assertEquals(await writing, 1);
});

Deno.test("traced() records the first close only, and disposes every time", () => {
  const trace = new Trace();
  let disposed = 0;
  const [a] = memoryPair();
  const inner = Object.assign(a, { [Symbol.dispose]: () => void disposed++ });
  const end = traced(inner, "a", trace);
  end[Symbol.dispose]();
  end[Symbol.dispose]();
  end.reset();
  assertEquals(told(trace), [["a", "close", ""]]);
  assertEquals(disposed, 2);
});

Deno.test("traced() can reset what can be reset, and the peer learns of it", async () => {
  const trace = new Trace();
  const [a, b] = memoryPair();
  using client = traced(a, "client", trace);
  traced(b, "server", trace).reset();
  await assertRejects(() => client.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assertEquals(told(trace), [["server", "reset", ""], ["client", "read", "ConnectionReset"]]);

  const [tcp, peer] = await connected();
  using end: Duplex = traced(tcp, "client", trace);
  using _ = peer;
  assertFalse(isResettable(end));
});

Deno.test("traced() names a connection alike at both its ends", async () => {
  const trace = new Trace();
  const [a, b] = await connected();
  using client = traced(a, "client", trace);
  using server = traced(b, "server", trace);
  await client.closeWrite();
  await server.closeWrite();
  const [first, second] = trace.events.filter(isCall);
  assert(first?.conn?.includes(`127.0.0.1:${b.localAddr.port}`));
  assertEquals(second?.conn, first?.conn);
});

Deno.test("connName() does not mind whether a socket of IPv6 has an address of IPv4", () => {
  const name = connName("127.0.0.1:2", "127.0.0.1:1");
  assertEquals(connName("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:2"), name);
});

Deno.test("connName() does not mind which end is asked", () => {
  assertEquals(connName("127.0.0.1:2", "127.0.0.1:10"), connName("127.0.0.1:10", "127.0.0.1:2"));
});

Deno.test("errorFacts() keeps the class, the system's code and the message", () => {
  assertEquals(errorFacts(new TypeError("x")), { name: "TypeError", message: "x" });
  assertEquals(errorFacts(Object.assign(new Error("x"), { code: "EMFILE" })).code, "EMFILE");
  assertEquals("code" in errorFacts(new DOMException("x", "AbortError")), false);
  assertEquals(errorFacts("thrown"), { name: "string", message: "thrown" });
});

/** Who, what, and the outcome, of every call. */
function told(trace: Trace): string[][] {
  return trace.events.filter(isCall).map((call) => {
    const moved = "bytes" in call ? `${call.bytes} of ${call.size}` : "";
    return [call.who, call.kind, call.error?.name ?? moved];
  });
}

async function connected(): Promise<[TcpStream, TcpStream]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [a, b] = await Promise.all([Deno.connect({ port }), listener.accept()]);
  return [new TcpStream(a), new TcpStream(b)];
}

Deno.test("Trace.timeOf() puts a time of day on the trace's clock", () => {
  const world = { now: () => 50, epoch: 1_000_000 };
  const trace = new Trace({ world });
  assertEquals([trace.began, trace.timeOf(1_000_050), trace.timeOf(1_000_060.1234)], [
    ...[1_000_050, 0, 10.123],
  ]);
  assertEquals(trace.timeOf(1_000_000), -50);
  assertEquals(new Trace({ world: { now: () => 50 } }).began, 0);
});

Deno.test("Trace.add() takes what is no news with the time at which it was", () => {
  const trace = new Trace({ world: { now: () => 50 } });
  trace.add({ kind: "state", who: "a", state: "CLOSED" });
  trace.add({ kind: "state", who: "a", state: "CLOSED", at: -3 });
  assertEquals(trace.events.map(({ at }) => at), [0, -3]);
});
