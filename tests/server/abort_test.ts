import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { TcpAddr } from "../../lib/addr.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import type { ServeTcpOptions } from "../../lib/server/options.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { isResettable, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { BYTE, echo, Events, roundTrip } from "./_served.ts";

/** A server whose connections can be reset. */
async function serve(handler: TcpHandler, options: ServeTcpOptions = {}): Promise<TcpServer> {
  return serveTcp({ ...options, listener: await listenResettable() }, handler);
}

/** Connects; a TcpStream never takes a reset for EOF. */
async function connect(addr: TcpAddr): Promise<TcpStream> {
  return new TcpStream(await Deno.connect(addr));
}

/**
 * What the kernel still holds of these clients' connections, as `ss` prints it: the port may have
 * been another server's before, whose clients are in TIME-WAIT.
 */
async function remains({ port }: TcpAddr, clients: readonly TcpStream[]): Promise<string[]> {
  const args = ["-tanH", `( sport = :${port} or dport = :${port} )`];
  const lines = text((await new Deno.Command("ss", { args }).output()).stdout).split("\n");
  const theirs = clients.map(({ localAddr }) => new RegExp(`:${localAddr.port}\\b`));
  return lines.filter((line) => theirs.some((one) => one.test(line)));
}

/** Reads what had arrived, and then the reset. */
function assertReset(client: TcpStream): Promise<Error> {
  return assertRejects(() => readToEnd(client, { maxBytes: 1 << 30 }), Deno.errors.ConnectionReset);
}

/** Writes until a write waits: the turns of somebody else's ping-pong are the clock. */
async function fill(conn: TcpStream, clock: TcpStream): Promise<{ waits: Promise<unknown> }> {
  const block = new Uint8Array(65536);
  for (let taken = true; taken;) {
    taken = false;
    const write = conn.write(block);
    write.then(() => taken = true, () => {});
    for (let turn = 0; turn < 30 && !taken; turn++) await roundTrip(clock);
    if (!taken) return { waits: write.catch((error) => error) };
  }
  throw new Error("unreachable");
}

needs(
  { run: ["ss"] },
  "TcpServer.abort() resets every client at once, whatever it is doing, and leaves no TIME_WAIT",
  async () => {
    const stuck = Promise.withResolvers<void>();
    const server = await serve(async (conn, info) => {
      const [kind] = await readExact(conn, 1);
      if (kind === 1) return echo(conn, info);
      if (kind === 2) await conn.read(new Uint8Array(0)); // takes no more: the client's writes wait
      if (kind === 3) await readToEnd(conn); // the client said FIN, and is not answered
      if (kind === 4) {
        stuck.resolve();
        // More than it reads: our writes wait.
        while (true) await conn.write(new Uint8Array(65536));
      }
      await new Promise(() => {});
    });
    const { addr } = server;
    const [idle, writing, halfClosed, flooded] = await Promise.all(
      Array.from({ length: 4 }, () => connect(addr)),
    );
    for (const [at, client] of [idle!, writing!, halfClosed!, flooded!].entries()) {
      await writeAll(client, Uint8Array.of(at + 1));
    }
    const { waits } = await fill(writing!, idle!);
    await halfClosed!.closeWrite();
    await stuck.promise;
    const reading = assertReset(idle!); // waits in a read
    const waiting = assertReset(halfClosed!);

    const report = server.abort();
    // Not a turn of the event loop later: what is on the wire is on the wire.
    const clients = [idle!, writing!, halfClosed!, flooded!];
    assertEquals(await remains(addr, clients), [], "nothing of it is left in the kernel");
    await Promise.all([reading, waiting]);
    assert(await waits instanceof Error, "the write that waits is rejected");
    await assertReset(writing!);
    await assertReset(flooded!);
    for (const client of clients) {
      // Again and again: a reset never passes for EOF.
      await assertReset(client);
      client.close();
    }
    assertEquals(await report, { reset: 4, closed: 0 });
    assertEquals(server.conns, 0);
  },
);

needs(
  { run: ["ss"] },
  "TcpServer.abort() resets who waits to be accepted, as well as who waits for a place",
  async () => {
    const server = await serve(() => new Promise(() => {}), { maxConns: 1 });
    const clients = [];
    for (let i = 0; i < 20; i++) clients.push(await connect(server.addr));
    const report = server.abort();
    for (const client of clients) await assertReset(client);
    assertEquals(await remains(server.addr, clients), []);
    for (const client of clients) client.close();
    const { reset, closed } = await report;
    assert(reset <= 1 && closed === 0);
  },
);

Deno.test("TcpServer.abort() resets whom a shutdown took over and has no place for", async () => {
  const events = new Events();
  const server = await serve(() => new Promise(() => {}), { maxConns: 1, onEvent: events.hear });
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect(server.addr)));
  await events.next("accepted");
  const drained = server.shutdown();
  server.abort();
  for (const client of clients) {
    await assertReset(client);
    client.close();
  }
  assertEquals((await drained).cut, 1);
});

