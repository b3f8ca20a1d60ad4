/** Every way in which a connection through a proxy ends, in a world that only we move. */

import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { CidrList } from "../../lib/proxy/cidr.ts";
import { Balancer } from "../../lib/proxy/balancer.ts";
import { serveProxy, type ServeProxyOptions } from "../../lib/proxy/proxy.ts";
import { proxyHeader } from "../../lib/proxy/proxy_header.ts";
import { encodeProxyHeader } from "../../lib/proxy/proxy_protocol.ts";
import { ServerQueue } from "../../lib/proxy/server_queue.ts";
import { type ConnectUpstream, toBalanced } from "../../lib/proxy/upstream.ts";
import { type Duplex, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { type MemoryConn, memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, text } from "../_conformance.ts";
import { MemoryListener } from "./_memory_listener.ts";
import { Records } from "./_records.ts";

/** A proxy in memory, in front of a server that the test plays. */
function setUp(options: Partial<ServeProxyOptions> = {}, capacity = 65536) {
  const world = seededWorld(1);
  const listener = new MemoryListener(capacity);
  const records = new Records();
  const connected = Promise.withResolvers<MemoryConn>();
  const connect: ConnectUpstream = () => {
    const [conn, server] = memoryPair({ capacity });
    connected.resolve(server);
    return Promise.resolve({ conn, server: "s1" });
  };
  const proxy = serveProxy({
    connect,
    listener,
    world,
    onConn: records.take,
    onError: (error) => {
      throw error;
    },
    ...options,
  });
  const close = async (client: MemoryConn) => {
    client[Symbol.dispose]();
    const draining = proxy.shutdown();
    for (let i = 0; i < 5; i++) await world.advance(10_000);
    await draining;
    assertEquals(world.sleepers, 0);
  };
  return { world, listener, records, proxy, server: connected.promise, close };
}

/** A server that is never found, or fails, as told. */
function seeking() {
  const { promise, reject } = Promise.withResolvers<never>();
  const asked = Promise.withResolvers<AbortSignal>();
  const connect: ConnectUpstream = (_client, { signal }) => {
    asked.resolve(signal);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    return promise;
  };
  return { connect, asked: asked.promise, reject };
}

Deno.test("end --: both said FIN, and the record has both counts", async () => {
  const { listener, records, server, close } = setUp();
  const client = listener.connect();
  await writeAll(client, bytes("ask"));
  await client.closeWrite();
  const far = await server;
  assertEquals(text(await readToEnd(far)), "ask");
  await writeAll(far, bytes("answer"));
  await far.closeWrite();
  assertEquals(text(await readToEnd(client)), "answer");
  assertEquals(await records.next(), {
    id: 1,
    client: { transport: "tcp", hostname: "192.0.2.7", port: 51000 } as never,
    server: "s1",
    bytesUp: 3,
    bytesDown: 6,
    duration: 0,
    queueTime: 0,
    connectTime: 0,
    retries: 0,
    end: { code: "--", why: "the client said FIN, then the server" },
  });
  await close(client);
});

Deno.test("end PR: an address that is denied, or not allowed, gets nothing", async () => {
  for (
    const rules of [
      { deny: new CidrList(["192.0.2.0/24"]) },
      { allow: new CidrList(["10.0.0.0/8"]) },
      { allow: new CidrList(["192.0.2.0/24"]), deny: new CidrList(["192.0.2.7"]) },
    ]
  ) {
    const { listener, records, close } = setUp(rules);
    const client = listener.connect();
    assertEquals(await client.read(new Uint8Array(1)), null);
    const { end, server } = await records.next();
    assertEquals([end.code, server], ["PR", undefined]);
    await close(client);
  }
});

Deno.test("end RR: more connections than one client may have; others have theirs", async () => {
  const { listener, records, close } = setUp({ maxConnsPerClient: 1 });
  const first = listener.connect("192.0.2.7", 1);
  const second = listener.connect("192.0.2.7", 2);
  const other = listener.connect("192.0.2.8", 3);
  assertEquals(await second.read(new Uint8Array(1)), null);
  const { id, end } = await records.next();
  assertEquals([id, end.code], [2, "RR"]);
  // A mapped address is the same client.
  const mapped = listener.connect("::ffff:192.0.2.8", 4);
  assertEquals(await mapped.read(new Uint8Array(1)), null);
  assertEquals((await records.next()).end.code, "RR");
  // Once the first has gone, there is a place again.
  first.reset();
  assertEquals((await records.next()).end.code, "CD");
  const third = listener.connect("192.0.2.7", 5);
  third.reset();
  const { id: fifth, end: reset } = await records.next();
  assertEquals([fifth, /^C[CD]$/.test(reset.code)], [5, true]);
  other.reset();
  await close(other);
});

Deno.test("a client's place is free again when no server was found for it", async () => {
  const connect: ConnectUpstream = () => Promise.reject(new Deno.errors.ConnectionRefused());
  const { listener, records, close } = setUp({ connect, maxConnsPerClient: 1 });
  const clients = [listener.connect(), undefined as unknown as MemoryConn];
  assertEquals((await records.next()).end.code, "SC");
  clients[1] = listener.connect();
  assertEquals((await records.next()).end.code, "SC");
  for (const client of clients) client[Symbol.dispose]();
  await close(clients[0]!);
});

Deno.test("a server that breaks off at the PROXY header is let go, and its place with it", async () => {
  let released = 0;
  const [conn, far] = memoryPair();
  far.reset();
  const { listener, records, close } = setUp({
    connect: () => Promise.resolve({ conn, server: "s1", release: () => void released++ }),
    sendProxy: 2,
  });
  const client = listener.connect();
  const { end, server } = await records.next();
  assertEquals([end.code, server, released], ["SC", "s1", 1]);
  await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.BadResource);
  await close(client);
});

