import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { dial } from "../../lib/client/dial.ts";
import { echo, type EchoOptions, rawEcho } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { tcpAddr } from "../../lib/addr.ts";
import { seededWorld } from "../../lib/world.ts";

const remoteAddr = tcpAddr("192.0.2.7", 4321);
const WELCOME = "Welcome to the echo server! You are 192.0.2.7:4321\n";

/** What a client hears that sends these packets, and then FIN. */
async function hear(packets: readonly (string | Uint8Array)[], options: EchoOptions = {}) {
  const [client, server] = memoryPair({ capacity: 1 << 20 });
  const served = serve(server, echo(server, { remoteAddr, signal: never() }, options));
  const heard = readToEnd(client);
  for (const packet of packets) await writeAll(client, bytes(packet));
  await client.closeWrite();
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(await heard);
  await served;
  assertEquals(text.slice(0, WELCOME.length), WELCOME);
  return text.slice(WELCOME.length);
}

/** As a server does it: FIN, once the handler has returned. */
async function serve(conn: Duplex, handled: Promise<void>): Promise<void> {
  await handled;
  await conn.closeWrite();
}

function bytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

function never(): AbortSignal {
  return new AbortController().signal;
}

Deno.test("echo() answers each line, ended by LF or CR LF", async () => {
  assertEquals(await hear(["one\ntwo\r\n\nfour\n"]), "ECHO: one\nECHO: two\nECHO: \nECHO: four\n");
});

Deno.test("echo() answers the same however the bytes are cut", async () => {
  const script = bytes("one\r\ntwö\n\n\xff\nlast");
  const lines = await hear([script]);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(script.length), { maxLength: 6 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), script.length];
      const packets = at.slice(1).map((end, i) => script.subarray(at[i], end));
      assertEquals(await hear(packets.filter((packet) => packet.length > 0)), lines);
    }),
  );
});

Deno.test("echo() answers the last line when FIN comes instead of a newline", async () => {
  assertEquals(await hear(["one\ntwo"]), "ECHO: one\nECHO: two\n");
  assertEquals(await hear(["one\r"]), "ECHO: one\n");
});

Deno.test("echo() ends at quit, in any case and with blanks around it, and says Goodbye!", async () => {
  assertEquals(await hear(["one\n \tQuIt \r\ntwo\n"]), "ECHO: one\nGoodbye!\n");
  assertEquals(await hear(["quit"]), "Goodbye!\n");
  assertEquals(await hear(["quit now\nquits"]), "ECHO: quit now\nECHO: quits\n");
});

Deno.test("echo() returns at quit though the client has not said FIN", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, bytes("quit\n"));
  await echo(server, { remoteAddr, signal: never() });
});

Deno.test("echo() answers a line that is too long by one error, and the next line as ever", async () => {
  const error = "ERROR: a line must have at most 5 bytes\n";
  const options = { maxLine: 5 };
  assertEquals(
    await hear(["12345\n123456\n12345\r\n"], options),
    `ECHO: 12345\n${error}ECHO: 12345\n`,
  );
  assertEquals(await hear(["1234", "5678", "9\nquit"], options), `${error}Goodbye!\n`);
  assertEquals(
    await hear(["x".repeat(65536), "\n", "y".repeat(65537), "\nz"]),
    [
      `ECHO: ${"x".repeat(65536)}\n`,
      "ERROR: a line must have at most 65536 bytes\n",
      "ECHO: z\n",
    ].join(""),
  );
});

Deno.test("echo() rejects a longest line that is not an integer >= 0", async () => {
  const [, server] = memoryPair();
  await assertRejects(
    () => echo(server, { remoteAddr, signal: never() }, { maxLine: -1 }),
    RangeError,
  );
});

Deno.test("echo() answers bytes that are not UTF-8 by an error, and goes on", async () => {
  const error = "ERROR: a line must be UTF-8\n";
  assertEquals(
    await hear([Uint8Array.of(0xff, 0x0a, 0xc3, 0x0a, 0x61)]),
    `${error}${error}ECHO: a\n`,
  );
  // U+FFFD, which stands for what is not UTF-8, is UTF-8 itself.
  assertEquals(await hear(["a\ufffd\n"]), "ECHO: a\ufffd\n");
  assertEquals(await hear([bytes("a\ufffd"), Uint8Array.of(0xff, 0x0a)]), error);
});

Deno.test("echo() gives a character cut over two packets back whole", async () => {
  assertEquals(await hear([Uint8Array.of(0xe2, 0x82), Uint8Array.of(0xac, 0x0a)]), "ECHO: €\n");
});

Deno.test("echo() changes no control character, blank or byte order mark", async () => {
  const line = "\ufeff\0\x07\x1b[31m a\rb\t\u0085\u2028 ";
  assertEquals(await hear([`${line}\n`]), `ECHO: ${line}\n`);
});

Deno.test("echo() answers lines that came together in one write", async () => {
  const [client, server] = memoryPair();
  const writes: number[] = [];
  const counted: Duplex = {
    read: (p) => server.read(p),
    write: (p) => (writes.push(p.length), server.write(p)),
    closeWrite: () => server.closeWrite(),
    [Symbol.dispose]: () => server[Symbol.dispose](),
  };
  await writeAll(client, bytes("a\n".repeat(100)));
  await client.closeWrite();
  await echo(counted, { remoteAddr, signal: never() });
  assertEquals(writes, [WELCOME.length, "ECHO: a\n".length * 100]);
});