Deno.test("TcpServer.abort() frees the port, tells handlers, and says so in the event", async () => {
  const events = new Events();
  let told: AbortSignal | undefined;
  const server = await serve(async (conn, { signal }) => {
    told = signal;
    await writeAll(conn, BYTE);
    await conn.read(new Uint8Array(1));
  }, { onEvent: events.hear });
  using client = await connect(server.addr);
  await readExact(client, 1);
  const report = server.abort();
  assertStrictEquals(server.abort(), report);
  assertEquals(told?.aborted, true);
  assertEquals(await report, { reset: 1, closed: 0 });
  const [closed] = events.of("closed");
  assertEquals([closed!.reason, closed!.by, closed!.error], ["aborted", "server", undefined]);
  await server.finished;
  using again = await listenResettable({ port: server.addr.port });
  assertEquals(again.addr.port, server.addr.port);
});

Deno.test("TcpServer.abort() without resettable connections closes them, and reports that", async () => {
  const server = serveTcp({}, echo);
  using client = await connect(server.addr);
  await roundTrip(client);
  const report = server.abort();
  assertEquals(await readToEnd(client), new Uint8Array()); // FIN: it cannot know
  assertEquals(await report, { reset: 0, closed: 1 });
});

Deno.test("TcpServer.abort() of a server that has ended does nothing", async () => {
  const server = await serve(echo);
  await server.shutdown();
  assertEquals(await server.abort(), { reset: 0, closed: 0 });
});

Deno.test("serveTcp({ listener }) lets a handler reset its client", async () => {
  await using server = await serve(async (conn) => {
    await readExact(conn, 1);
    assert(isResettable(conn));
    conn.reset();
    await assertRejects(() => conn.read(new Uint8Array(1)), Deno.errors.BadResource);
  });
  using client = await connect(server.addr);
  await writeAll(client, BYTE);
  await assertReset(client);
});

Deno.test("serveTcp({ listener }) counts, drains and lingers as over a listener of its own", async () => {
  const events = new Events();
  const server = await serve(async (conn) => {
    await writeAll(conn, new Uint8Array(1 << 20)); // and does not read what the client says
  }, { onEvent: events.hear });
  using client = await connect(server.addr);
  await writeAll(client, new Uint8Array(1000));
  const report = server.shutdown();
  assertEquals((await readToEnd(client)).length, 1 << 20);
  await client.closeWrite();
  const { finished, cut } = await report;
  assertEquals([finished, cut], [1, 0]);
  const [closed] = events.of("closed");
  assertEquals([closed!.reason, closed!.bytesRead, closed!.bytesWritten], [
    "finished",
    1000,
    1 << 20,
  ]);
});

Deno.test("serveTcp({ listener }) outlives clients that reset at once", async () => {
  await using server = await serve(echo);
  for (let i = 0; i < 50; i++) {
    (await dialResettable(server.addr)).reset();
  }
  using client = await connect(server.addr);
  await roundTrip(client);
});

Deno.test("serveTcp({ listener }) drains a suspended server's queue", async () => {
  const server = await serve(echo);
  server.suspend();
  const clients = await Promise.all(Array.from({ length: 50 }, () => connect(server.addr)));
  for (const client of clients) await writeAll(client, BYTE);
  const report = server.shutdown();
  for (const client of clients) {
    await client.closeWrite();
    assertEquals(await readToEnd(client), BYTE);
    client.close();
  }
  const { finished, cut, unserved } = await report;
  assertEquals([finished, cut, unserved], [50, 0, 0]);
});