Deno.test("a server's place is given back once, when the connection has ended", async () => {
  let released = 0;
  const [conn, far] = memoryPair();
  const { listener, records, close } = setUp({
    connect: () => Promise.resolve({ conn, server: "s1", release: () => void released++ }),
  });
  const client = listener.connect();
  await writeAll(client, bytes("x"));
  await readExact(far, 1);
  assertEquals(released, 0);
  client.reset();
  await records.next();
  assertEquals(released, 1);
  await close(client);
});

const trusting = (others?: "direct") => ({
  acceptProxy: {
    trusted: new CidrList(["192.0.2.7"]),
    timeout: 3000,
    ...others && { others },
  },
});

Deno.test("a PROXY header from who is trusted says who the client is, to rules and servers", async () => {
  const { listener, records, server, close } = setUp({
    ...trusting(),
    sendProxy: 1,
    allow: new CidrList(["198.51.100.0/24"]),
  });
  const client = listener.connect();
  const source = { hostname: "198.51.100.3", port: 1234 };
  const destination = { hostname: "198.51.100.1", port: 80 };
  await writeAll(client, encodeProxyHeader(proxyHeader(source, destination), { version: 2 }));
  await writeAll(client, bytes("hello"));
  await client.closeWrite();
  const far = await server;
  assertEquals(
    text(await readToEnd(far)),
    "PROXY TCP4 198.51.100.3 198.51.100.1 1234 80\r\nhello",
  );
  far[Symbol.dispose]();
  const record = await records.next();
  assertEquals([record.client, record.via?.hostname], [source, "192.0.2.7"]);
  assertEquals([record.bytesUp, record.end.code], [5, "--"]);
  await close(client);
});

Deno.test("end PR: a stranger behind which there is no proxy, or a header that is none", async () => {
  const { listener, records, close } = setUp(trusting());
  const stranger = listener.connect("192.0.2.99");
  assertEquals(await stranger.read(new Uint8Array(1)), null);
  assertEquals((await records.next()).end.why, "it is no proxy that is trusted");
  const client = listener.connect();
  await writeAll(client, bytes("GET / HTTP/1.1\r\n"));
  assertEquals((await records.next()).end.code, "PR");
  await close(client);
});

Deno.test("a stranger may be a client like any other, and its header is only bytes", async () => {
  const { listener, records, server, close } = setUp(trusting("direct"));
  const client = listener.connect("192.0.2.99");
  const header = "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n";
  await writeAll(client, bytes(header));
  assertEquals(text(await readExact(await server, header.length)), header);
  client.reset();
  assertEquals((await records.next()).client.hostname, "192.0.2.99");
  await close(client);
});

