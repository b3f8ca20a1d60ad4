import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type Encoder, FrameError } from "../../lib/framing/decoder.ts";
import { FramedConn, frames } from "../../lib/framing/frames.ts";
import { LengthDecoder, LengthEncoder } from "../../lib/framing/length.ts";
import { TextLineDecoder, TextLineEncoder } from "../../lib/framing/lines.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes } from "./_cuts.ts";

const of = (...bytes: number[]) => Uint8Array.from(bytes);
const framing = () => ({ decoder: new LengthDecoder(), encoder: new LengthEncoder() });
const text = () => ({ decoder: new TextLineDecoder(), encoder: new TextLineEncoder() });

/** A real connection. */
async function tcpPair(): Promise<[TcpStream, TcpStream]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  return [new TcpStream(client), new TcpStream(server)];
}

/** Takes down what is written, write by write. */
function recorded(conn: Duplex, writes: number[][]): Duplex {
  return {
    read: (p) => conn.read(p),
    write: (p) => {
      writes.push([...p]);
      return conn.write(p);
    },
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}

Deno.test("FramedConn.send() puts header and payload into one write", async () => {
  const [a, b] = memoryPair();
  const writes: number[][] = [];
  using client = new FramedConn(recorded(a, writes), framing());
  using _peer = b;
  await client.send(of(7, 8));
  await client.send(of());
  assertEquals(writes, [[0, 0, 0, 2, 7, 8], [0, 0, 0, 0]]);
});

Deno.test("FramedConn.send() lets frames that wait share a write", async () => {
  const [a, b] = memoryPair();
  const writes: number[][] = [];
  using client = new FramedConn(recorded(a, writes), framing());
  using _peer = b;
  await Promise.all([client.send(of(1)), client.send(of(2)), client.send(of(3))]);
  assertEquals(writes, [[0, 0, 0, 1, 1], [0, 0, 0, 1, 2, 0, 0, 0, 1, 3]]);
});

Deno.test("FramedConn.send() keeps the order whenever it is called", async () => {
  const [a, b] = memoryPair({ capacity: 3 });
  using client = new FramedConn(a, text());
  using server = new FramedConn(b, text());
  const received = Array.fromAsync(server);
  const first = client.send("the first");
  const second = client.send("the second");
  await first;
  const third = client.send("the third");
  await second;
  await Promise.all([client.send("the fourth"), client.send("the fifth"), third]);
  await client.closeWrite();
  assertEquals(await received, [
    "the first",
    "the second",
    "the third",
    "the fourth",
    "the fifth",
  ]);
});

Deno.test("FramedConn.send() writes a frame that is too long to be joined by itself", async () => {
  const [a, b] = memoryPair({ capacity: 2 ** 20 });
  const writes: number[][] = [];
  using client = new FramedConn(recorded(a, writes), framing());
  using _peer = b;
  const sizes = [1, 100_000, 2, 3, 100_000, 4];
  await Promise.all(sizes.map((size) => client.send(new Uint8Array(size))));
  assertEquals(writes.map((bytes) => bytes.length), [5, 100_004, 13, 100_004, 8]);
});

Deno.test("FramedConn.send() needs no encodeInto()", async () => {
  const [a, b] = memoryPair();
  const encoder: Encoder<string> = { encode: (word) => bytes(`${word};`) };
  using client = new FramedConn(a, { ...framing(), encoder });
  using _peer = b;
  await Promise.all(["one", "two", "three"].map((word) => client.send(word)));
  await client.closeWrite();
  assertEquals(await readToEnd(b), bytes("one;two;three;"));
});

Deno.test("FramedConn carries frames of any size, sent at once, through a pipe of any width", async () => {
  const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(70_000)), { maxLength: 12 });
  const capacity = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(65536));
  const property = fc.asyncProperty(sizes, capacity, async (sizes, capacity) => {
    if (capacity < 10) sizes = sizes.map((size) => size % 100);
    const [a, b] = memoryPair({ capacity });
    using client = new FramedConn(a, framing());
    using server = new FramedConn(b, framing());
    const sent = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
    const sending = Promise.all(sent.map((frame) => client.send(frame)))
      .then(() => client.closeWrite());
    const received: Uint8Array[] = [];
    for await (const frame of server) received.push(frame);
    await sending;
    assertEquals(received.map((frame) => frame.length), sizes);
    for (const [i, frame] of received.entries()) assert(frame.every((byte) => byte === i + 1));
  });
  await fc.assert(property, { numRuns: 60 });
});

Deno.test("FramedConn.send() leaves the others alone when it refuses a frame", async () => {
  const [a, b] = memoryPair();
  using client = new FramedConn(a, { ...framing(), encoder: new LengthEncoder({ maxLength: 2 }) });
  using server = new FramedConn(b, framing());
  const first = client.send(of(1));
  const refused = client.send(of(1, 2, 3));
  const last = client.send(of(2));
  await assertRejects(() => refused, RangeError);
  await Promise.all([first, last]);
  await assertRejects(() => client.send(of(1, 2, 3)), RangeError);
  await client.send(of(3));
  for (const n of [1, 2, 3]) assertEquals(await server.receive(), of(n));
});

