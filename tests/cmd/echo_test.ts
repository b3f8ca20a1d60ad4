import { assert, assertEquals, assertMatch } from "@std/assert";
import { dial, type DialedConn } from "../../lib/client/dial.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import { needs } from "../_needs.ts";
import { start, startProgram } from "../_script.ts";

const STARTING = { run: ["deno"], read: true };

/** A client of each kind, given the port: it sends its standard input, then FIN. */
const CLIENTS: Record<string, (port: number) => string[]> = {
  ncat: (port) => ["127.0.0.1", `${port}`],
  socat: (port) => ["-t", "30", "-", `TCP:127.0.0.1:${port}`],
  python3: (port) => ["-c", PYTHON, `${port}`],
};

const PYTHON = `
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    s.sendall(sys.stdin.buffer.read())
    s.shutdown(socket.SHUT_WR)
    while data := s.recv(4096):
        sys.stdout.buffer.write(data)
`;

needs(STARTING, "cmd/echo.ts serves cmd/talk.ts", async () => {
  await using echo = await start("echo", ["--port", "0"]);
  const { port } = await echo.addr();
  await using talk = await start("talk", [`:${port}`], { input: "hello\r\nwörld\nlast" });
  const heard = (await talk.output()).replace(/127\.0\.0\.1:\d+/, "ADDR");
  assertEquals(heard, `${WELCOME_ADDR}ECHO: hello\nECHO: wörld\nECHO: last\n`);
});

for (const [program, args] of Object.entries(CLIENTS)) {
  needs({ ...STARTING, run: ["deno", program] }, `cmd/echo.ts serves ${program}`, async () => {
    await using echo = await start("echo", ["--port", "0"]);
    const { port } = await echo.addr();
    for (const last of ["last", "quit\n"]) {
      await using client = startProgram(program, args(port), `hello\r\nwörld\n${last}`);
      const heard = (await client.output()).replace(/127\.0\.0\.1:\d+/, "ADDR");
      const end = last === "last" ? "ECHO: last\n" : "Goodbye!\n";
      assertEquals(heard, `${WELCOME_ADDR}ECHO: hello\nECHO: wörld\n${end}`);
    }
  });

  needs(
    { ...STARTING, run: ["deno", program] },
    `cmd/echo.ts --raw serves ${program}`,
    async () => {
      await using echo = await start("echo", ["--port", "0", "--raw"]);
      const { port } = await echo.addr();
      const data = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
      await using client = startProgram(program, args(port), data);
      const { code, stdout } = await client.ended();
      assertEquals([code, stdout.length], [0, data.length]);
      assert(stdout.every((byte, i) => byte === data[i]));
    },
  );
}

const WELCOME_ADDR = "Welcome to the echo server! You are ADDR\n";

needs(STARTING, "cmd/echo.ts logs who came, who left, why, and how much", async () => {
  await using echo = await start("echo", ["--port", "0"]);
  const addr = await echo.addr();
  const client = await dial(addr);
  const peer = `127.0.0.1:${client.localAddr.port}`;
  await echo.logged(new RegExp(`#1 ${peer} accepted`));
  await writeAll(client, new TextEncoder().encode("quit\n"));
  await readToEnd(client);
  client[Symbol.dispose]();
  await echo.logged(new RegExp(`#1 ${peer} closed by the handler: finished: 5 bytes in, \\d+ out`));
  echo.kill("SIGINT");
  const { code, stdout, stderr } = await echo.ended();
  assertEquals([code, stdout.length], [0, 0]);
  assertMatch(stderr, /SIGINT: draining 0 open, for at most 10s; again ends at once\n/);
  assertMatch(stderr, /drained in \d+ ms: 0 finished, 0 cut, 0 never served\n$/);
});

