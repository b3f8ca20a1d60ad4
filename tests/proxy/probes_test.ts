import { assertEquals, assertMatch } from "@std/assert";
import type { Probe } from "../../lib/proxy/health.ts";
import { httpProbe } from "../../lib/proxy/probe_http.ts";
import { tlsProbe } from "../../lib/proxy/probe_tls.ts";
import { connectProbe, type ProbeTarget, talkProbe } from "../../lib/proxy/probes.ts";
import type { ClosedEvent } from "../../lib/server/events.ts";
import { listenTls } from "../../lib/server/listen_tls.ts";
import type { ServeTcpOptions } from "../../lib/server/options.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import type { TcpStream } from "../../lib/stream/tcp.ts";
import { realWorld, seededWorld } from "../../lib/world.ts";
import { bytes } from "../_conformance.ts";
import { cert, key } from "../_tls.ts";

type Handler = (conn: TcpStream) => Promise<void>;

/** Reads the question, and says `answer`. */
const saying = (answer: string): Handler => async (conn) => {
  await conn.read(new Uint8Array(4096));
  await writeAll(conn, bytes(answer));
  await conn.closeWrite();
  await readToEnd(conn);
};

/** Checks a server once: what was found, and how the server saw the check end. */
async function check(
  probe: Probe<ProbeTarget>,
  handler: Handler,
  options: ServeTcpOptions = {},
): Promise<{ found: string; seen: ClosedEvent["reason"] }> {
  const closed = Promise.withResolvers<ClosedEvent["reason"]>();
  const onEvent: ServeTcpOptions["onEvent"] = (event) =>
    event.type === "closed" && closed.resolve(event.reason);
  await using server = serveTcp({ onError: () => {}, onEvent, ...options }, handler);
  const context = { timeout: 10_000, signal: new AbortController().signal, world: realWorld };
  const { status, detail, ok } = await probe(server.addr, context);
  assertEquals(ok, status.endsWith("OK"));
  return { found: `${status} ${detail}`.trim(), seen: await closed.promise };
}

const page = (status: string, body: string) =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const pong = talkProbe([{ send: "PING\r\n" }, { expect: "PONG", comment: "its answer" }]);

for (
  const [name, probe, handler, found] of [
    ["a connection", connectProbe(), async () => {}, /^L4OK$/],
    ["the answer to PING", pong, saying("+PONG\r\n"), /^L7OK$/],
    ["another answer", pong, saying("-ERR"), /^L7RSP step 2, its answer: .*closed, got "-ERR"$/],
    ["a page", httpProbe(), saying(page("200 OK", "")), /^L7OK HTTP 200 OK$/],
    ["a redirection", httpProbe(), saying(page("302 Found", "")), /^L7OK HTTP 302 Found$/],
    ["an error page", httpProbe(), saying(page("500 Oops", "")), /^L7STS HTTP 500 Oops$/],
    ["the wrong page", httpProbe({ status: 204 }), saying(page("200 OK", "")), /^L7STS HTTP 200/],
    ["its text", httpProbe({ body: "well" }), saying(page("200 OK", "all well")), /^L7OK HTTP 200/],
    [
      "another text",
      httpProbe({ body: "well" }),
      saying(page("200 OK", "ill")),
      /^L7RSP HTTP 200 OK, without "well"$/,
    ],
    ["no HTTP", httpProbe(), saying("SSH-2.0-x\r\n"), /^L7RSP /],
  ] as const
) {
  Deno.test(`a check finds ${name}, and leaves by FIN`, async () => {
    const { found: got, seen } = await check(probe, handler);
    assertMatch(got, found);
    assertEquals(seen, "finished");
  });
}

Deno.test("a check looks through no more than it should", async () => {
  const { found } = await check(
    talkProbe([{ expect: "PONG" }], { maxBytes: 8 }),
    async (conn) => {
      while (true) await writeAll(conn, bytes("no, no, no"));
    },
  );
  assertMatch(found, /^L7RSP step 1, expecting "PONG": nothing of it in 8 bytes/);
});

Deno.test("a check of TLS finds a handshake, with a certificate that holds, and leaves by FIN", async () => {
  const heard = async (conn: TcpStream) => void await readToEnd(conn);
  const well = await check(tlsProbe({ caCerts: [cert] }), heard, {
    listener: listenTls({ cert, key }),
  });
  assertEquals(well, { found: "L6OK", seen: "finished" });
});

Deno.test("a check of TLS says what is wrong, where, and what to try", async () => {
  const strange = saying("HTTP/1.1 400 Bad Request\r\n\r\n");
  const { found } = await check(tlsProbe({ caCerts: [cert] }), strange);
  assertMatch(found, /^L6RSP the TLS handshake with 127\.0\.0\.1:\d+ failed: .*; try: check that /);

  await using server = serveTcp(
    { onError: () => {}, listener: listenTls({ cert, key }) },
    async (conn) => void await readToEnd(conn),
  );
  const context = { timeout: 10_000, signal: new AbortController().signal, world: realWorld };
  const { status, detail } = await tlsProbe()(server.addr, context); // who trusts nobody
  assertEquals(status, "L6RSP");
  assertMatch(detail, /^the TLS handshake with 127\.0\.0\.1:\d+ failed: .*UnknownIssuer; try: /);
});

Deno.test("a check says who is not there", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr as Deno.NetAddr;
  listener[Symbol.dispose]();
  for (const probe of [connectProbe(), pong, httpProbe(), tlsProbe()]) {
    const context = { timeout: 10_000, signal: new AbortController().signal, world: realWorld };
    const { status, detail } = await probe({ hostname, port }, context);
    assertEquals(status, "L4CON");
    assertMatch(detail, new RegExp(`^127\\.0\\.0\\.1:${port} refused`));
  }
});

Deno.test("a check does not wait for longer than it may for an answer", async () => {
  for (
    const [probe, status] of [[pong, "L7TOUT"], [httpProbe(), "L7TOUT"], [
      tlsProbe(),
      "L6TOUT",
    ]] as const
  ) {
    const asked = Promise.withResolvers<void>();
    await using server = serveTcp({ onError: () => {} }, async (conn) => {
      await conn.read(new Uint8Array(4096));
      asked.resolve();
      await readToEnd(conn);
    });
    const world = seededWorld(1);
    const context = { timeout: 1000, signal: new AbortController().signal, world };
    let over = false;
    const result = probe(server.addr, context).finally(() => over = true);
    await asked.promise;
    // Until it has noticed that it waits; then for its farewell.
    while (!over) await world.advance(1000);
    assertEquals((await result).status, status);
  }
});
