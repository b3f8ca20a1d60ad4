import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { closeAbruptly, closeGracefully, closeLingering } from "../../lib/stream/close.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { assertSameBytes, bytes, randomBytes, text } from "../_conformance.ts";
import { watchedSignal } from "../_listeners.ts";

Deno.test("closeGracefully() says FIN, drops what comes, and closes at the peer's FIN", async () => {
  const [ours, peer] = memoryPair();
  await writeAll(peer, bytes("unread"));
  const closing = closeGracefully(ours);
  assertEquals(await peer.read(new Uint8Array(1)), null);
  await writeAll(peer, bytes(", and more"));
  await peer.closeWrite();
  assertEquals(await closing, { peerFinished: true, discarded: 16, reason: "fin" });
  await assertRejects(() => ours.read(new Uint8Array(1)), Deno.errors.BadResource);
});

Deno.test("closeGracefully() closes when its time is up", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair();
  const closing = closeGracefully(ours, { timeout: 50, world });
  await world.advance(49);
  await writeAll(peer, bytes("x"));
  await world.advance(1);
  assertEquals(await closing, { peerFinished: false, discarded: 1, reason: "timeout" });
  await assertRejects(() => peer.write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("closeGracefully() closes in time although our FIN is stuck behind a write", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair({ capacity: 1 });
  await ours.write(bytes("x"));
  const stuck = assertRejects(() => ours.write(bytes("y")), Deno.errors.Interrupted);
  await peer.closeWrite();
  const closing = closeGracefully(ours, { timeout: 50, world });
  await world.advance(50);
  await stuck;
  assertEquals(await closing, { peerFinished: true, discarded: 0, reason: "timeout" });
});

Deno.test("closeGracefully() waits for as long as it takes with timeout: Infinity", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair();
  const closing = closeGracefully(ours, { timeout: Infinity, world });
  await world.advance(1e12);
  await peer.closeWrite();
  assertEquals((await closing).reason, "fin");
  assertEquals(world.sleepers, 0);
});

Deno.test("closeGracefully() closes at once when its signal aborts", async () => {
  const controller = new AbortController();
  const [ours, peer] = memoryPair();
  const closing = closeGracefully(ours, { signal: controller.signal });
  controller.abort();
  assertEquals(await closing, { peerFinished: false, discarded: 0, reason: "aborted" });
  assertEquals(await peer.read(new Uint8Array(1)), null);
});

Deno.test("closeGracefully() with a signal aborted beforehand only closes", async () => {
  const [ours] = memoryPair();
  const { reason } = await closeGracefully(ours, { signal: AbortSignal.abort() });
  assertEquals(reason, "aborted");
});

Deno.test("closeGracefully() lets go of its signal and its timer", async () => {
  const world = seededWorld(1);
  const watched = watchedSignal();
  const [ours, peer] = memoryPair();
  await peer.closeWrite();
  await closeGracefully(ours, { signal: watched.signal, world });
  await world.advance(0);
  assertEquals([watched.listeners, world.sleepers], [0, 0]);
});

Deno.test("closeGracefully() reports a reset and does not throw", async () => {
  const [ours, peer] = memoryPair();
  await writeAll(peer, bytes("x"));
  const closing = closeGracefully(ours);
  peer.reset();
  const { peerFinished, discarded, reason, error } = await closing;
  assertEquals({ peerFinished, discarded, reason }, {
    peerFinished: false,
    discarded: 1,
    reason: "reset",
  });
  assertInstanceOf(error, Deno.errors.ConnectionReset);
});

Deno.test("closeGracefully() of a closed connection reports an error and does not throw", async () => {
  const [ours] = memoryPair();
  ours[Symbol.dispose]();
  const { reason, error } = await closeGracefully(ours);
  assertEquals(reason, "error");
  assertInstanceOf(error, Deno.errors.BadResource);
});