needs(STARTING, "cmd/echo.ts says in one word that a client reset", async () => {
  await using echo = await start("echo", ["--port", "0"]);
  const client = await dialResettable(await echo.addr());
  await client.read(new Uint8Array(100));
  client.reset();
  await echo.logged(/#1 \S+ closed by the peer: reset \(ECONNRESET\): 0 bytes in, \d+ out/);
});

needs(STARTING, "cmd/echo.ts says that a client was gone before it was accepted", async () => {
  await using echo = await start("echo", ["--port", "0"]);
  const addr = await echo.addr();
  echo.kill("SIGSTOP"); // the kernel shakes hands all the same
  const conn = await dialResettable(addr);
  conn.reset();
  echo.kill("SIGCONT");
  await echo.logged(/a client reset its connection before it was accepted/);
});

needs(STARTING, "cmd/echo.ts refuses whom it has no place for, and says so", async () => {
  const limits = ["--max-conns", "1", "--when-full", "refuse"];
  await using echo = await start("echo", ["--port", "0", ...limits]);
  const addr = await echo.addr();
  using _first = await dial(addr);
  await echo.logged(/#1 \S+ accepted/);
  using second = await dial(addr);
  assertEquals(await readToEnd(second), new Uint8Array());
  await echo.logged(new RegExp(`127.0.0.1:${second.localAddr.port} refused: all places are taken`));
});

needs(STARTING, "cmd/echo.ts says in one line that its port is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using echo = await start("echo", ["--port", `${taken.addr.port}`]);
  const { code, stderr } = await echo.ended();
  assertEquals(code, 1);
  assertMatch(stderr, /^echo: 127\.0\.0\.1:\d+ is taken: [^\n]*\n$/);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  needs(STARTING, `cmd/echo.ts ends at once at the second ${signal}`, async () => {
    await using echo = await start("echo", ["--port", "0", "--drain", "1h"]);
    using client = await dial(await echo.addr());
    // It does not end its side, so the drain has to wait for it.
    await client.read(new Uint8Array(100));
    echo.kill(signal);
    await echo.logged(/draining 1 open/);
    await echo.insist(signal);
    assertEquals((await echo.ended()).code, code);
  });
}

needs(STARTING, "cmd/echo.ts keeps serving 5,000 idle clients", async () => {
  await using echo = await start("echo", ["--port", "0"]);
  const addr = await echo.addr();
  const crowd = ["run", "--allow-net=127.0.0.1", "tests/cmd/_crowd.ts", `${addr.port}`, "5000"];
  await using program = startProgram(Deno.execPath(), crowd);
  await program.printed(/ready/);
  using newcomer = await dial(addr);
  await writeAll(newcomer, new TextEncoder().encode("room for me?\nquit\n"));
  assertMatch(
    new TextDecoder().decode(await readToEnd(newcomer)),
    /ECHO: room for me\?\nGoodbye!\n$/,
  );
  await program.type("\n");
  await program.printed(/answered/);
  await program.endInput();
  await program.output();
});

for (const kind of ["lines", "raw"] as const) {
  const args = ["--port", "0", ...kind === "raw" ? ["--raw"] : []];

  needs(STARTING, `cmd/echo.ts answers, in ${kind}, all that was sent before SIGTERM`, async () => {
    await using echo = await start("echo", args);
    const addr = await echo.addr();
    const clients = await Promise.all(Array.from({ length: 20 }, () => dial(addr)));
    const sent = numbered(0, 20_000);
    await Promise.all(clients.map((client) => writeAll(client, sent)));
    echo.kill("SIGTERM");
    await echo.logged(/draining/);
    for (const client of clients) {
      assertEquals(await answers(client, kind), new TextDecoder().decode(sent));
      client[Symbol.dispose]();
    }
    const { code, stderr } = await echo.ended();
    assertEquals(code, 0);
    assertMatch(stderr, /: 20 finished, 0 cut, 0 never served\n$/);
  });

  needs(
    STARTING,
    `cmd/echo.ts cuts no answer, in ${kind}, of those who send on after SIGTERM`,
    async () => {
      await using echo = await start("echo", args);
      const addr = await echo.addr();
      const clients = await Promise.all(Array.from({ length: 5 }, () => dial(addr)));
      const heardAll = clients.map((client) => sendUntilFin(client, kind));
      await echo.logged(/#5 \S+ accepted/);
      echo.kill("SIGTERM");
      const all = await Promise.all(heardAll);
      for (const client of clients) client[Symbol.dispose]();
      for (const heard of all) {
        const lines = heard.split("\n");
        const half = lines.pop();
        if (kind === "lines") assertEquals(half, "");
        assertEquals(lines.findIndex((line, i) => line !== `line ${i}`), -1);
      }
      const { code, stderr } = await echo.ended();
      assertEquals(code, 0);
      assertMatch(stderr, /: 5 finished, 0 cut, 0 never served\n$/);
    },
  );
}

/** Lines that cannot be taken for one another. */
function numbered(from: number, count: number): Uint8Array {
  const lines = Array.from({ length: count }, (_, i) => `line ${from + i}\n`);
  return new TextEncoder().encode(lines.join(""));
}

/** What came back up to FIN, without what the server adds; it fails at a reset. */
async function answers(conn: DialedConn, kind: "lines" | "raw"): Promise<string> {
  return withoutAdditions(new TextDecoder().decode(await readToEnd(conn)), kind);
}

/** Keeps sending numbered lines, a little ahead of the answers, and returns all that came back. */
async function sendUntilFin(conn: DialedConn, kind: "lines" | "raw"): Promise<string> {
  const added = kind === "lines" ? "ECHO: ".length : 0;
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  let heard = "";
  let answerable = 0;
  for (let from = 0;; from += 1000) {
    const lines = numbered(from, 1000);
    // It may close before we have read its FIN, and then takes no more. That is no loss.
    await writeAll(conn, lines).catch(() => {});
    answerable += lines.length + 1000 * added;
    while (conn.bytesRead < answerable - 20_000) {
      const n = await conn.read(buffer);
      if (n === null) return withoutAdditions(heard, kind);
      heard += decoder.decode(buffer.subarray(0, n), { stream: true });
    }
  }
}

function withoutAdditions(text: string, kind: "lines" | "raw"): string {
  return kind === "raw" ? text : text.replace(/^Welcome.*\n/, "").replaceAll(/^ECHO: /gm, "");
}
