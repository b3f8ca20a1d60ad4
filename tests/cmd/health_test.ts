import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddr } from "../../lib/addr.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { bytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { start } from "../_script.ts";
import { freeAddr } from "../proxy/_programs.ts";

const STARTING = { run: ["deno"], read: true } as const;

needs(
  STARTING,
  "cmd/health.ts prints the chapter's lines, and ends with 1 if one is down",
  async () => {
    await using server = serveTcp({}, async () => {});
    const [well, gone] = [formatAddr(server.addr), formatAddr(freeAddr())];
    await using health = await start("health", [well, gone]);
    const { code, stdout, stderr } = await health.ended();
    const lines = new TextDecoder().decode(stdout).split("\n");
    assertEquals([code, stderr, lines[0]], [1, "", `✓ ${well} - OK`]);
    assertStringIncludes(lines[1]!, `✗ ${gone} - DOWN (L4CON: ${gone} refused`);
    await using good = await start("health", [well, well.replace("127.0.0.1", "localhost")]);
    assertMatch(await good.output(), /^✓ 127.*- OK\n✓ localhost.*- OK\n$/);
  },
);

needs(STARTING, "cmd/health.ts --check http asks for a page, --json says all", async () => {
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, bytes("HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n"));
    await readToEnd(conn);
  });
  const addr = formatAddr(server.addr);
  await using health = await start("health", [addr, "--check", "http:/up", "--json"]);
  const { code, stdout } = await health.ended();
  const { ms, detail, reason, ...said } = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals([code, said], [1, { server: addr, up: false, status: "L7STS" }]);
  assertEquals([typeof ms, reason], ["number", `L7STS: ${detail}`]);
});

needs(STARTING, "cmd/health.ts --check talk says something, and hears what it should", async () => {
  await using server = serveTcp({}, async (conn) => {
    const asked = new Uint8Array(100);
    const n = await conn.read(asked);
    await writeAll(conn, bytes(`hello\r\n"${text(asked.subarray(0, n ?? 0))}"`));
    await readToEnd(conn);
  });
  const addr = formatAddr(server.addr);
  for (
    const [said, code] of [
      ['talk:a\\x3aé\\\\\\r\\n:"a\\x3aé\\\\\\r\\n"', 0],
      ["talk:PING:PONG", 1],
    ] as const
  ) {
    await using health = await start("health", [addr, "--check", said, "--timeout", "1s"]);
    const { code: got, stdout } = await health.ended();
    assertEquals([got, text(stdout).slice(0, 1)], [code, code === 0 ? "✓" : "✗"], text(stdout));
  }
});

needs(STARTING, "cmd/health.ts --watch --json says since when, and why", async () => {
  const gone = formatAddr(freeAddr());
  // Were the other intervals --interval, nothing would be heard of the second check.
  const slow = ["--watch", "--json", "--interval", "10m", "--fall", "2"];
  const args = [gone, ...slow, "--initial", "fully-up", "--fast-interval", "1ms"];
  await using health = await start("health", args);
  const [line] = await health.printed(/^.*"up":true.*\n.*"up":false.*\n/);
  const [up, down] = line.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals([up.server, up.status, down.status], [gone, "L4CON", "L4CON"]);
  assertMatch(down.reason, /^2\/2 L4CON: /);
  const since = [up, down].map(({ since }) => Date.parse(since));
  assert(since[0]! <= since[1]!, line);
});

needs(STARTING, "cmd/health.ts --down-interval is for a server that is down", async () => {
  const addr = freeAddr();
  const often = ["--watch", "--interval", "10m", "--down-interval", "5ms", "--rise", "1"];
  await using health = await start("health", [formatAddr(addr), ...often]);
  await health.printed(/^✗ .*\n$/);
  await using _server = serveTcp(addr, async () => {});
  await health.printed(/^✗ .*\n✓ .*\n$/);
});

needs(STARTING, "cmd/health.ts --check tls says of a server without TLS what to try", async () => {
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await readToEnd(conn);
  });
  const addr = formatAddr(server.addr);
  await using health = await start("health", [addr, "--check", "tls"]);
  const { code, stdout } = await health.ended();
  const line = new TextDecoder().decode(stdout);
  assertEquals(code, 1);
  assertStringIncludes(line, `✗ ${addr} - DOWN (L6RSP: the TLS handshake with ${addr} failed: `);
  assertStringIncludes(line, "; try: check that both sides speak TLS on this port");
});

needs(
  STARTING,
  "cmd/health.ts --watch tells of every change, until it is interrupted",
  async () => {
    const listener = await listenResettable();
    const accepting = (async () => {
      try {
        while (true) (await listener.accept())[Symbol.dispose]();
      } catch {
        // It is closed.
      }
    })();
    const addr = formatAddr(listener.addr);
    const often = ["--watch", "--interval", "20ms", "--fall", "2"];
    await using health = await start("health", [addr, ...often]);
    await health.printed(/^✓ .* - OK\n$/);
    listener.close();
    await accepting;
    await health.printed(/^✓ .* - OK\n✗ .* - DOWN \(2\/2 L4CON: .*\)\n$/);
    health.kill("SIGINT");
    assertEquals((await health.ended()).code, 1);
  },
);

needs(STARTING, "cmd/health.ts says what is wrong, in one line", async () => {
  for (
    const [args, says] of [
      [[], "HOST:PORT is missing"],
      [["127.0.0.1:80", "nonsense:"], "HOST:PORT must be an address such as"],
      [["127.0.0.1:80", "--check", "off"], "--check must not be off"],
      [["127.0.0.1:80", "--rise", "3"], "--rise means nothing without --watch"],
      [["127.0.0.1:80", "--initial", "down"], "--initial means nothing without --watch"],
      [["a:80", "b:80", "a:80"], "HOST:PORT must be there once: a:80 is twice"],
      [
        ["127.0.0.1:80", "--check", "talk:PING:"],
        "--check must be connect, tls, http:/PATH, talk:",
      ],
      [["127.0.0.1:80", "--check", "http:up"], "--check must be connect, tls, http:/PATH, talk:"],
    ] as const
  ) {
    await using health = await start("health", args);
    const { code, stderr } = await health.ended();
    assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
    assertStringIncludes(stderr, says);
  }
});