Deno.test("end cR, CR, KR: a header that never comes, its client that leaves, a proxy that ends", async () => {
  const { listener, records, world, proxy } = setUp(trusting());
  const silent = listener.connect();
  await world.advance(3000);
  assertEquals((await records.next()).end.code, "cR");
  const leaving = listener.connect();
  await leaving.closeWrite();
  assertEquals((await records.next()).end.code, "CR");
  const broken = listener.connect();
  broken.reset();
  assertEquals((await records.next()).end.code, "CR");
  listener.connect();
  await world.advance(1);
  const ended = proxy.abort();
  assertEquals((await records.next()).end.code, "KR");
  await world.advance(1000);
  await ended;
  silent[Symbol.dispose]();
});

Deno.test("end SC: a server that refuses; the client hears FIN at once, and the log says why", async () => {
  const { connect, reject } = seeking();
  const { listener, records, close } = setUp({ connect });
  const client = listener.connect();
  await writeAll(client, bytes("too early"));
  reject(new Deno.errors.ConnectionRefused());
  assertEquals(await client.read(new Uint8Array(1)), null);
  const { end, retries, bytesUp } = await records.next();
  assertEquals([end.code, retries, bytesUp], ["SC", 0, 0]);
  await close(client);
});

Deno.test("end RC, IC: no port is left, or something is wrong with the proxy", async () => {
  for (
    const [error, code] of [
      [new Deno.errors.AddrNotAvailable(), "RC"],
      [Object.assign(new Error("Too many open files"), { code: "EMFILE" }), "RC"],
      [new Deno.errors.TimedOut(), "sC"],
      [new Deno.errors.NotCapable("no"), "IC"],
      [new TypeError("a bug"), "IC"],
    ] as const
  ) {
    const { connect, reject } = seeking();
    const { listener, records, close } = setUp({ connect });
    const client = listener.connect();
    reject(error);
    const record = await records.next();
    assertEquals([record.end.code, record.error], [code, error]);
    await close(client);
  }
});

Deno.test("end sC: connectTimeout, to the millisecond", async () => {
  const { connect, asked } = seeking();
  const { listener, records, world, close } = setUp({ connect, connectTimeout: 700 });
  const client = listener.connect();
  const signal = await asked;
  await world.advance(699);
  assertEquals(signal.aborted, false);
  await world.advance(1);
  assertEquals(signal.aborted, true);
  const { end, connectTime } = await records.next();
  assertEquals([end, connectTime], [{ code: "sC", why: "no server within 700 ms" }, 700]);
  await close(client);
});

Deno.test("end CC: a client that resets while its server is sought ends the search", async () => {
  const { connect, asked } = seeking();
  const { listener, records, world, close } = setUp({ connect });
  const client = listener.connect();
  await writeAll(client, bytes("said before"));
  const signal = await asked;
  client.reset();
  // What comes behind the first bytes is looked for a moment later.
  await world.advance(99);
  assertEquals(records.all, []);
  await world.advance(1);
  assertEquals((await records.next()).end, { code: "CC", why: "the client left" });
  assertEquals(signal.aborted, true);
  await close(client);
});

Deno.test("a FIN before the server is found is no reason to give up", async () => {
  const found = Promise.withResolvers<void>();
  const [conn, far] = memoryPair();
  const { listener, records, close } = setUp({
    connect: async () => {
      await found.promise;
      return { conn, server: "s1" };
    },
  });
  const client = listener.connect();
  await writeAll(client, bytes("all I have to say"));
  await client.closeWrite();
  found.resolve();
  assertEquals(text(await readToEnd(far)), "all I have to say");
  await writeAll(far, bytes("noted"));
  far[Symbol.dispose]();
  assertEquals(text(await readToEnd(client)), "noted");
  assertEquals((await records.next()).end.code, "--");
  await close(client);
});

