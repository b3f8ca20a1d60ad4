import { assertEquals, assertLess, assertRejects, assertStrictEquals } from "@std/assert";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";
import { watchedSignal } from "../_listeners.ts";
import { needs } from "../_needs.ts";
import { assertSameBytes, bytes, randomBytes, text } from "../_conformance.ts";

/** A resettable connection, and a peer that is Deno's own. */
async function withDeno() {
  using listener = await listenResettable();
  const { port } = listener.addr;
  const [raw, ours] = await Promise.all([Deno.connect({ port }), listener.accept()]);
  return { ours, peer: new TcpStream(raw) };
}

Deno.test("ResettableConn knows both addresses", async () => {
  using listener = await listenResettable();
  using client = await dialResettable(listener.addr);
  using server = await listener.accept();
  assertEquals(server.localAddr, listener.addr);
  assertEquals(client.remoteAddr, listener.addr);
  assertEquals(server.remoteAddr, client.localAddr);
});

needs({ run: ["ss"] }, "ResettableConn.reset() leaves no TIME_WAIT, closing does", async () => {
  const states = async (end: (conn: Disposable & { reset(): void }) => void) => {
    const { ours, peer } = await withDeno();
    const [near, far] = [ours.localAddr.port, ours.remoteAddr.port];
    end(ours);
    await readToEnd(peer).catch(() => {});
    peer.close();
    const { stdout } = await new Deno.Command("ss", {
      args: ["-tanH", `( sport = :${near} and dport = :${far} )`],
    }).output();
    return text(stdout).split(" ")[0];
  };
  assertEquals(await states((conn) => conn.reset()), "");
  assertEquals(await states((conn) => conn[Symbol.dispose]()), "TIME-WAIT");
});

