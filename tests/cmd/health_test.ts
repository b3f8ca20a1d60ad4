import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddr } from "../../lib/addr.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { bytes } from "../_conformance.ts";
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
      [["127.0.0.1:80", "--check", "http:up"], "--check must be connect, tls, http:/PATH or off"],
    ] as const
  ) {
    await using health = await start("health", args);
    const { code, stderr } = await health.ended();
    assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
    assertStringIncludes(stderr, says);
  }
});