Deno.test("end KC: a proxy that is shut down without patience ends the search as well", async () => {
  const { connect, asked } = seeking();
  const { listener, records, proxy, world } = setUp({ connect });
  listener.connect();
  const signal = await asked;
  const ended = proxy.abort();
  assertEquals((await records.next()).end.code, "KC");
  assertEquals(signal.aborted, true);
  await world.advance(1000);
  await ended;
});

Deno.test("end KC: also of a client that has said FIN, or more than is kept", async () => {
  for (const how of ["FIN", "much"]) {
    const { connect, asked } = seeking();
    const { listener, records, proxy, world } = setUp({ connect });
    const client = listener.connect();
    if (how === "FIN") await client.closeWrite();
    else await writeAll(client, new Uint8Array(20_000));
    const signal = await asked;
    for (let i = 0; i < 5; i++) await world.advance(100);
    const ended = proxy.abort();
    assertEquals((await records.next()).end.code, "KC");
    assertEquals(signal.aborted, true);
    await world.advance(1000);
    await ended;
  }
});

/** One server that takes one connection, and a queue of one for it. */
function queueing(timeout = 500) {
  const world = seededWorld(1);
  const balancer = new Balancer<string>({ world });
  balancer.add("a", "there", { maxConns: 1 });
  const queue = new ServerQueue(balancer, { maxWaiting: 1, timeout, world });
  const open = (): Promise<Duplex> => Promise.resolve(memoryPair()[0]);
  return { world, balancer, connect: toBalanced(queue, { open, world, retryDelay: 10 }) };
}

Deno.test("end sQ, RQ: a place that does not become free in time, and a queue that is full", async () => {
  const { world, connect } = queueing();
  const { listener, records } = setUp({ connect, world });
  const served = listener.connect("192.0.2.1");
  await world.advance(1);
  const waiting = listener.connect("192.0.2.2");
  await world.advance(1);
  const third = listener.connect("192.0.2.3");
  assertEquals(await third.read(new Uint8Array(1)), null);
  assertEquals((await records.next()).end.code, "RQ");
  await world.advance(500);
  const { end, queueTime } = await records.next();
  assertEquals([end.code, queueTime], ["sQ", 500]);
  for (const client of [served, waiting, third]) client[Symbol.dispose]();
});

Deno.test("end CQ: who leaves the queue, and who gets the place of one that has ended", async () => {
  const { world, connect } = queueing();
  const { listener, records } = setUp({ connect, world });
  const served = listener.connect("192.0.2.1");
  await world.advance(1);
  const leaving = listener.connect("192.0.2.2");
  await world.advance(1);
  leaving.reset();
  assertEquals((await records.next()).end.code, "CQ");
  const next = listener.connect("192.0.2.3");
  await world.advance(20);
  served.reset();
  assertEquals((await records.next()).end.code, "CD");
  await world.advance(1);
  next.reset();
  const { server, queueTime } = await records.next();
  assertEquals([server, queueTime], ["a", 20]);
});

Deno.test("end SQ: no server is up", async () => {
  const { world, balancer, connect } = queueing();
  balancer.set("a", { up: false });
  const { listener, records } = setUp({ connect, world });
  const client = listener.connect();
  assertEquals((await records.next()).end, { code: "SQ", why: "no server: all down" });
  client[Symbol.dispose]();
  balancer.add("b", "drained", { mode: "drain" });
  balancer.add("c", "idle", { weight: 0 });
  balancer.add("d", "drained as well", { mode: "drain" });
  const next = listener.connect();
  assertEquals((await records.next()).end, {
    code: "SQ",
    why: "no server takes connections: 1 down, 2 draining, 1 weight 0",
  });
  next[Symbol.dispose]();
});

Deno.test("a server that refuses is passed over, and the record has the retry", async () => {
  const world = seededWorld(1);
  const balancer = new Balancer<string>({ algorithm: "first", world });
  for (const id of ["a", "b"]) balancer.add(id, id);
  const failed: string[] = [];
  const connect = toBalanced(new ServerQueue(balancer, { world }), {
    world,
    open: (target) => {
      if (target === "a") return Promise.reject(new Deno.errors.ConnectionRefused());
      return Promise.resolve(memoryPair()[0]);
    },
    onFailure: ({ id }) => failed.push(id),
  });
  const { listener, records } = setUp({ connect, world });
  const client = listener.connect();
  await world.advance(1);
  assertEquals(balancer.servers.map(({ active }) => active), [0, 1]);
  client.reset();
  const { server, retries, end } = await records.next();
  assertEquals([server, retries, end.code, failed], ["b", 1, "CD", ["a"]]);
  assertEquals(balancer.servers.map(({ active }) => active), [0, 0]);
});

