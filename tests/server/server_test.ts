import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { bindError } from "../../lib/server/bind_error.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import type { ConnInfo, TcpHandler } from "../../lib/server/session.ts";
import type { ServeTcpOptions } from "../../lib/server/options.ts";
import { readExact, readToEnd, TooMuchDataError, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { tcpAddr } from "../../lib/addr.ts";
import { seededWorld } from "../../lib/world.ts";
import { BYTE, echo, Events, Reported, roundTrip } from "./_served.ts";

/** Never called. */
const nobody: TcpHandler = () => {
  throw new Error("somebody came");
};

Deno.test("serveTcp() returns already listening, at its real port", async () => {
  await using server = serveTcp({}, echo);
  assertEquals(server.addr.hostname, "127.0.0.1");
  assertNotEquals(server.addr.port, 0);
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
});

Deno.test("serveTcp() listens where it is told", async () => {
  await using any = serveTcp({ hostname: "0.0.0.0" }, echo);
  assertEquals(any.addr.hostname, "0.0.0.0");
  const { port } = any.addr;
  await any.shutdown();
  await using server = serveTcp({ hostname: "localhost", port }, echo);
  assertEquals(server.addr, tcpAddr("127.0.0.1", port));
});

Deno.test("serveTcp() hands a TcpStream and who it is to the handler", async () => {
  const told = Promise.withResolvers<[TcpStream, ConnInfo]>();
  await using server = serveTcp({}, async (conn, info) => {
    told.resolve([conn, info]);
    await echo(conn, info);
  });
  using client = await Deno.connect(server.addr);
  await roundTrip(client);
  const [conn, info] = await told.promise;
  assertInstanceOf(conn, TcpStream);
  assertEquals([conn.bytesRead, conn.bytesWritten], [1, 1]);
  assertEquals(info.id, 1);
  assertEquals(info.localAddr, server.addr);
  assertEquals({ ...client.localAddr }, { ...info.remoteAddr });
  assertEquals(info.signal.aborted, false);
});

Deno.test("serveTcp() serves many at once, each with its number", async () => {
  const ids: number[] = [];
  await using server = serveTcp({}, (conn, info) => {
    ids.push(info.id);
    return echo(conn, info);
  });
  const clients = await Promise.all(Array.from({ length: 50 }, () => Deno.connect(server.addr)));
  await Promise.all(clients.map(roundTrip));
  assertEquals(server.conns, 50);
  assertEquals(ids, Array.from({ length: 50 }, (_, i) => i + 1));
  for (const client of clients) client.close();
});

Deno.test("serveTcp() tells onListen before it returns", async () => {
  const told: unknown[] = [];
  const events = new Events();
  await using server = serveTcp({
    onListen: (addr) => told.push(addr),
    onEvent: events.hear,
  }, nobody);
  assertEquals(told, [server.addr]);
  assertEquals(events.all, [{ type: "listening", addr: server.addr }]);
});

/** What was set on connections while `act` ran, or was tried in vain. */
async function socketOptions(act: () => Promise<void>, error?: Error): Promise<string[]> {
  using probe = await loopback();
  const prototype = Object.getPrototypeOf(probe.conn);
  const { setNoDelay, setKeepAlive } = prototype;
  const calls: string[] = [];
  prototype.setNoDelay = function (on = true) {
    calls.push(`noDelay ${on}`);
    if (error) throw error;
    setNoDelay.call(this, on);
  };
  prototype.setKeepAlive = function (on = true) {
    calls.push(`keepAlive ${on}`);
    setKeepAlive.call(this, on);
  };
  try {
    await act();
  } finally {
    Object.assign(prototype, { setNoDelay, setKeepAlive });
  }
  return calls;
}

async function loopback() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  const conn = await Deno.connect(tcpAddr("127.0.0.1", listener.addr.port));
  const peer = await accepted;
  return {
    conn,
    [Symbol.dispose]() {
      conn.close();
      peer.close();
    },
  };
}