Deno.test("ResettableConn closed with bytes unread says RST, as the kernel does", async () => {
  const { ours, peer } = await withDeno();
  using _peer = peer;
  await writeAll(peer, bytes("unread, and read"));
  await readExact(ours, 1); // so the rest is there as well
  await writeAll(peer, new Uint8Array(1 << 20)); // more than it reads ahead
  ours[Symbol.dispose]();
  await assertRejects(() => peer.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("ResettableConn.write() takes at most 64 KiB", async () => {
  const { ours, peer } = await withDeno();
  using _ours = ours;
  using _peer = peer;
  const sizes = new Set<number>();
  const data = randomBytes(1 << 20, 1);
  const reading = readExact(peer, data.length);
  for (let at = 0; at < data.length;) {
    const n = await ours.write(data.subarray(at));
    sizes.add(n);
    at += n;
  }
  assertEquals(Math.max(...sizes), 65536);
  assertSameBytes(await reading, data);
});

Deno.test("ResettableConn makes a peer wait that sends more than it reads", async () => {
  const { ours, peer } = await withDeno();
  using _ours = ours;
  using _peer = peer;
  const reading = ours.read(new Uint8Array(1)); // from here on it may read ahead
  let sent = 0;
  const sending = (async () => {
    const block = new Uint8Array(65536);
    while (sent < 64 << 20) sent += await peer.write(block);
  })().catch(() => {});
  await reading;
  let before = -1;
  while (sent !== before) {
    before = sent;
    // Bytes that go the other way are the clock.
    for (let turn = 0; turn < 50; turn++) {
      await writeAll(ours, bytes("."));
      await readExact(peer, 1);
    }
  }
  assertLess(sent, 32 << 20);
  peer.close();
  await sending;
});

Deno.test("ResettableConn.read() gives all that a peer sent before it closed on our writes", async () => {
  const { ours, peer } = await withDeno();
  using _ours = ours;
  const answer = randomBytes(100_000, 1);
  await writeAll(peer, answer);
  assertSameBytes(await readExact(ours, 1), answer.subarray(0, 1));
  peer.close();
  await assertRejects(async () => {
    while (true) await ours.write(new Uint8Array(1024));
  }, Deno.errors.BrokenPipe);
  assertSameBytes(await readToEnd(ours), answer.subarray(1));
});

Deno.test("ResettableConn gives all that came ahead of a reset, then the same error each time", async () => {
  using listener = await listenResettable();
  using client = await dialResettable(listener.addr);
  using server = await listener.accept();
  const data = randomBytes(4000, 1); // one segment: where its first byte is, all are
  await writeAll(server, data);
  assertSameBytes(await readExact(client, 1), data.subarray(0, 1));
  server.reset();
  assertSameBytes(await readExact(client, data.length - 1), data.subarray(1));
  const first = await assertRejects(
    () => client.read(new Uint8Array(1)),
    Deno.errors.ConnectionReset,
  );
  assertEquals((first as Error & { code?: string }).code, "ECONNRESET");
  assertStrictEquals(await assertRejects(() => client.read(new Uint8Array(1))), first);
  assertStrictEquals(await assertRejects(() => client.write(new Uint8Array(1))), first);
  await client.closeWrite(); // as Deno's: nothing to say, nothing to complain about
});

Deno.test("ResettableConn.write() fails when it waits and the peer says FIN (Deno 2.9.6)", async () => {
  // If this test fails, Deno has learnt it (denoland/deno#33860): strike FIRST_WRITE in
  // resettable.ts, and this test.
  const { ours, peer } = await withDeno();
  using _ours = ours;
  using _peer = peer;
  const writing = assertRejects(async () => {
    while (true) await ours.write(new Uint8Array(65536));
  }, Deno.errors.BrokenPipe);
  await peer.closeWrite();
  await writing;
});

Deno.test("listenResettable() loses nothing that came before the first read", async () => {
  using listener = await listenResettable();
  using client = await Deno.connect({ port: listener.addr.port });
  await writeAll(client, bytes("early"));
  await client.closeWrite();
  using server = await listener.accept();
  assertEquals(text(await readToEnd(server)), "early");
  await writeAll(server, bytes("answer"));
  await server.closeWrite();
  assertEquals(text(await readToEnd(client)), "answer");
});

Deno.test("ResettableListener.accept() serves those who wait in order", async () => {
  using listener = await listenResettable();
  const accepts = [listener.accept(), listener.accept()];
  using first = await dialResettable(listener.addr);
  using second = await dialResettable(listener.addr);
  const [one, two] = await Promise.all(accepts);
  using _one = one!;
  using _two = two!;
  assertEquals(one!.remoteAddr, first.localAddr);
  assertEquals(two!.remoteAddr, second.localAddr);
});

Deno.test("ResettableListener disposed rejects those who wait, resets those who came, frees the port", async () => {
  const listener = await listenResettable();
  using client = await dialResettable(listener.addr);
  using served = await listener.accept();
  using waiting = await dialResettable(listener.addr);
  const { port } = listener.addr;
  const gone = assertRejects(() => waiting.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  listener[Symbol.dispose]();
  listener[Symbol.dispose]();
  await gone;
  await assertRejects(() => listener.accept(), Deno.errors.BadResource);
  await writeAll(served, bytes("still here"));
  assertEquals(text(await readExact(client, 10)), "still here");
  using again = await listenResettable({ port });
  assertEquals(again.addr.port, port);
});

Deno.test("ResettableListener disposed rejects an accept() that waits", async () => {
  const listener = await listenResettable();
  const accepting = assertRejects(() => listener.accept(), Deno.errors.BadResource);
  listener[Symbol.dispose]();
  await accepting;
});

Deno.test("listenResettable() outlives clients that reset at once", async () => {
  using listener = await listenResettable();
  for (let i = 0; i < 50; i++) (await dialResettable(listener.addr)).reset();
  using client = await dialResettable(listener.addr);
  await writeAll(client, bytes("me"));
  while (true) {
    using server = await listener.accept();
    if (server.remoteAddr.port !== client.localAddr.port) continue;
    assertEquals(text(await readExact(server, 2)), "me");
    break;
  }
});

Deno.test("listenResettable() resets who comes when backlog connections wait", async () => {
  using listener = await listenResettable({ backlog: 1 });
  using first = await dialResettable(listener.addr);
  await assertRejects(async () => {
    using second = await dialResettable(listener.addr); // may see the reset itself
    await second.read(new Uint8Array(1));
  }, Deno.errors.ConnectionReset);
  using server = await listener.accept();
  assertEquals(server.remoteAddr, first.localAddr);
});

Deno.test("listenResettable() throws AddrInUse with its code when the port is taken", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const error = await assertRejects(() => listenResettable({ port }), Deno.errors.AddrInUse);
  assertEquals((error as Error & { code?: string }).code, "EADDRINUSE");
});

Deno.test("dialResettable() throws ConnectionRefused with its code when nobody listens", async () => {
  const { port } = unusedAddr();
  const error = await assertRejects(
    () => dialResettable({ hostname: "127.0.0.1", port }),
    Deno.errors.ConnectionRefused,
  );
  assertEquals((error as Error & { code?: string }).code, "ECONNREFUSED");
});

Deno.test("dialResettable() resolves names", async () => {
  using listener = await listenResettable();
  using client = await dialResettable({ hostname: "localhost", port: listener.addr.port });
  assertEquals(client.remoteAddr.port, listener.addr.port);
});

Deno.test("dialResettable() gives up after its timeout", async () => {
  const world = seededWorld(1);
  await using full = await fullListener();
  const dialing = assertRejects(
    () => dialResettable(full.addr, { timeout: 500, world }),
    DOMException,
  );
  await world.advance(500);
  assertEquals((await dialing).name, "TimeoutError");
});

Deno.test("dialResettable() puts its timer away once it is connected", async () => {
  const world = seededWorld(1);
  using listener = await listenResettable();
  using _client = await dialResettable(listener.addr, { world });
  await world.advance(0);
  assertEquals([world.sleeps, world.sleepers], [[10_000], 0]);
});

Deno.test("dialResettable() ends with the reason of its signal", async () => {
  await using full = await fullListener();
  const controller = new AbortController();
  const reason = new Error("never mind");
  const dialing = assertRejects(() => dialResettable(full.addr, { signal: controller.signal }));
  controller.abort(reason);
  assertStrictEquals(await dialing, reason);
  const aborted = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => dialResettable(full.addr, { signal: aborted })),
    reason,
  );
});

needs({ run: ["ss"] }, "dialResettable() that gave up leaves no attempt behind", async () => {
  await using full = await fullListener();
  const controller = new AbortController();
  const dialing = assertRejects(() => dialResettable(full.addr, { signal: controller.signal }));
  const attempts = async () => {
    const args = ["-tanH", "state", "syn-sent", `( dport = :${full.addr.port} )`];
    const { stdout } = await new Deno.Command("ss", { args }).output();
    return text(stdout).split("\n").length - 1;
  };
  let seen = 0;
  for (let look = 0; look < 100 && seen === 0; look++) seen = await attempts();
  assertEquals(seen, 1);
  controller.abort();
  await dialing;
  assertEquals(await attempts(), 0);
});

Deno.test("dialResettable() lets go of its signal once it is connected", async () => {
  using listener = await listenResettable();
  const watched = watchedSignal();
  using _client = await dialResettable(listener.addr, { signal: watched.signal });
  assertEquals(watched.listeners, 0);
});

/** Where nobody listens any more. */
function unusedAddr(): Deno.NetAddr {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr;
}

/** A listener whose queue is full: who dials it waits. */
async function fullListener() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 0 });
  const addr = { hostname: "127.0.0.1", port: listener.addr.port };
  const queued = await Deno.connect(addr);
  return {
    addr,
    [Symbol.asyncDispose]() {
      queued.close();
      listener.close();
      return Promise.resolve();
    },
  };
}