Deno.test("FramedConn.send() rejects for good once a write has failed", async () => {
  const [a, b] = memoryPair();
  const broken = new Error("the cable");
  let writes = 0;
  const conn: Duplex = {
    ...recorded(a, []),
    write: () => ++writes > 1 ? Promise.reject(broken) : Promise.resolve(2),
  };
  using client = new FramedConn(conn, framing());
  using _peer = b;
  for (let i = 0; i < 2; i++) {
    const outcomes = await Promise.allSettled([client.send(of(1)), client.send(of(2))]);
    for (const outcome of outcomes) {
      assert(outcome.status === "rejected" && outcome.reason === broken);
    }
  }
  await assertRejects(() => client.closeWrite(), Error, "the cable");
  assertEquals(writes, 2);
});

Deno.test("FramedConn.receive() gives the frames in order, and null from FIN on", async () => {
  const [a, b] = memoryPair();
  using server = new FramedConn(b, framing());
  using _peer = a;
  await writeAll(a, of(0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, 1, 8));
  await a.closeWrite();
  assertEquals(await server.receive(), of(7));
  assertEquals(await server.receive(), of());
  assertEquals(await server.receive(), of(8));
  assertEquals(await server.receive(), null);
  assertEquals(await server.receive(), null);
});

Deno.test("FramedConn.receive() takes FIN inside a frame for an error, good frames first", async () => {
  const [a, b] = memoryPair();
  using server = new FramedConn(b, framing());
  using _peer = a;
  await writeAll(a, of(0, 0, 0, 1, 7, 0, 0, 0, 3, 1));
  await a.closeWrite();
  assertEquals(await server.receive(), of(7));
  const error = await assertRejects(() => server.receive(), FrameError);
  assertEquals([error.code, error.missing], ["truncated", 2]);
  assert(await assertRejects(() => server.receive(), FrameError) === error);
});

Deno.test("FramedConn.receive() loses nothing when it times out", async () => {
  const world = seededWorld(1);
  const [a, b] = memoryPair();
  using server = new FramedConn(b, { ...framing(), world });
  using _peer = a;
  await writeAll(a, of(0, 0, 0, 3, 7));
  const late = assertRejects(() => server.receive({ timeout: 100 }), DOMException);
  await world.advance(100);
  assertEquals((await late).name, "TimeoutError");
  const again = assertRejects(() => server.receive({ timeout: 100 }), DOMException);
  await world.advance(100);
  await again;
  await writeAll(a, of(8, 9, 0, 0, 0, 1, 5));
  assertEquals(await server.receive(), of(7, 8, 9));
  assertEquals(await server.receive({ timeout: 100 }), of(5));
});

Deno.test("FramedConn.receive() times out although bytes keep coming", async () => {
  const world = seededWorld(1);
  const [a, b] = memoryPair();
  using server = new FramedConn(b, { ...framing(), world });
  using _peer = a;
  const late = assertRejects(() => server.receive({ timeout: 100 }), DOMException);
  for (const byte of [0, 0, 0, 4, 1, 2]) {
    await world.advance(30);
    await a.write(of(byte));
  }
  assertEquals((await late).name, "TimeoutError");
  await writeAll(a, of(3, 4));
  assertEquals(await server.receive(), of(1, 2, 3, 4));
});

Deno.test("FramedConn.receive() rejects with the signal's reason, and loses nothing", async () => {
  const [a, b] = memoryPair();
  using server = new FramedConn(b, framing());
  using _peer = a;
  const patience = new AbortController();
  const waiting = assertRejects(() => server.receive({ signal: patience.signal }), Error, "enough");
  await a.write(of(0, 0, 0, 1));
  patience.abort(new Error("enough"));
  await waiting;
  await a.write(of(7));
  await assertRejects(() => server.receive({ signal: patience.signal }), Error, "enough");
  assertEquals(await server.receive(), of(7));
});

Deno.test("FramedConn.receive() rejects with an aborted signal even if a frame is there", async () => {
  const [a, b] = memoryPair();
  using server = new FramedConn(b, text());
  using _peer = a;
  await writeAll(a, bytes("one\ntwo\n"));
  assertEquals(await server.receive(), "one");
  await assertRejects(() => server.receive({ signal: AbortSignal.abort() }), DOMException);
  assertEquals(await server.receive(), "two");
});

Deno.test("FramedConn.receive() refuses a timeout that is none, and a second receive", async () => {
  const [a, b] = memoryPair();
  using server = new FramedConn(b, framing());
  using _peer = a;
  for (const timeout of [0, -1, NaN]) {
    await assertRejects(() => server.receive({ timeout }), RangeError, "'timeout' must be > 0");
  }
  const waiting = server.receive();
  await assertRejects(() => server.receive(), Deno.errors.Busy);
  await writeAll(a, of(0, 0, 0, 1, 7));
  assertEquals(await waiting, of(7));
});