Deno.test("when every server refuses, the record names the last one", async () => {
  const world = seededWorld(1, { auto: true });
  const balancer = new Balancer<string>({ world });
  for (const id of ["a", "b"]) balancer.add(id, id);
  const connect = toBalanced(new ServerQueue(balancer, { world: seededWorld(2) }), {
    world: seededWorld(3, { auto: true }),
    open: () => Promise.reject(new Deno.errors.ConnectionRefused()),
    retries: 3,
  });
  const { listener, records, close } = setUp({ connect });
  const client = listener.connect();
  const { end, retries } = await records.next();
  assertEquals([end.code, retries], ["SC", 3]);
  assertMatch(end.why, /^[ab]: /);
  await close(client);
});

Deno.test("end CD, SD: a reset on one side becomes a reset on the other", async () => {
  for (const who of ["client", "server"] as const) {
    const { listener, records, server, close } = setUp();
    const client = listener.connect();
    await writeAll(client, bytes("x"));
    const far = await server;
    await readExact(far, 1);
    const other = who === "client" ? far : client;
    (who === "client" ? client : far).reset();
    await assertRejects(() => readToEnd(other), Deno.errors.ConnectionReset);
    const { end, disguised } = await records.next();
    assertEquals([end.code, disguised], [who === "client" ? "CD" : "SD", undefined]);
    await close(client);
  }
});

Deno.test("end CL, SL: a reset after the other's FIN", async () => {
  for (const who of ["client", "server"] as const) {
    const { listener, records, server, close } = setUp();
    const client = listener.connect();
    const far = await server;
    const [breaks, finishes] = who === "client" ? [client, far] : [far, client];
    await finishes.closeWrite();
    assertEquals(await breaks.read(new Uint8Array(1)), null);
    breaks.reset();
    assertEquals((await records.next()).end.code, who === "client" ? "CL" : "SL");
    await close(client);
  }
});

Deno.test("end PD: both are silent for idleTimeout", async () => {
  const { listener, records, server, world, close } = setUp({ idleTimeout: 400 });
  const client = listener.connect();
  await server;
  await world.advance(399);
  assertEquals(records.all, []);
  assertEquals(world.sleepers, 1); // no deadline but this one
  await world.advance(1);
  assertEquals((await records.next()).end.code, "PD");
  await close(client);
});

Deno.test("end cD, sD: one reads nothing of what the other says", async () => {
  for (const who of ["client", "server"] as const) {
    const { listener, records, server, world, close } = setUp({ idleTimeout: 400 }, 4);
    const client = listener.connect();
    const far = await server;
    const sending = writeAll(who === "client" ? far : client, new Uint8Array(5000)).catch(() => {});
    await world.advance(400);
    assertEquals((await records.next()).end.code, who === "client" ? "cD" : "sD");
    await sending;
    await close(client);
  }
});

Deno.test("end cL, sL: one says nothing after the other's FIN", async () => {
  for (const who of ["client", "server"] as const) {
    const { listener, records, server, world, close } = setUp({ halfClosedTimeout: 300 });
    const client = listener.connect();
    const far = await server;
    await (who === "client" ? far : client).closeWrite();
    await world.advance(299);
    assertEquals(records.all, []);
    await world.advance(1);
    assertEquals((await records.next()).end.code, who === "client" ? "cL" : "sL");
    await close(client);
  }
});

Deno.test("end PD: a connection lives for maxLife at most, busy or not", async () => {
  const { listener, records, server, world, close } = setUp({ maxLife: 1000, idleTimeout: 400 });
  const client = listener.connect();
  await server;
  for (let at = 0; at < 900; at += 300) {
    await writeAll(client, bytes("."));
    await world.advance(300);
  }
  await world.advance(99);
  assertEquals(records.all, []);
  await world.advance(1);
  const { end, duration, bytesUp } = await records.next();
  assertEquals([end.code, duration, bytesUp], ["PD", 1000, 3]);
  await close(client);
});