for (
  const [options, expected] of [
    [{}, ["noDelay true"]],
    [{ noDelay: false }, []],
    [{ keepAlive: true }, ["noDelay true", "keepAlive true"]],
  ] satisfies [ServeTcpOptions, string[]][]
) {
  Deno.test(`serveTcp(${JSON.stringify(options)}) sets on each socket: ${expected.join()}`, async () => {
    const calls = await socketOptions(async () => {
      await using server = serveTcp(options, echo);
      using client = await Deno.connect(server.addr);
      await roundTrip(client);
    });
    assertEquals(calls, expected);
  });
}

Deno.test("TcpServer outlives a socket that takes no option", async () => {
  const calls = await socketOptions(async () => {
    await using server = serveTcp({ keepAlive: true }, echo);
    using client = await Deno.connect(server.addr);
    await roundTrip(client);
  }, new Error("Invalid argument (os error 22)"));
  assertEquals(calls, ["noDelay true"]);
});

Deno.test("serveTcp({ backlog: 0 }) leaves a second unaccepted client in the cold", async () => {
  await using server = serveTcp({ backlog: 0, maxConns: 1 }, echo);
  using served = await Deno.connect(server.addr);
  await roundTrip(served);
  using _queued = await Deno.connect(server.addr);
  const patience = new AbortController();
  const third = Deno.connect({ ...server.addr, signal: patience.signal });
  // What is answered twice over the same loopback would have connected the third long ago.
  for (let i = 0; i < 100; i++) await roundTrip(served);
  patience.abort();
  await assertRejects(() => third, DOMException);
});

Deno.test("serveTcp() throws AddrInUse at once when the port is taken", async () => {
  await using server = serveTcp({}, nobody);
  const { port } = server.addr;
  const error = assertThrows(() => serveTcp({ port }, nobody), Deno.errors.AddrInUse);
  assertEquals((error as Error & { code?: string }).code, "EADDRINUSE");
  assertMatch(error.message, new RegExp(`^Cannot listen on 127.0.0.1:${port} as .*'port'`));
  assertInstanceOf(error.cause, Deno.errors.AddrInUse);
});

Deno.test("serveTcp() throws AddrNotAvailable for an address of somebody else's", () => {
  const error = assertThrows(
    () => serveTcp({ hostname: "192.0.2.1" }, nobody),
    Deno.errors.AddrNotAvailable,
  );
  assertEquals((error as Error & { code?: string }).code, "EADDRNOTAVAIL");
  assertMatch(error.message, /^Cannot listen on 192\.0\.2\.1:0 as .*'hostname'/);
});

Deno.test("serveTcp() says that a name cannot be resolved", () => {
  const error = assertThrows(() => serveTcp({ hostname: "nobody.invalid" }, nobody), Error);
  assertMatch(error.message, /^Cannot listen on nobody\.invalid:0 as .*'hostname'/);
  assertInstanceOf(error.cause, Error);
});

Deno.test({
  name: "serveTcp() names the flag that is missing",
  permissions: { net: [] },
  fn() {
    const error = assertThrows(() => serveTcp({ port: 7 }, nobody), Deno.errors.NotCapable);
    assertMatch(error.message, /--allow-net=127\.0\.0\.1:7/);
  },
});

Deno.test("bindError() keeps class, code and cause of what it explains", () => {
  const cause = Object.assign(new Deno.errors.PermissionDenied("Permission denied"), {
    code: "EACCES",
  });
  const error = bindError(cause, tcpAddr("::1", 80));
  assertInstanceOf(error, Deno.errors.PermissionDenied);
  assertEquals([error.name, (error as { code?: unknown }).code], ["PermissionDenied", "EACCES"]);
  assertStrictEquals(error.cause, cause);
  assertMatch(error.message, /^Cannot listen on \[::1\]:80 as .*privileged/);

  const famine = Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  const told = bindError(famine, tcpAddr("::1", 80)) as Error;
  assertMatch(told.message, /Too many open files/);

  const none = bindError(new Deno.errors.AddrInUse("Address in use"), tcpAddr("::1", 0)) as Error;
  assertMatch(none.message, /no port is free/);
  assertEquals(bindError("odd", tcpAddr("::1", 0)), "odd");
});