Deno.test("rawEcho() gives all bytes back as they came, and FIN after them", async () => {
  await using server = serveTcp({}, rawEcho);
  using client = await dial(server.addr);
  const sent = new Uint8Array(3 << 20).map((_, i) => i * 31 + (i >> 8));
  const [heard] = await Promise.all([
    readToEnd(client),
    writeAll(client, sent).then(() => client.closeWrite()),
  ]);
  assertEquals(heard.length, sent.length);
  assertEquals(heard.every((byte, i) => byte === sent[i]), true);
});

for (const [name, handler] of [["echo", echo], ["rawEcho", rawEcho]] as const) {
  Deno.test(`${name}() reads no more from a client that does not read`, async () => {
    const [client, server] = memoryPair({ capacity: 100 });
    const handled = handler(server, { remoteAddr, signal: never() });
    // Both pipes are full, and so is its buffer: it must not take any more.
    let stuck = false;
    const sent = (async () => {
      let total = 0;
      const line = bytes(`${"x".repeat(9)}\n`);
      while (!stuck) total += await client.write(line);
      return total;
    })();
    const world = seededWorld(1);
    for (let turn = 0; turn < 100; turn++) await world.advance(1);
    stuck = true;
    const [total] = await Promise.all([sent, readSome(client)]);
    assertEquals(total < 3000, true, `took ${total} bytes`);
    client[Symbol.dispose]();
    await assertRejects(() => handled);
  });

  Deno.test(`${name}() answers after the end is asked for, until the client is silent`, async () => {
    const [client, server] = memoryPair();
    const world = seededWorld(1);
    const drain = new AbortController();
    const served = serve(server, handler(server, { remoteAddr, signal: drain.signal }, { world }));
    await writeAll(client, bytes("before\n"));
    drain.abort();
    await world.advance(80);
    await writeAll(client, bytes("after\n"));
    await world.advance(120);
    await writeAll(client, bytes("too late\n"));
    const heard = new TextDecoder().decode(await readToEnd(client));
    assertMatch(heard, name === "echo" ? /ECHO: before\nECHO: after\n$/ : /^before\nafter\n$/);
    await served;
    assertEquals(world.sleepers, 0);
  });

  Deno.test(`${name}() ends after a second with a client that is never silent`, async () => {
    const [client, server] = memoryPair();
    const world = seededWorld(1);
    const handled = handler(server, { remoteAddr, signal: AbortSignal.abort() }, { world });
    let ended = false;
    handled.then(() => ended = true);
    for (; !ended && world.now() < 5000; await world.advance(20)) {
      await writeAll(client, bytes("still here\n"));
      await readSome(client);
    }
    assertEquals(world.now(), 1000);
    await handled;
  });

  Deno.test(`${name}() ends 5 seconds after it should with a client that does not read`, async () => {
    const [client, server] = memoryPair({ capacity: 1 << 20 });
    const world = seededWorld(1);
    const info = { remoteAddr, signal: AbortSignal.abort() };
    const served = serve(server, handler(server, info, { world }));
    const sent = writeAll(client, bytes("a line\n".repeat(1 << 20)));
    await world.advance(4999);
    assertEquals(world.sleepers, 1);
    await world.advance(1);
    assertEquals(world.sleepers, 0);
    // What was in hand is finished, and no more.
    const heard = new TextDecoder().decode(await readToEnd(client));
    if (name === "echo") assertEquals(heard.slice(-13), "ECHO: a line\n");
    await served;
    client[Symbol.dispose]();
    await assertRejects(() => sent);
  });

  Deno.test(`${name}() finishes its answers, however late the client reads them`, async () => {
    const [client, server] = memoryPair({ capacity: 10 });
    const world = seededWorld(1);
    const drain = new AbortController();
    const served = serve(server, handler(server, { remoteAddr, signal: drain.signal }, { world }));
    await readSome(client, name === "echo" ? WELCOME.length : 0);
    const line = "a long line, longer than the pipe\n";
    const sent = writeAll(client, bytes(line));
    drain.abort();
    await world.advance(3000);
    const answer = name === "echo" ? `ECHO: ${line}` : line;
    assertEquals(new TextDecoder().decode(await readExact(client, answer.length)), answer);
    await sent;
    await world.advance(120);
    assertEquals(await readToEnd(client), new Uint8Array());
    await served;
    assertEquals(world.sleepers, 0);
  });

  Deno.test(`${name}() leaves no timer and no listener when the client ends first`, async () => {
    const [client, server] = memoryPair();
    const world = seededWorld(1);
    const drain = new AbortController();
    const handled = handler(server, { remoteAddr, signal: drain.signal }, { world });
    drain.abort();
    await world.advance(20);
    await client.closeWrite();
    await handled;
    assertEquals(world.sleepers, 0);
  });

  Deno.test(`${name}() rejects when the client resets`, async () => {
    const [client, server] = memoryPair();
    const handled = handler(server, { remoteAddr, signal: never() });
    client.reset();
    await assertRejects(() => handled, Deno.errors.ConnectionReset);
  });
}

/** Reads once, or until `size` bytes have come. */
async function readSome(conn: Duplex, size?: number): Promise<number> {
  const buffer = new Uint8Array(65536);
  let total = 0;
  do {
    if (size === 0) return 0;
    total += await conn.read(buffer.subarray(0, (size ?? 65536) - total)) ?? 0;
  } while (size !== undefined && total < size);
  return total;
}
