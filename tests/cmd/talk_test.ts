import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { formatAddr } from "../../lib/addr.ts";
import { type Io, OutputClosedError } from "../../cmd/_cli.ts";
import { main } from "../../cmd/talk.ts";
import { rawEcho } from "../../lib/server/echo.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import type { TcpHandler } from "../../lib/server/session.ts";
import { chunks, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { needs } from "../_needs.ts";
import { start, type Started } from "../_script.ts";

const STARTING = { run: ["deno"], read: true };

function talk(server: { addr: TcpServer["addr"] }, ...flags: string[]): Promise<Started> {
  return start("talk", [formatAddr(server.addr), ...flags]);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Answers when all was sent, as many protocols of old do. */
const afterFin: TcpHandler = async (conn) => {
  const asked = await readToEnd(conn);
  await writeAll(conn, bytes(`got ${asked.length} bytes\n`));
};

needs(
  STARTING,
  "cmd/talk.ts makes the end of input FIN, and prints what comes after it",
  async () => {
    await using server = serveTcp({}, afterFin);
    await using script = await talk(server);
    await script.type("12345");
    await script.endInput();
    assertEquals(await script.output(), "got 5 bytes\n");
  },
);

needs(STARTING, "cmd/talk.ts sends and prints at once, and changes no byte", async () => {
  await using server = serveTcp({}, rawEcho);
  await using script = await talk(server);
  await script.type("ping\n");
  await script.printed(/ping/);
  const data = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 31 + (i >> 8));
  await script.type(data);
  await script.endInput();
  const { code, stdout, stderr } = await script.ended();
  assertEquals([code, stderr, stdout.length], [0, "", data.length + 5]);
  assertEquals(stdout.subarray(5).every((byte, i) => byte === data[i]), true);
});

needs(STARTING, "cmd/talk.ts goes on sending from a pipe after the server's FIN", async () => {
  const heard = Promise.withResolvers<string>();
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, bytes("I am done\n"));
    await conn.closeWrite();
    heard.resolve(text(await readToEnd(conn)));
  });
  await using script = await talk(server);
  await script.printed(/I am done/);
  await script.type("and I ");
  await script.type("am not\n");
  await script.endInput();
  assertEquals(await heard.promise, "and I am not\n");
  assertEquals(await script.output(), "I am done\n");
});

needs(STARTING, "cmd/talk.ts ends in one line when the server resets", async () => {
  using listener = await listenResettable({ hostname: "127.0.0.1", port: 0 });
  await using script = await talk(listener);
  using conn = await listener.accept();
  await writeAll(conn, bytes("hello\n"));
  await script.printed(/hello/);
  conn.reset();
  const { code, stderr } = await script.ended();
  assertEquals(code, 1);
  assertMatch(stderr, /^talk: 127\.0\.0\.1:\d+ reset the connection: [^\n]*\n$/);
});

needs(STARTING, "cmd/talk.ts says in one line that nobody listens", async () => {
  const server = serveTcp({}, afterFin);
  await server.shutdown();
  await using script = await talk(server);
  const { code, stdout, stderr } = await script.ended();
  assertEquals([code, stdout.length], [1, 0]);
  assertMatch(stderr, /^talk: 127\.0\.0\.1:\d+ refused: [^\n]*\n$/);
});

needs(STARTING, "cmd/talk.ts gives up on a server that does not finish after --wait", async () => {
  await using server = serveTcp({ lingerTimeout: 0 }, async (conn, { signal }) => {
    await writeAll(conn, bytes("hello\n"));
    await aborted(signal);
  });
  await using script = await talk(server, "--wait", "50ms");
  await script.endInput();
  const { code, stderr } = await script.ended();
  assertEquals(code, 1);
  assertMatch(stderr, /^talk: 127\.0\.0\.1:\d+ did not finish, and was silent for --wait\n$/);
});

needs(STARTING, "cmd/talk.ts gives up when nobody says anything for --idle", async () => {
  await using server = serveTcp({ lingerTimeout: 0 }, (_, { signal }) => aborted(signal));
  await using script = await talk(server, "--idle", "50ms");
  const { code, stderr } = await script.ended();
  assertEquals(code, 1);
  assertMatch(stderr, /^talk: neither \S+ nor standard input said anything for --idle\n$/);
});

needs(
  STARTING,
  "cmd/talk.ts ends its input at the first Ctrl-C, and hears the server out",
  async () => {
    await using server = serveTcp({}, async (conn) => {
      await writeAll(conn, bytes("hello\n"));
      await afterFin(conn, undefined!);
    });
    await using script = await talk(server);
    await script.printed(/hello/);
    script.kill("SIGINT");
    const { code, stdout, stderr } = await script.ended();
    assertEquals([code, text(stdout)], [0, "hello\ngot 0 bytes\n"]);
    assertMatch(stderr, /SIGINT: no more input, waiting for the server for at most 30s/);
  },
);

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  needs(STARTING, `cmd/talk.ts ends at once at the second ${signal}`, async () => {
    await using server = serveTcp({ lingerTimeout: 0 }, async (conn, info) => {
      await writeAll(conn, bytes("hello\n"));
      await aborted(info.signal);
    });
    await using script = await talk(server, "--wait", "0");
    await script.printed(/hello/);
    script.kill(signal);
    await script.logged(/no more input/);
    await script.insist(signal);
    assertEquals((await script.ended()).code, exitCode);
  });
}

/** A terminal, and a person in front of it who holds the other end. */
function person() {
  const [hands, stdin] = memoryPair();
  const printed: string[] = [];
  const io: Io = {
    stdin: { read: (p) => stdin.read(p), isTerminal: () => true },
    print: (data) =>
      Promise.resolve(void printed.push(typeof data === "string" ? data : text(data))),
    log: { info() {}, warn() {}, error() {} },
    color: false,
    interrupted: new AbortController().signal,
  };
  return { hands, printed, io };
}

Deno.test("talk's main() ends at a terminal when the server has finished", async () => {
  const heard = Promise.withResolvers<string>();
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, bytes("bye\n"));
    await conn.closeWrite();
    heard.resolve(text(await readToEnd(conn)));
  });
  const { hands, printed, io } = person();
  await writeAll(hands, bytes("typed\n"));
  await main([formatAddr(server.addr)], io);
  assertEquals(printed.join(""), "bye\n");
  assertEquals(await heard.promise, "typed\n");
});

Deno.test("talk's main() rejects when nobody reads its output, and ends the connection", async () => {
  const ended = Promise.withResolvers<void>();
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, bytes("hello\n"));
    for await (const _ of chunks(conn));
    ended.resolve();
  });
  const { io } = person();
  const print = () => Promise.reject(new OutputClosedError());
  await assertRejects(() => main([formatAddr(server.addr)], { ...io, print }), OutputClosedError);
  await ended.promise;
});

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}