Deno.test("closeGracefully() saves an answer that a plain close would cut", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  const server = await listener.accept();
  const answer = randomBytes(3 << 20, 1);
  await writeAll(client, new Uint8Array(1000)); // nobody will read this
  const closing = writeAll(server, answer).then(() => closeGracefully(server));
  assertSameBytes(await readToEnd(client), answer);
  await client.closeWrite();
  assertEquals(await closing, { peerFinished: true, discarded: 1000, reason: "fin" });
});

Deno.test("closeLingering() closes when the peer has been quiet for long enough", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair();
  const closing = closeLingering(ours, { quietTimeout: 50, world });
  await world.advance(40);
  await writeAll(peer, bytes("still here"));
  await world.advance(49);
  assertEquals(await peer.write(bytes("!")), 1); // not closed yet
  await world.advance(50);
  assertEquals(await closing, { peerFinished: false, discarded: 11, reason: "quiet" });
  assertEquals(world.sleepers, 0);
});

Deno.test("closeLingering() does not take a peer for quiet that still reads what we wrote", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair({ capacity: 4 });
  await ours.write(bytes("four"));
  const waiting = ours.write(bytes("more"));
  const closing = closeLingering(ours, { quietTimeout: 50, world });
  await world.advance(1000);
  assertEquals(text(await readToEnd(peer)), "fourmore");
  await waiting;
  await world.advance(50);
  assertEquals((await closing).reason, "quiet");
});

Deno.test("closeLingering() drops so many bytes and no more", async () => {
  const [ours, peer] = memoryPair();
  const closing = closeLingering(ours, { maxBytes: 10 });
  await writeAll(peer, new Uint8Array(10));
  await writeAll(peer, new Uint8Array(1));
  assertEquals(await closing, { peerFinished: false, discarded: 11, reason: "flood" });
  await assertRejects(() => peer.write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("closeLingering() waits for a peer that goes on for no longer than its time", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair();
  const closing = closeLingering(ours, { timeout: 200, quietTimeout: 50, world });
  for (let i = 0; i < 5; i++) {
    await writeAll(peer, bytes("x"));
    await world.advance(40);
  }
  assertEquals(await closing, { peerFinished: false, discarded: 5, reason: "timeout" });
});

Deno.test("closeLingering() closes at once when the peer says FIN", async () => {
  const world = seededWorld(1);
  const [ours, peer] = memoryPair();
  await writeAll(peer, bytes("bye"));
  await peer.closeWrite();
  assertEquals(await closeLingering(ours, { world }), {
    peerFinished: true,
    discarded: 3,
    reason: "fin",
  });
  await world.advance(0);
  assertEquals(world.sleepers, 0);
});

Deno.test("closeLingering() saves an answer from an upload that nobody reads", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  const server = await listener.accept();
  const answer = randomBytes(3 << 20, 1);
  await writeAll(client, new Uint8Array(100_000));
  const closing = writeAll(server, answer).then(() => closeLingering(server));
  const got = new Uint8Array(answer.length);
  for (let filled = 0; filled < got.length;) {
    filled += (await client.read(got.subarray(filled)))!;
    await writeAll(client, new Uint8Array(10_000)); // and on it goes, while it reads
  }
  assertSameBytes(got, answer);
  await client.closeWrite();
  assertEquals((await closing).reason, "fin");
});

Deno.test("closeAbruptly() resets what can be reset, and says so", async () => {
  const [ours, peer] = memoryPair();
  assertEquals(closeAbruptly(ours), "reset");
  await assertRejects(() => peer.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("closeAbruptly() of a Deno.TcpConn is FIN, even with bytes unread (Deno 2.9.6)", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  const server = await listener.accept();
  await writeAll(client, bytes("unread"));
  await server.read(new Uint8Array(1)); // so the rest is there as well
  assertEquals(closeAbruptly(server), "closed");
  assertEquals(await client.read(new Uint8Array(1)), null);
  await assertRejects(async () => {
    while (true) await client.write(bytes("x"));
  }, Deno.errors.BrokenPipe);
});