for (
  const [options, errorClass, message] of [
    [{ port: -1 }, RangeError, "'port' must be an integer from 0 to 65535: current value is -1"],
    [{ port: 65536 }, RangeError, "'port' must be an integer from 0 to 65535"],
    [{ port: 1.5 }, RangeError, "'port' must be an integer"],
    [{ port: "80" }, TypeError, "'port' must be a number"],
    [{ hostname: 7 }, TypeError, "'hostname' must be a string"],
    [{ backlog: -1 }, RangeError, "'backlog' must be an integer from 0"],
    [{ maxConns: 0 }, RangeError, "'maxConns' must be an integer >= 1 or Infinity"],
    [{ maxConns: NaN }, RangeError, "'maxConns' must be an integer >= 1 or Infinity"],
    [{ maxConns: 1.5 }, RangeError, "'maxConns' must be an integer >= 1 or Infinity"],
    [{ maxConns: "1" }, TypeError, "'maxConns' must be a number"],
    [{ whenFull: "drop" }, TypeError, `'whenFull' must be "wait" or "refuse"`],
    [{ idleTimeout: -1 }, RangeError, "'idleTimeout' must be >= 0: current value is -1"],
    [{ idleTimeout: NaN }, RangeError, "'idleTimeout' must be >= 0"],
    [{ lingerTimeout: -1 }, RangeError, "'lingerTimeout' must be >= 0"],
    [{ lingerTimeout: null }, TypeError, "'lingerTimeout' must be a number"],
  ] as [object, typeof RangeError, string][]
) {
  const shown = JSON.stringify(options, (_, value) => Number.isNaN(value) ? "NaN" : value);
  Deno.test(`serveTcp(${shown}) throws ${errorClass.name}`, () => {
    assertThrows(() => serveTcp(options, nobody), errorClass, `Cannot serve as ${message}`);
  });
}

Deno.test("serveTcp() throws TypeError without a handler", () => {
  const handler = undefined as unknown as TcpHandler;
  assertThrows(() => serveTcp({}, handler), TypeError, "Cannot serve as 'handler' must be a");
});

/** Serves one client with `handler`, to the end of the server. */
async function serveOne(
  handler: TcpHandler,
  act: (server: TcpServer) => Promise<void>,
  options: ServeTcpOptions = {},
) {
  const events = new Events();
  const errors: [unknown, ConnInfo][] = [];
  await using server = serveTcp({
    onEvent: events.hear,
    onError: (error, info) => errors.push([error, info]),
    ...options,
  }, handler);
  await act(server);
  const closed = await events.next("closed");
  return { closed, errors, events };
}

Deno.test("TcpServer closes a connection when its handler returns", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    await writeAll(conn, BYTE);
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    assertEquals(await readToEnd(client), BYTE);
  });
  assertEquals([closed.reason, closed.by, errors.length], ["finished", "handler", 0]);
});

Deno.test("TcpServer closes a connection when its handler returns without a promise", async () => {
  const { closed } = await serveOne(() => {}, async (server) => {
    using client = await Deno.connect(server.addr);
    assertEquals(await client.read(new Uint8Array(1)), null);
  });
  assertEquals([closed.reason, closed.by], ["finished", "handler"]);
});

Deno.test("TcpServer loses no byte of a reply when input is left unread", async () => {
  const reply = new Uint8Array(3 * 1024 * 1024).fill(1);
  const { closed } = await serveOne(async (conn) => {
    await readExact(conn, 1);
    await writeAll(conn, reply);
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    await writeAll(client, new Uint8Array(50_000));
    assertEquals((await readToEnd(client)).length, reply.length);
  });
  assertEquals([closed.reason, closed.by], ["finished", "handler"]);
});

