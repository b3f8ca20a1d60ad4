import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable, type ResettableConn } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { assertSameBytes, bytes, randomBytes, text } from "../_conformance.ts";

/** A raw connection of Deno, and its peer, which can reset it. */
async function connected(): Promise<[Deno.TcpConn, ResettableConn]> {
  using listener = await listenResettable();
  const { port } = listener.addr;
  return await Promise.all([Deno.connect({ port }), listener.accept()]);
}

Deno.test("TcpStream knows both addresses, as plain objects that Deno.connect takes", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  using _peer = peer;
  assertEquals(stream.localAddr, peer.remoteAddr);
  assertEquals(stream.remoteAddr, peer.localAddr);
});

Deno.test("TcpStream counts what it reads and what it writes", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  using _peer = peer;
  await writeAll(stream, new Uint8Array(300));
  await writeAll(peer, new Uint8Array(500));
  await readExact(stream, 400);
  assertEquals([stream.bytesWritten, stream.bytesRead], [300, 400]);
});

Deno.test("TcpStream says who has finished", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  using _peer = peer;
  assertEquals([stream.peerFinished, stream.writeClosed, stream.closed], [false, false, false]);
  await stream.closeWrite();
  assertEquals([stream.peerFinished, stream.writeClosed, stream.closed], [false, true, false]);
  await peer.closeWrite();
  assertEquals(await stream.read(new Uint8Array(1)), null);
  assertEquals([stream.peerFinished, stream.writeClosed, stream.closed], [true, true, false]);
  stream.close();
  assertEquals([stream.peerFinished, stream.writeClosed, stream.closed], [true, true, true]);
});

Deno.test("Deno.TcpConn.read() tells of a reset once, and then null as if it were EOF", async () => {
  const [raw, peer] = await connected();
  using _raw = raw;
  peer.reset();
  await assertRejects(() => raw.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assertEquals(await raw.read(new Uint8Array(1)), null);
});

Deno.test("TcpStream.read() tells of a reset each time, and so does write()", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  peer.reset();
  const first = await assertRejects(
    () => stream.read(new Uint8Array(1)),
    Deno.errors.ConnectionReset,
  );
  for (let i = 0; i < 3; i++) {
    assertStrictEquals(await assertRejects(() => stream.read(new Uint8Array(1))), first);
    assertStrictEquals(await assertRejects(() => stream.write(new Uint8Array(1))), first);
  }
  assertStrictEquals(stream.failure, first);
  assertEquals(stream.peerFinished, false);
});

Deno.test("TcpStream.read() tells of a reset that a write heard of first", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  await writeAll(peer, bytes("before"));
  assertEquals(text(await readExact(stream, 1)), "b");
  peer.reset();
  await assertRejects(async () => {
    while (true) await stream.write(new Uint8Array(1024));
  }, Deno.errors.ConnectionReset);
  assertEquals(text(await readExact(stream, 5)), "efore");
  await assertRejects(() => stream.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("TcpStream tells each of several waiting reads of a reset", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  const reads = [1, 2, 3].map(() =>
    assertRejects(() => stream.read(new Uint8Array(1)), Deno.errors.ConnectionReset)
  );
  peer.reset();
  await Promise.all(reads);
});

Deno.test("TcpStream.read() gives all that a peer sent before it closed on our writes", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const raw = await Deno.connect({ port: listener.addr.port });
  using stream = new TcpStream(raw);
  const peer = await listener.accept();
  const answer = randomBytes(100_000, 1);
  await writeAll(peer, answer);
  assertSameBytes(await readExact(stream, 1), answer.subarray(0, 1));
  peer.close();
  const refusal = await assertRejects(async () => {
    while (true) await stream.write(new Uint8Array(1024));
  }, Deno.errors.BrokenPipe);
  assertEquals([stream.refusal, stream.failure], [refusal, undefined]);
  assertStrictEquals(await assertRejects(() => stream.write(new Uint8Array(1))), refusal);
  assertSameBytes(await readToEnd(stream), answer.subarray(1));
  assertEquals(stream.failure, undefined);
  assertEquals(stream.peerFinished, true);
});

Deno.test("TcpStream does not take its own closing for a failure", async () => {
  const [raw, peer] = await connected();
  using _peer = peer;
  const stream = new TcpStream(raw);
  const reading = assertRejects(() => stream.read(new Uint8Array(1)), Deno.errors.Interrupted);
  stream.close();
  stream.close();
  await reading;
  await assertRejects(() => stream.read(new Uint8Array(1)), Deno.errors.BadResource);
  assertEquals(stream.failure, undefined);
});

Deno.test("TcpStream does not take a wrong argument for a failure", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  using _peer = peer;
  await assertRejects(() => stream.write("text" as unknown as Uint8Array), TypeError);
  assertEquals(stream.failure, undefined);
  await writeAll(stream, bytes("x"));
});

Deno.test("TcpStream passes socket options on", async () => {
  const [raw, peer] = await connected();
  using stream = new TcpStream(raw);
  using _peer = peer;
  stream.setNoDelay();
  stream.setNoDelay(false);
  stream.setKeepAlive();
  stream.unref();
  stream.ref();
  assert(!stream.closed);
});