Deno.test("who ends sooner than maxLife leaves no timer behind", async () => {
  const { listener, records, server, world, close } = setUp({ maxLife: 1e6 });
  const client = listener.connect();
  (await server).reset();
  assertEquals((await records.next()).end.code, "SD");
  await world.advance(0);
  assertEquals(world.sleepers, 0);
  await close(client);
});

Deno.test("the record tells waiting for a place from connecting", async () => {
  const world = seededWorld(1);
  const balancer = new Balancer<string>({ algorithm: "first", world });
  for (const id of ["a", "b"]) balancer.add(id, id);
  const served: string[] = [];
  const connect = toBalanced(new ServerQueue(balancer, { world }), {
    world,
    open: async (target) => {
      await world.sleep(target === "a" ? 30 : 7);
      if (target === "a") throw new Deno.errors.ConnectionRefused();
      return memoryPair()[0];
    },
    onSuccess: (id) => served.push(id),
  });
  const { listener, records } = setUp({ connect, world });
  const client = listener.connect();
  await world.advance(37);
  client.reset();
  const { queueTime, connectTime } = await records.next();
  assertEquals([queueTime, connectTime, served], [0, 37, ["b"]]);
});

Deno.test("end KD: a shutdown lets connections go on, until its patience ends", async () => {
  const { listener, records, server, proxy, world } = setUp();
  const client = listener.connect();
  const far = await server;
  const draining = proxy.shutdown();
  await world.advance(9000);
  await writeAll(client, bytes("still here"));
  assertEquals(text(await readExact(far, 10)), "still here");
  await world.advance(1000);
  assertEquals((await records.next()).end.code, "KD");
  assertEquals((await draining).cut, 1);
  client[Symbol.dispose]();
});

Deno.test("what onConn throws ends nothing", async () => {
  const thrown: unknown[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    thrown.push(event.error.message);
  };
  globalThis.addEventListener("error", listen);
  const { listener, close } = setUp({
    deny: new CidrList(["0.0.0.0/0"]),
    onConn: () => {
      throw new Error("a bug of the caller's");
    },
  });
  const client = listener.connect();
  assertEquals(await client.read(new Uint8Array(1)), null);
  await close(client);
  globalThis.removeEventListener("error", listen);
  assertEquals(thrown, ["a bug of the caller's"]);
});

Deno.test("serveProxy() rejects what makes no sense", () => {
  const connect: ConnectUpstream = () => Promise.reject(new Error());
  const wrong = (options: Record<string, unknown>, kind: new () => Error, says: string) =>
    assertThrows(() => serveProxy({ connect, ...options } as ServeProxyOptions), kind, says);
  wrong({ connect: 1 }, TypeError, "'connect' must be a function: current value is 1");
  for (const name of ["connectTimeout", "idleTimeout", "halfClosedTimeout", "maxLife"]) {
    wrong({ [name]: 0 }, RangeError, `'${name}' must be > 0: current value is 0`);
    wrong({ [name]: NaN }, RangeError, `'${name}' must be > 0: current value is NaN`);
  }
  wrong({ maxConnsPerClient: 0 }, RangeError, "'maxConnsPerClient' must be >= 1");
  wrong({ sendProxy: 3 }, TypeError, "'sendProxy' must be 1 or 2: current value is 3");
});

Deno.test("who found no server is not read ahead any more: no timer, and no byte is kept", async () => {
  const { connect, asked, reject } = seeking();
  const { world, listener, records } = setUp({ connect, lingerTimeout: 1e9 });
  const client = listener.connect();
  await writeAll(client, bytes("a question"));
  await asked;
  await world.advance(1); // it has come, and reading rests
  reject(new Deno.errors.ConnectionRefused("refused"));
  assertEquals((await records.next()).end.code, "SC");
  await world.advance(0);
  assertEquals(world.sleepers, 1); // the server's, who lingers
  client[Symbol.dispose]();
});