Deno.test("TcpServer closes at once when the peer's FIN was read", async () => {
  const world = seededWorld(1);
  const { closed } = await serveOne(echo, async (server) => {
    using client = await Deno.connect(server.addr);
    await writeAll(client, BYTE);
    await client.closeWrite();
    assertEquals(await readToEnd(client), BYTE);
  }, { world });
  const { reason, by, bytesRead, bytesWritten } = closed;
  assertEquals([reason, by, bytesRead, bytesWritten], ["finished", "peer", 1, 1]);
  assertEquals(world.sleeps, [10_000]); // which is the patience of the shutdown alone
});

Deno.test("TcpServer cuts a peer that does not say FIN within lingerTimeout", async () => {
  const world = seededWorld(1);
  const { closed, errors } = await serveOne(() => {}, async (server) => {
    using client = await Deno.connect(server.addr);
    assertEquals(await client.read(new Uint8Array(1)), null);
    await world.advance(999);
    assertEquals(server.conns, 1);
    await world.advance(251);
    assertEquals(server.conns, 0);
  }, { world, lingerTimeout: 1000 });
  assertEquals([closed.reason, closed.by, errors.length], ["lingered", "server", 0]);
});

Deno.test("TcpServer leaves a connection that the handler disposed", async () => {
  const world = seededWorld(1);
  const { closed, errors } = await serveOne((conn) => conn.close(), async (server) => {
    using client = await Deno.connect(server.addr);
    assertEquals(await client.read(new Uint8Array(1)), null);
  }, { world });
  assertEquals(world.sleeps, [10_000]); // again that of the shutdown alone
  assertEquals([closed.reason, closed.by, errors.length], ["finished", "handler", 0]);
});

Deno.test("TcpServer takes no offence at a read that the handler's own closing ends", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    const pending = conn.read(new Uint8Array(1));
    conn.close();
    await pending;
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
  });
  assertEquals([closed.reason, closed.by, errors.length], ["finished", "handler", 0]);
});

for (
  const [how, fail] of [
    ["throws at once", (error: unknown) => {
      throw error;
    }],
    ["rejects", (error: unknown) => Promise.reject(error)],
  ] as [string, (error: unknown) => void | Promise<void>][]
) {
  Deno.test(`TcpServer reports a handler that ${how}, and serves the next client`, async () => {
    const bug = new TypeError("a bug");
    const errors: [unknown, ConnInfo][] = [];
    const events = new Events();
    await using server = serveTcp({
      onEvent: events.hear,
      onError: (error, info) => errors.push([error, info]),
    }, (conn, info) => info.id === 1 ? fail(bug) : echo(conn, info));
    using first = await Deno.connect(server.addr);
    assertEquals(await first.read(new Uint8Array(1)), null);
    using second = await Deno.connect(server.addr);
    await roundTrip(second);

    const closed = await events.next("closed");
    assertEquals([closed.reason, closed.by], ["error", "handler"]);
    assertStrictEquals(closed.error, bug);
    assertEquals(errors.length, 1);
    assertStrictEquals(errors[0]![0], bug);
    assertEquals({ ...errors[0]![1].remoteAddr }, { ...first.localAddr } as Deno.NetAddr);
    assertEquals(server.stats.handlerErrors, 1);
  });
}

for (const asked of [false, true]) {
  const when = asked ? ", though it was asked to end" : "";
  Deno.test(`TcpServer reports a handler that throws undefined${when}`, async () => {
    const { closed, errors } = await serveOne(async (conn) => {
      await conn.read(new Uint8Array(1));
      throw undefined;
    }, async (server) => {
      using client = await Deno.connect(server.addr);
      if (asked) server.shutdown();
      await writeAll(client, BYTE);
      await readToEnd(client);
    });
    assertEquals([closed.reason, closed.by, errors[0]?.[0]], ["error", "handler", undefined]);
    assertEquals(errors.length, 1);
  });
}

