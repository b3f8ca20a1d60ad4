import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { serveTcp } from "../../lib/server/server.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import type { TcpAddr } from "../../lib/addr.ts";
import { seededWorld } from "../../lib/world.ts";
import { BYTE, echo, Events, roundTrip, untilTold } from "./_served.ts";

/** Whether the port can be had at once. */
function isFree(addr: TcpAddr): boolean {
  try {
    Deno.listen({ hostname: addr.hostname, port: addr.port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

/** Never returns, whatever happens to its connection. */
const stubborn: TcpHandler = () => new Promise(() => {});

/** Connects, and says a byte. */
async function ask(addr: TcpAddr): Promise<Deno.TcpConn> {
  const client = await Deno.connect(addr);
  await writeAll(client, BYTE);
  return client;
}

Deno.test("TcpServer.shutdown() tells handlers by their signal, and waits for them", async () => {
  const events = new Events();
  const server = serveTcp({ onEvent: events.hear }, untilTold);
  using client = await Deno.connect(server.addr);
  await events.next("accepted");
  const report = server.shutdown();
  assertEquals(events.of("draining"), [{ type: "draining", conns: 1 }]);
  assertEquals(await readToEnd(client), new Uint8Array());
  client.closeWrite();
  const { finished, cut, unserved, held } = await report;
  assertEquals([finished, cut, unserved, held.length], [1, 0, 0, 1]);
  assert(isFree(server.addr));
});

Deno.test("TcpServer.shutdown() tells handlers at once, before the kernel's queue is empty", async () => {
  const events = new Events();
  const told: AbortSignal[] = [];
  await using server = serveTcp({ onEvent: events.hear }, (conn, info) => {
    told.push(info.signal);
    return echo(conn, info);
  });
  const client = await ask(server.addr);
  await events.next("accepted");
  const report = server.shutdown();
  assertEquals(told.map((signal) => signal.aborted), [true]);
  client.close();
  await report;
});

Deno.test("TcpServer.shutdown() leaves handlers their connection", async () => {
  const server = serveTcp({}, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const report = server.shutdown();
  await roundTrip(client);
  await client.closeWrite();
  assertEquals(await readToEnd(client), new Uint8Array());
  const [held] = (await report).held;
  assertEquals([held!.id, held!.bytesRead, held!.bytesWritten], [1, 2, 2]);
  assertEquals([held!.cut, held!.returned], [false, true]);
  assertEquals({ ...held!.remoteAddr }, { ...client.localAddr } as Deno.NetAddr);
});

Deno.test("TcpServer.shutdown() frees the port before the last handler returns", async () => {
  const events = new Events();
  const server = serveTcp({ onEvent: events.hear }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const report = server.shutdown();
  while (!isFree(server.addr)) await roundTrip(client);
  await assertRejects(() => Deno.connect(server.addr), Deno.errors.ConnectionRefused);
  assertEquals(server.conns, 1);
  client.closeWrite();
  await report;
});

Deno.test("TcpServer.shutdown() of a suspended server resets none of 200 in the kernel's queue", async () => {
  const server = serveTcp({}, echo);
  server.suspend();
  const clients = await Promise.all(Array.from({ length: 200 }, () => ask(server.addr)));
  const report = server.shutdown();
  for (const client of clients) {
    await client.closeWrite();
    assertEquals(await readToEnd(client), BYTE);
    client.close();
  }
  const { finished, cut, unserved } = await report;
  assertEquals([finished, cut, unserved], [200, 0, 0]);
});

Deno.test("TcpServer.shutdown() hands over an aborted signal with whom it takes from the queue", async () => {
  const told: boolean[] = [];
  const server = serveTcp({}, (_conn, { signal }) => void told.push(signal.aborted));
  server.suspend();
  using client = await Deno.connect(server.addr);
  const report = server.shutdown();
  await readToEnd(client);
  client.closeWrite();
  await report;
  assertEquals(told, [true]);
});

Deno.test("TcpServer.shutdown() of a full server serves those who wait, one by one", async () => {
  const events = new Events();
  const server = serveTcp({ maxConns: 1, onEvent: events.hear }, async (conn, info) => {
    await untilTold(conn, info);
    await writeAll(conn, BYTE);
  });
  const clients = await Promise.all(Array.from({ length: 20 }, () => Deno.connect(server.addr)));
  await events.next("accepted");
  const report = server.shutdown();
  for (const client of clients) {
    assertEquals(await readToEnd(client), BYTE);
    client.close();
  }
  assertEquals((await report).finished, 20);
  assertEquals(server.stats.peak, 1);
});

Deno.test("TcpServer.shutdown() closes who still waits for a place when patience is over", async () => {
  const events = new Events();
  const patience = new AbortController();
  const server = serveTcp({ maxConns: 1, onEvent: events.hear }, echo);
  const clients = await Promise.all(Array.from({ length: 5 }, () => Deno.connect(server.addr)));
  await roundTrip(clients[0]!);
  const report = server.shutdown({ signal: patience.signal });
  while (!isFree(server.addr)) await roundTrip(clients[0]!);
  patience.abort();
  const { finished, cut, unserved, held } = await report;
  assertEquals([finished, cut, unserved, held.length], [0, 1, 4, 1]);
  assertEquals(events.of("refused").map((event) => event.reason), Array(4).fill("ended"));
  for (const client of clients) {
    assertEquals(await client.read(new Uint8Array(1)), null);
    client.close();
  }
});

Deno.test("TcpServer.shutdown() refuses who waits in the queue if that is what full means", async () => {
  const server = serveTcp({ maxConns: 1, whenFull: "refuse" }, echo);
  using served = await Deno.connect(server.addr);
  await roundTrip(served);
  using before = await Deno.connect(server.addr);
  assertEquals(await before.read(new Uint8Array(1)), null);
  server.suspend();
  const clients = await Promise.all(Array.from({ length: 3 }, () => Deno.connect(server.addr)));
  const report = server.shutdown();
  for (const client of clients) {
    assertEquals(await client.read(new Uint8Array(1)), null);
    client.close();
  }
  served.closeWrite();
  assertEquals((await report).unserved, 3);
  assertEquals(server.stats.refused, 4);
});

Deno.test("TcpServer.shutdown() cuts after ten seconds by default, and says whom", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const errors: unknown[] = [];
  const server = serveTcp({
    world,
    onEvent: events.hear,
    onError: (error) => errors.push(error),
  }, echo);
  using quick = await Deno.connect(server.addr);
  await roundTrip(quick);
  using slow = await Deno.connect(server.addr);
  await roundTrip(slow);
  const shutdown = server.shutdown();
  await world.advance(400);
  quick.close();
  await events.next("closed");
  await world.advance(9600);

  const report = await shutdown;
  assertEquals([report.duration, report.finished, report.cut], [10_000, 1, 1]);
  assertEquals(
    report.held.map(({ id, duration, cut, returned }) => [id, duration, cut, returned]),
    [
      [1, 400, false, true],
      [2, 10_000, true, true],
    ],
  );
  const closed = await events.next("closed", 2);
  assertEquals([closed.reason, closed.by, errors], ["cut", "server", []]);
  assertEquals(await slow.read(new Uint8Array(1)), null);
});

Deno.test("TcpServer.shutdown() has the patience of its signal, and no other", async () => {
  const world = seededWorld(1);
  const patience = new AbortController();
  const server = serveTcp({ world }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const report = server.shutdown({ signal: patience.signal });
  await world.advance(60_000);
  await roundTrip(client);
  patience.abort();
  assertEquals((await report).cut, 1);
});

Deno.test("TcpServer.shutdown() without any patience cuts at once", async () => {
  const server = serveTcp({}, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const { cut, finished } = await server.shutdown({ signal: AbortSignal.abort() });
  assertEquals([cut, finished], [1, 0]);
  assert(isFree(server.addr));
});

Deno.test("TcpServer.shutdown() called again returns the same report", async () => {
  const server = serveTcp({}, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const first = server.shutdown();
  assertStrictEquals(server.shutdown(), first);
  client.closeWrite();
  const report = await first;
  assertStrictEquals(await server.shutdown(), report);
  assertEquals(report.finished, 1);
});

Deno.test("TcpServer.shutdown() called by whom it tells returns the same report", async () => {
  const reports: unknown[] = [];
  const events = new Events();
  const server = serveTcp({
    onEvent: (event) => {
      events.hear(event);
      if (event.type === "draining") reports.push(server.shutdown());
    },
  }, async (conn, info) => {
    info.signal.addEventListener("abort", () => reports.push(server.shutdown()));
    await untilTold(conn, info);
  });
  using client = await Deno.connect(server.addr);
  await events.next("accepted");
  const first = server.shutdown();
  await readToEnd(client);
  client.closeWrite();
  assertEquals((await first).finished, 1);
  assertEquals(reports.length, 2);
  for (const report of reports) assertStrictEquals(report, first);
});

Deno.test("TcpServer.shutdown() called again with less patience has less patience", async () => {
  const server = serveTcp({ world: seededWorld(1) }, echo); // where ten seconds never pass
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const report = server.shutdown();
  server.shutdown({ signal: AbortSignal.abort() });
  assertEquals((await report).cut, 1);
});

Deno.test("TcpServer.shutdown() does not wait for ever for a handler that does not return", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const server = serveTcp({ world, onEvent: events.hear }, stubborn);
  using client = await Deno.connect(server.addr);
  await events.next("accepted");
  const shutdown = server.shutdown({ signal: AbortSignal.abort() });
  assertEquals(await client.read(new Uint8Array(1)), null);
  await world.advance(1000);
  const { held: [held], duration } = await shutdown;
  assertEquals([held!.cut, held!.returned, duration], [true, false, 1000]);
  assertEquals(events.of("closed").map((event) => event.reason), ["cut"]);
  await server.finished;
});

Deno.test("TcpServer.shutdown() tells a handler that does not return from a connection that is open", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const server = serveTcp({ world, onEvent: events.hear }, (conn) => {
    conn.close();
    return new Promise(() => {});
  });
  using client = await Deno.connect(server.addr);
  assertEquals(await client.read(new Uint8Array(1)), null);
  const shutdown = server.shutdown({ signal: AbortSignal.abort() });
  await world.advance(1000);
  const { held: [held], finished, cut } = await shutdown;
  assertEquals([held!.cut, held!.returned, finished, cut], [false, false, 1, 0]);
  assertEquals(events.of("closed").map(({ reason, by }) => [reason, by]), [[
    "finished",
    "handler",
  ]]);
});

Deno.test("TcpServer.shutdown() does not call it a cut when a connection was idle for too long", async () => {
  const world = seededWorld(1);
  const server = serveTcp({ world, idleTimeout: 1000 }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const shutdown = server.shutdown();
  await world.advance(1250);
  const { finished, cut, held } = await shutdown;
  assertEquals([finished, cut, held[0]!.cut, held[0]!.duration], [1, 0, false, 1250]);
});

Deno.test("TcpServer reports a bug of a handler that it no longer waits for", async () => {
  const world = seededWorld(1);
  const events = new Events();
  const errors: unknown[] = [];
  const { promise, reject } = Promise.withResolvers<void>();
  const server = serveTcp({
    world,
    onEvent: events.hear,
    onError: (error) => errors.push(error),
  }, () => promise);
  using _client = await Deno.connect(server.addr);
  await events.next("accepted");
  const shutdown = server.shutdown({ signal: AbortSignal.abort() });
  await world.advance(1000);
  await shutdown;
  reject("a bug");
  await world.advance(0);
  assertEquals([errors, events.of("closed").length], [["a bug"], 1]);
});

for (
  const [what, handler] of [
    ["a read that it interrupts", (conn) => conn.read(new Uint8Array(1)).then(() => {})],
    ["what is tried after it", async (conn, info) => {
      await untilTold(conn, info);
      while (true) await conn.write(BYTE);
    }],
    ["the signal's reason", async (conn, info) => {
      await untilTold(conn, info);
      info.signal.throwIfAborted();
    }],
  ] satisfies [string, TcpHandler][]
) {
  Deno.test(`TcpServer does not call it an error that a cut causes: ${what}`, async () => {
    const events = new Events();
    const errors: unknown[] = [];
    const server = serveTcp({
      onEvent: events.hear,
      onError: (error) => errors.push(error),
    }, handler);
    using _client = await Deno.connect(server.addr);
    await events.next("accepted");
    await server.shutdown({ signal: AbortSignal.abort() });
    const [closed] = events.of("closed");
    assertEquals([closed!.reason, "error" in closed!, errors], ["cut", false, []]);
  });
}

Deno.test("TcpServer reports a bug that a cut brings to light", async () => {
  const events = new Events();
  const errors: unknown[] = [];
  const bug = new TypeError("a bug");
  const server = serveTcp({
    onEvent: events.hear,
    onError: (error) => errors.push(error),
  }, async (conn, info) => {
    await untilTold(conn, info);
    throw bug;
  });
  using _client = await Deno.connect(server.addr);
  await events.next("accepted");
  await server.shutdown({ signal: AbortSignal.abort() });
  const [closed] = events.of("closed");
  assertEquals([closed!.reason, closed!.error, errors], ["cut", bug, [bug]]);
});

Deno.test("TcpServer is shut down when its scope ends", async () => {
  const events = new Events();
  let client: Deno.TcpConn;
  let addr: TcpAddr;
  {
    await using server = serveTcp({ onEvent: events.hear }, untilTold);
    addr = server.addr;
    client = await Deno.connect(addr);
    await events.next("accepted");
    client.closeWrite();
  }
  assertEquals(await client.read(new Uint8Array(1)), null);
  assert(isFree(addr));
  client.close();
});

Deno.test("TcpServer.finished resolves when the last handler returned and the port is free", async () => {
  const events = new Events();
  const returned = Promise.withResolvers<void>();
  const server = serveTcp({ onEvent: events.hear }, async (conn) => {
    conn.close();
    await returned.promise;
  });
  using _client = await Deno.connect(server.addr);
  await events.next("accepted");
  let finished = false;
  const end = server.finished.then(() => finished = true);
  server.shutdown();
  while (!isFree(server.addr)) await seededWorld(1).advance(0);
  assertEquals(finished, false);
  returned.resolve();
  await end;
  assertEquals(server.conns, 0);
  assert(isFree(server.addr));
});

Deno.test("serveTcp({ signal }) aborted beforehand has ended: finished, the port free, nobody told", async () => {
  const events = new Events();
  const server = serveTcp({ signal: AbortSignal.abort(), onEvent: events.hear }, () => {});
  assert(server.addr.port > 0);
  assert(isFree(server.addr));
  await server.finished;
  const { finished, cut, held } = await server.shutdown();
  assertEquals([finished, cut, held, events.all], [0, 0, [], []]);
});

Deno.test("serveTcp({ signal }) cuts every connection and frees the port when it aborts", async () => {
  const events = new Events();
  const errors: unknown[] = [];
  const ending = new AbortController();
  const server = serveTcp({
    signal: ending.signal,
    onEvent: events.hear,
    onError: (error) => errors.push(error),
  }, echo);
  const clients = await Promise.all([1, 2, 3].map(() => Deno.connect(server.addr)));
  for (const client of clients) await roundTrip(client);
  ending.abort();
  await server.finished;
  assert(isFree(server.addr));
  assertEquals(events.of("closed").map(({ reason, by }) => [reason, by]), [
    ["aborted", "server"],
    ["aborted", "server"],
    ["aborted", "server"],
  ]);
  assertEquals(errors, []);
  for (const client of clients) {
    assertEquals(await client.read(new Uint8Array(1)), null);
    client.close();
  }
});

Deno.test("serveTcp({ signal }) ends a suspended server, and one that is full", async () => {
  const ending = new AbortController();
  const events = new Events();
  const server = serveTcp({ signal: ending.signal, maxConns: 1, onEvent: events.hear }, echo);
  using first = await Deno.connect(server.addr);
  await roundTrip(first);
  using _second = await Deno.connect(server.addr);
  server.suspend();
  await roundTrip(first);
  ending.abort();
  await server.finished;
  assert(isFree(server.addr));
});

Deno.test("serveTcp({ signal }) closes the connection that suspend() held", async () => {
  const ending = new AbortController();
  const events = new Events();
  const server = serveTcp({ signal: ending.signal, onEvent: events.hear }, echo);
  using witness = await Deno.connect(server.addr);
  await roundTrip(witness);
  server.suspend();
  using held = await Deno.connect(server.addr);
  for (let i = 0; i < 20; i++) await roundTrip(witness);
  ending.abort();
  await server.finished;
  assertEquals(await held.read(new Uint8Array(1)), null);
  assertEquals(events.of("refused").map((event) => event.reason), ["ended"]);
});

Deno.test("serveTcp({ signal }) ends a suspended server that serves nobody", async () => {
  const ending = new AbortController();
  const server = serveTcp({ signal: ending.signal }, echo);
  server.suspend();
  using held = await Deno.connect(server.addr);
  await using other = serveTcp({}, echo);
  using witness = await Deno.connect(other.addr);
  for (let i = 0; i < 20; i++) await roundTrip(witness); // by then it was accepted
  ending.abort();
  const { held: served, unserved } = await server.shutdown(); // which comes too late to serve it
  assertEquals([served, unserved], [[], 1]);
  assertEquals(await held.read(new Uint8Array(1)), null);
});

Deno.test("serveTcp({ signal }) tells handlers by their signal", async () => {
  const ending = new AbortController();
  const events = new Events();
  const world = seededWorld(1);
  const server = serveTcp({ signal: ending.signal, world, onEvent: events.hear }, untilTold);
  using _client = await Deno.connect(server.addr);
  await events.next("accepted");
  ending.abort();
  await server.finished;
  assertEquals(events.of("closed")[0]!.reason, "aborted");
});

Deno.test("serveTcp({ signal }) aborted during a shutdown cuts at once", async () => {
  const ending = new AbortController();
  const events = new Events();
  const server = serveTcp({ signal: ending.signal, onEvent: events.hear }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const report = server.shutdown();
  ending.abort();
  assertEquals((await report).cut, 1);
  assertEquals(events.of("closed")[0]!.reason, "aborted");
});

Deno.test("serveTcp({ signal }) aborted after the shutdown does nothing", async () => {
  const ending = new AbortController();
  const server = serveTcp({ signal: ending.signal }, echo);
  const report = await server.shutdown();
  ending.abort();
  await server.finished;
  assertStrictEquals(await server.shutdown(), report);
});

Deno.test("TcpServer.shutdown() after the signal has ended it reports what was cut", async () => {
  const ending = new AbortController();
  const server = serveTcp({ signal: ending.signal }, echo);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  ending.abort();
  assertEquals((await server.shutdown()).cut, 1);
  assertEquals((await server.shutdown()).held.length, 1);
});
