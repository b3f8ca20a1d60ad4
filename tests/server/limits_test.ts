import { assertEquals, assertThrows } from "@std/assert";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { seededWorld } from "../../lib/world.ts";
import { BYTE, echo, Events, roundTrip, untilTold } from "./_served.ts";

/** Connects `count` clients, who say a byte and wait for it. */
function connect(server: TcpServer, count: number): Promise<Deno.TcpConn[]> {
  return Promise.all(Array.from({ length: count }, async () => {
    const client = await Deno.connect(server.addr);
    await writeAll(client, BYTE);
    return client;
  }));
}

/**
 * Whoever could be served by now, is: the event loop has turned many times, since each
 * round trip takes some.
 */
async function served(server: TcpServer, witness: Deno.TcpConn): Promise<number> {
  for (let i = 0; i < 20; i++) await roundTrip(witness);
  return server.stats.accepted;
}

function closeAll(conns: Iterable<Deno.TcpConn>): void {
  for (const conn of conns) conn.close();
}

Deno.test("maxConns lets the kernel queue whoever comes when the server is full", async () => {
  const events = new Events();
  await using server = serveTcp({ maxConns: 2, onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  await roundTrip(witness);
  const clients = await connect(server, 3);
  assertEquals(await served(server, witness), 2);

  clients[0]!.close();
  await events.next("accepted", 3);
  clients[1]!.close();
  await events.next("accepted", 4);
  clients[2]!.close();
  assertEquals([server.stats.peak, server.stats.refused], [2, 0]);
});

Deno.test("maxConns and whenFull: refuse closes whoever comes when the server is full", async () => {
  const events = new Events();
  await using server = serveTcp({ maxConns: 1, whenFull: "refuse", onEvent: events.hear }, echo);
  using first = await Deno.connect(server.addr);
  await roundTrip(first);
  using second = await Deno.connect(server.addr);
  assertEquals(await second.read(new Uint8Array(1)), null);

  const refused = await events.next("refused");
  assertEquals(refused.reason, "full");
  assertEquals({ ...refused.remoteAddr }, { ...second.localAddr } as Deno.NetAddr);
  assertEquals([server.stats.refused, server.stats.accepted, server.conns], [1, 1, 1]);
  await roundTrip(first);
});

Deno.test("maxConns raised while running serves those who wait, at once", async () => {
  const events = new Events();
  await using server = serveTcp({ maxConns: 1, onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  await roundTrip(witness);
  const clients = await connect(server, 4);
  assertEquals(await served(server, witness), 1);
  server.maxConns = 3;
  await events.next("accepted", 3);
  assertEquals(await served(server, witness), 3);
  server.maxConns = Infinity;
  await events.next("accepted", 5);
  closeAll(clients);
});

Deno.test("maxConns lowered while running cuts nobody, and counts from then on", async () => {
  const events = new Events();
  await using server = serveTcp({ onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  const [first, second] = await connect(server, 2);
  await events.next("accepted", 3);
  server.maxConns = 2;
  assertEquals([server.maxConns, server.conns], [2, 3]);

  const late = await connect(server, 1);
  assertEquals(await served(server, witness), 3);
  first!.close();
  await events.next("closed", 1);
  assertEquals(await served(server, witness), 3);
  second!.close();
  await events.next("accepted", 4);
  closeAll(late);
});

Deno.test("maxConns set to less than 1 throws, and changes nothing", async () => {
  await using server = serveTcp({ maxConns: 7 }, echo);
  assertThrows(() => server.maxConns = 0, RangeError, "'maxConns' must be an integer >= 1");
  assertEquals(server.maxConns, 7);
});

Deno.test("TcpServer.suspend() holds new connections until resume(), also one being accepted", async () => {
  const events = new Events();
  await using server = serveTcp({ onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  await roundTrip(witness);

  server.suspend();
  const clients = await connect(server, 3);
  assertEquals(await served(server, witness), 1);
  server.resume();
  await events.next("accepted", 4);
  closeAll(clients);
});

Deno.test("TcpServer.suspend() holds those as well who would be refused", async () => {
  const events = new Events();
  await using server = serveTcp({ maxConns: 1, whenFull: "refuse", onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  await roundTrip(witness);
  server.suspend();
  const clients = await connect(server, 2);
  await served(server, witness);
  assertEquals(server.stats.refused, 0);
  server.resume();
  await events.next("refused", 2);
  closeAll(clients);
});

Deno.test("idleTimeout closes a connection on which nothing moves", async () => {
  const world = seededWorld(1);
  const events = new Events();
  await using server = serveTcp({ idleTimeout: 1000, world, onEvent: events.hear }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  await world.advance(1000);
  assertEquals(server.conns, 1);
  await world.advance(250);
  const closed = await events.next("closed");
  assertEquals([closed.reason, closed.by, "error" in closed], ["idle", "server", false]);
  assertEquals(await client.read(new Uint8Array(1)), null);
});

Deno.test("idleTimeout spares a connection on which something moves", async () => {
  const world = seededWorld(1);
  await using server = serveTcp({ idleTimeout: 1000, world }, echo);
  using client = await Deno.connect(server.addr);
  for (let i = 0; i < 20; i++) {
    await roundTrip(client);
    await world.advance(900);
  }
  assertEquals(server.conns, 1);
});

Deno.test("idleTimeout counts what only the server says", async () => {
  const world = seededWorld(1);
  let next = Promise.withResolvers<void>();
  await using server = serveTcp({ idleTimeout: 1000, world }, async (conn) => {
    for (let i = 0; i < 9; i++) {
      await next.promise;
      next = Promise.withResolvers();
      await conn.write(BYTE);
    }
  });
  using client = await Deno.connect(server.addr);
  for (let i = 0; i < 9; i++) {
    next.resolve();
    assertEquals(await readExact(client, 1), BYTE);
    await world.advance(900);
  }
});

Deno.test("idleTimeout tells a handler by its signal", async () => {
  const world = seededWorld(1);
  const events = new Events();
  await using server = serveTcp({ idleTimeout: 1000, world, onEvent: events.hear }, untilTold);
  using _client = await Deno.connect(server.addr);
  await events.next("accepted");
  await world.advance(1250);
  assertEquals((await events.next("closed")).reason, "idle");
});

Deno.test("idleTimeout counts what only the client says", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const heard = Promise.withResolvers<void>();
  let count = 0;
  await using server = serveTcp(
    { idleTimeout: 1000, world, onEvent: events.hear },
    async (conn) => {
      while (await conn.read(new Uint8Array(1)) !== null) if (++count === 9) heard.resolve();
    },
  );
  using client = await Deno.connect(server.addr);
  for (let i = 0; i < 9; i++) {
    await writeAll(client, BYTE);
    await world.advance(900);
  }
  await heard.promise;
  assertEquals(events.of("closed"), []);
});

Deno.test("idleTimeout cuts a write that waits for a peer who does not read", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const stuck = Promise.withResolvers<void>();
  const errors: unknown[] = [];
  await using server = serveTcp({
    idleTimeout: 1000,
    world,
    onEvent: events.hear,
    onError: (error) => errors.push(error),
  }, async (conn) => {
    const much = new Uint8Array(64 * 1024 * 1024);
    // The first write takes what the two kernels hold; the next waits for the peer.
    await conn.write(much);
    stuck.resolve();
    while (true) await conn.write(much);
  });
  using _client = await Deno.connect(server.addr);
  await stuck.promise;
  const closed = events.next("closed");
  for (let i = 0; i < 20 && events.of("closed").length === 0; i++) await world.advance(250);
  assertEquals([(await closed).reason, errors], ["idle", []]);
});

Deno.test("idleTimeout: 0 and Infinity mean never", async () => {
  for (const idleTimeout of [0, Infinity]) {
    const world = seededWorld(1);
    await using server = serveTcp({ idleTimeout, world }, echo);
    using client = await Deno.connect(server.addr);
    await roundTrip(client);
    await world.advance(1e9);
    await roundTrip(client);
    assertEquals(world.sleeps, []);
  }
});

Deno.test("idleTimeout has one timer for all, and none when nobody is there", async () => {
  const world = seededWorld(1);
  const events = new Events();
  await using server = serveTcp({ idleTimeout: 1000, world, onEvent: events.hear }, echo);
  const client = await Deno.connect(server.addr);
  await roundTrip(client);
  assertEquals(world.sleepers, 1);
  client.close();
  await events.next("closed");
  await world.advance(250);
  assertEquals(world.sleepers, 0);
  using again = await Deno.connect(server.addr);
  await roundTrip(again);
  using more = await Deno.connect(server.addr);
  await roundTrip(more);
  assertEquals(world.sleepers, 1);
  assertEquals(world.sleeps, [250, 250]);
  await again.closeWrite();
  await readToEnd(again);
});

Deno.test("idleTimeout is looked after no more often because lingerTimeout is short", async () => {
  const world = seededWorld(1);
  await using server = serveTcp({ idleTimeout: 1000, lingerTimeout: 0, world }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  assertEquals(world.sleeps, [250]);
  await client.closeWrite();
  await readToEnd(client);
});