Deno.test("TcpServer hands a handler's error to reportError by default", async () => {
  using reported = new Reported();
  const bug = new TypeError("a bug");
  await using server = serveTcp({}, () => Promise.reject(bug));
  using client = await Deno.connect(server.addr);
  await readToEnd(client);
  assertEquals(reported.errors, [bug]);
});

Deno.test("TcpServer survives callbacks that throw", async () => {
  using reported = new Reported();
  const fail = (what: string) => () => {
    throw new Error(what);
  };
  await using server = serveTcp({
    onListen: fail("onListen"),
    onEvent: fail("onEvent"),
    onError: fail("onError"),
  }, (conn, info) => info.id === 1 ? Promise.reject("bug") : echo(conn, info));
  using first = await Deno.connect(server.addr);
  await readToEnd(first);
  using second = await Deno.connect(server.addr);
  await roundTrip(second);
  assertEquals(
    reported.errors.map((error) => (error as Error).message),
    // listening, accepted, the handler's error, closed, accepted
    ["onListen", "onEvent", "onEvent", "onError", "onEvent", "onEvent"],
  );
});

Deno.test("TcpServer without onError lets a bug be seen, and no client end the process", async () => {
  using reported = new Reported();
  const events = new Events();
  const bug = new TypeError("bug");
  const tooMuch = new TooMuchDataError(1);
  await using server = serveTcp({ onEvent: events.hear }, (_conn, { id }) => {
    throw id === 1 ? tooMuch : bug;
  });
  for (const [i, error] of [tooMuch, bug].entries()) {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
    const closed = await events.next("closed", i + 1);
    assertEquals([closed.reason, closed.error], ["error", error]);
  }
  assertEquals(reported.errors, [bug]);
});

Deno.test("TcpServer tells a peer's reset as an event, not as an error", async () => {
  const { closed, errors } = await serveOne(echo, async (server) => {
    using client = await dialResettable(server.addr);
    await writeAll(client, BYTE);
    assertEquals(await readExact(client, 1), BYTE);
    client.reset();
  });
  assertEquals([closed.reason, closed.by, errors.length], ["reset", "peer", 0]);
  assertInstanceOf(closed.error, Deno.errors.ConnectionReset);
});

Deno.test("TcpServer tells a reset that the handler kept to itself", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    await conn.read(new Uint8Array(1)).catch(() => {});
  }, async (server) => {
    using client = await dialResettable(server.addr);
    client.reset();
  });
  assertEquals([closed.reason, closed.by, errors.length], ["reset", "peer", 0]);
});

Deno.test("TcpServer takes a peer that went away while we wrote for a reset", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    assertEquals(await conn.read(new Uint8Array(1)), null);
    while (true) await conn.write(new Uint8Array(65536));
  }, async (server) => {
    const client = await Deno.connect(server.addr);
    client.close();
  });
  assertEquals([closed.reason, closed.by, errors.length], ["reset", "peer", 0]);
});

Deno.test("TcpServer reports a bug that came out of a reset", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    await conn.read(new Uint8Array(1)).catch(() => {});
    throw new TypeError("a bug");
  }, async (server) => {
    using client = await dialResettable(server.addr);
    client.reset();
  });
  assertEquals([closed.reason, closed.by, errors.length], ["error", "handler", 1]);
});

Deno.test("TcpServer blames a client for no other connection of the handler's", async () => {
  const { closed, errors } = await serveOne(async () => {
    const [upstream, its] = memoryPair();
    its[Symbol.dispose]();
    await upstream.write(BYTE);
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
  });
  assertEquals([closed.reason, closed.by], ["error", "handler"]);
  assertInstanceOf(errors[0]?.[0], Deno.errors.BrokenPipe);
});