Deno.test("FramedConn leaves the connection open when a loop over it is left", async () => {
  const [a, b] = memoryPair();
  using client = new FramedConn(a, text());
  using server = new FramedConn(b, text());
  await client.send("one");
  await client.send("two");
  for await (const line of server) {
    assertEquals(line, "one");
    break;
  }
  assertEquals(await server.receive(), "two");
});

Deno.test("FramedConn.closeWrite() sends FIN after every frame, and receiving goes on", async () => {
  const [a, b] = memoryPair({ capacity: 3 });
  using client = new FramedConn(a, text());
  using server = new FramedConn(b, text());
  const sent = Promise.all(["one", "two", "three"].map((line) => client.send(line)));
  const closed = client.closeWrite();
  assertEquals(await Array.fromAsync(server), ["one", "two", "three"]);
  await Promise.all([sent, closed, client.closeWrite()]);
  const answered = server.send("answer");
  assertEquals(await client.receive(), "answer");
  await answered;
});

Deno.test("FramedConn rejects what waits when it is disposed, twice without harm", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  const client = new FramedConn(a, framing());
  using _peer = b;
  const waiting = [client.receive(), client.send(of(1)), client.send(of(2))];
  client[Symbol.dispose]();
  client[Symbol.dispose]();
  for (const { status } of await Promise.allSettled(waiting)) assertEquals(status, "rejected");
});

Deno.test("FramedConn carries frames both ways at once over TCP", async () => {
  const [a, b] = await tcpPair();
  using client = new FramedConn(a, framing());
  using server = new FramedConn(b, framing());
  const sizes = Array.from({ length: 400 }, (_, i) => i % 40 === 0 ? 200_000 : i * 7 % 500);
  const exchange = async (conn: typeof client) => {
    const sending = (async () => {
      for (const [i, size] of sizes.entries()) await conn.send(new Uint8Array(size).fill(i));
      await conn.closeWrite();
    })();
    const received = await Array.fromAsync(conn);
    await sending;
    assertEquals(received.map((frame) => frame.length), sizes);
    for (const [i, frame] of received.entries()) assert(frame.every((byte) => byte === i % 256));
  };
  await Promise.all([exchange(client), exchange(server)]);
});

Deno.test("FramedConn.receive() times out over TCP without losing a byte", async () => {
  const [a, b] = await tcpPair();
  using server = new FramedConn(b, framing());
  using peer = a;
  await writeAll(peer, of(0, 0, 0, 2, 7));
  await assertRejects(() => server.receive({ timeout: 1 }), DOMException);
  await writeAll(peer, of(8));
  assertEquals(await server.receive(), of(7, 8));
});

Deno.test("frames() gives the frames until FIN, and leaves the connection open when left", async () => {
  const [a, b] = memoryPair();
  using _a = a;
  using _b = b;
  const decoder = new TextLineDecoder();
  await writeAll(a, bytes("one\ntwo\nthree"));
  await a.closeWrite();
  for await (const line of frames(b, decoder)) {
    assertEquals(line, "one");
    break;
  }
  assertEquals(await Array.fromAsync(frames(b, decoder)), ["two", "three"]);
  await writeAll(b, bytes("still open"));
});

Deno.test("frames() gives the good frames before it throws", async () => {
  const [a, b] = memoryPair();
  using _a = a;
  using _b = b;
  await writeAll(a, of(1, 7, 1, 8, 9));
  const seen: Uint8Array[] = [];
  const error = await assertRejects(async () => {
    const decoder = new LengthDecoder({ prefix: 1, maxLength: 2 });
    for await (const frame of frames(b, decoder)) seen.push(frame);
  }, FrameError);
  assertEquals(error.code, "too-long");
  assertEquals(seen, [of(7), of(8)]);
});

Deno.test("FramedConn.receiveNow() gives what has come, and never waits", async () => {
  const [a, b] = memoryPair();
  using peer = a;
  using conn = new FramedConn(b, { decoder: new LengthDecoder(), encoder: new LengthEncoder() });
  assertEquals(conn.receiveNow(), undefined);
  await writeAll(peer, Uint8Array.of(0, 0, 0, 1, 1, 0, 0, 0, 1, 2, 0, 0, 0, 1));
  assertEquals(conn.receiveNow(), undefined); // nobody has read yet
  assertEquals(await conn.receive(), Uint8Array.of(1));
  assertEquals(conn.receiveNow(), Uint8Array.of(2));
  assertEquals(conn.receiveNow(), undefined);
  await writeAll(peer, Uint8Array.of(3, 255, 255, 255, 255));
  assertEquals(await conn.receive(), Uint8Array.of(3));
  assertThrows(() => conn.receiveNow(), FrameError);
  await assertRejects(() => conn.receive(), FrameError);
});