Deno.test("TcpServer reports a write after the handler's own closeWrite()", async () => {
  const { closed, errors } = await serveOne(async (conn) => {
    await conn.closeWrite();
    await conn.write(BYTE);
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
  });
  assertEquals([closed.reason, closed.by], ["error", "handler"]);
  assertInstanceOf(errors[0]?.[0], Deno.errors.BrokenPipe);
});

Deno.test("TcpServer reports a write after the handler's own dispose", async () => {
  const { errors } = await serveOne(async (conn) => {
    conn.close();
    await conn.write(BYTE);
  }, async (server) => {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
  });
  assertInstanceOf(errors[0]?.[0], Deno.errors.BadResource);
});

Deno.test("TcpServer reports an interruption that it did not cause", async () => {
  const elsewhere = new Deno.errors.Interrupted("operation canceled");
  const { closed, errors } = await serveOne(() => Promise.reject(elsewhere), async (server) => {
    using client = await Deno.connect(server.addr);
    await readToEnd(client);
  });
  assertEquals([closed.reason, closed.by], ["error", "handler"]);
  assertStrictEquals(errors[0]?.[0], elsewhere);
});

Deno.test("TcpServer tells what happens to a connection, in order and in full", async () => {
  const world = seededWorld(1);
  const { events } = await serveOne(echo, async (server) => {
    using client = await Deno.connect(server.addr);
    await roundTrip(client);
    await world.advance(250);
    await roundTrip(client);
  }, { world });
  const { addr } = events.of("listening")[0]!;
  const { remoteAddr } = events.of("accepted")[0]!;
  assertEquals(events.all.slice(0, 3), [
    { type: "listening", addr },
    { type: "accepted", id: 1, remoteAddr },
    {
      type: "closed",
      id: 1,
      remoteAddr,
      reason: "finished",
      by: "peer",
      bytesRead: 2,
      bytesWritten: 2,
      duration: 250,
    },
  ]);
});

Deno.test("TcpServer.stats counts open and closed connections", async () => {
  const events = new Events();
  const world = seededWorld(1);
  await world.advance(42);
  await using server = serveTcp({ onEvent: events.hear, world }, echo);
  using open = await Deno.connect(server.addr);
  await roundTrip(open);
  const gone = await Deno.connect(server.addr);
  await roundTrip(gone);
  await roundTrip(gone);
  gone.close();
  await events.next("closed");
  assertEquals(server.stats, {
    since: 42,
    accepted: 2,
    refused: 0,
    active: 1,
    peak: 2,
    closed: 1,
    acceptErrors: 0,
    handlerErrors: 0,
    bytesRead: 3,
    bytesWritten: 3,
  });
});

Deno.test("TcpServer.stats remembers the most that were served at once", async () => {
  const events = new Events();
  await using server = serveTcp({ onEvent: events.hear }, echo);
  const clients = [await Deno.connect(server.addr), await Deno.connect(server.addr)];
  for (const client of clients) await roundTrip(client);
  for (const client of clients) client.close();
  await events.next("closed", 2);
  using late = await Deno.connect(server.addr);
  await roundTrip(late);
  assertEquals([server.stats.active, server.stats.peak], [1, 2]);
});

Deno.test("TcpServer outlives 2,000 clients that connect and reset at once", async () => {
  const events = new Events();
  await using server = serveTcp({ onEvent: events.hear }, echo);
  for (let batch = 0; batch < 20; batch++) {
    // In the queue they are certainly gone before they are accepted.
    server.suspend();
    await Promise.all(Array.from({ length: 100 }, async () => {
      (await dialResettable(server.addr)).reset();
    }));
    server.resume();
    using client = await Deno.connect(server.addr);
    await roundTrip(client);
  }
  const gone = events.of("acceptError");
  assert(gone.length > 1000, `only ${gone.length} were gone before they were accepted`);
  assertEquals(gone.length, server.stats.acceptErrors);
  assertEquals(new Set(gone.map((event) => event.retryIn)), new Set([0]));
});
