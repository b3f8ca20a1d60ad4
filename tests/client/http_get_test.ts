import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { httpGet, httpTarget } from "../../lib/client/http_get.ts";
import { DialError } from "../../lib/client/dial_error.ts";
import { FrameError } from "../../lib/framing/decoder.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, text } from "../_conformance.ts";

/** Answers each connection, once its request has come, with these writes and then FIN. */
function serving(...answer: string[]) {
  const requests: string[] = [];
  const server = serveTcp({}, async (conn) => {
    requests.push(await requestOn(conn));
    for (const part of answer) await writeAll(conn, bytes(part));
  });
  return {
    requests,
    url: (path: string) => `http://127.0.0.1:${server.addr.port}${path}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function requestOn(conn: Duplex): Promise<string> {
  let request = "";
  const buffer = new Uint8Array(1024);
  while (!request.endsWith("\r\n\r\n")) {
    request += text(buffer.subarray(0, await conn.read(buffer) ?? 0));
  }
  return request;
}

async function bodyOf(answer: { body(): AsyncIterable<Uint8Array> }): Promise<string> {
  return (await Array.fromAsync(answer.body(), text)).join("");
}

Deno.test("httpGet() sends a request that any server takes, and nothing it was not told", async () => {
  await using server = serving("HTTP/1.1 204 No Content\r\n\r\n");
  const fields = [["Accept", "text/html"], ["Accept", "text/plain"]] as const;
  using answer = await httpGet(server.url("/a%20b?c=d#e"), { fields });
  assertEquals(await bodyOf(answer), "");
  assertEquals(server.requests, [
    `GET /a%20b?c=d HTTP/1.1\r\nHost: ${new URL(server.url("/")).host}\r\n` +
    "Accept: text/html\r\nAccept: text/plain\r\nConnection: close\r\n\r\n",
  ]);
});

Deno.test("HttpAnswer.body() has the bytes that came along with the head", async () => {
  await using server = serving("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello", " world");
  using answer = await httpGet(server.url("/"));
  assertEquals([answer.head.status, answer.head.reason], [200, "OK"]);
  assertEquals(await bodyOf(answer), "hello world");
});

Deno.test("httpGet() reads an answer that dribbles in byte by byte", async () => {
  const whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nDigest: z\r\n\r\n";
  await using server = serving(...whole);
  using answer = await httpGet(server.url("/"));
  assertEquals(await bodyOf(answer), "hello world");
  assertEquals(answer.trailers.get("digest"), "z");
});

Deno.test("HttpAnswer.body() goes on until FIN where the head gives no length", async () => {
  await using server = serving("HTTP/1.0 200 OK\r\n\r\n", "all that ", "comes");
  using answer = await httpGet(server.url("/"));
  assertEquals(await bodyOf(answer), "all that comes");
});

Deno.test("HttpAnswer.body() ends with the response, also where the server does not say FIN", async () => {
  await using server = serveTcp({}, async (conn) => {
    await requestOn(conn);
    await writeAll(conn, bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
    await conn.read(new Uint8Array(1)); // null: the client has left
  });
  using answer = await httpGet(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(await bodyOf(answer), "hi");
});

Deno.test("httpGet() keeps interim responses apart from the one that counts", async () => {
  await using server = serving(
    "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
  );
  using answer = await httpGet(server.url("/"));
  assertEquals(answer.interim.map(({ status }) => status), [103]);
  assertEquals(answer.head.status, 404);
});

Deno.test("httpGet() waits for no body after HEAD, whatever length the head gives", async () => {
  await using server = serving("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
  using answer = await httpGet(server.url("/"), { method: "HEAD" });
  assertEquals(await bodyOf(answer), "");
  assertEquals(server.requests[0]!.slice(0, 7), "HEAD / ");
});

Deno.test("HttpAnswer.body() never passes a broken body for a whole one", async () => {
  await using server = serving("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
  using answer = await httpGet(server.url("/"));
  const error = await assertRejects(() => bodyOf(answer), FrameError);
  assertEquals([error.code, error.missing], ["truncated", 5]);
});

Deno.test("httpGet() rejects what is no HTTP, and an answer that never begins", async () => {
  await using chatter = serving("220 mail.example ESMTP\r\n");
  const malformed = await assertRejects(() => httpGet(chatter.url("/")), FrameError);
  assertEquals(malformed.code, "malformed");
  await using silent = serving();
  const never = "must not close before it has answered";
  const truncated = await assertRejects(() => httpGet(silent.url("/")), FrameError, never);
  assertEquals(truncated.code, "truncated");
  await using hinting = serving("HTTP/1.1 103 Early Hints\r\n\r\n");
  await assertRejects(() => httpGet(hinting.url("/")), FrameError, never);
});

Deno.test("httpGet() keeps to its limits for the head, and to none that limits nothing", async () => {
  const field = `X: ${"y".repeat(9000)}\r\n`;
  await using server = serving(`HTTP/1.1 200 OK\r\n${field}Content-Length: 2\r\n\r\nhi`);
  await assertRejects(() => httpGet(server.url("/")), FrameError, "8192 bytes");
  using answer = await httpGet(server.url("/"), { maxLine: 10_000 });
  assertEquals(await bodyOf(answer), "hi");
  await assertRejects(() => httpGet(server.url("/"), { maxFields: 0 }), RangeError);
  assertEquals(server.requests.length, 2);
});

Deno.test("httpGet() gives up on a server that is silent for its timeout", async () => {
  const asked = Promise.withResolvers<void>();
  await using server = serveTcp({}, async (conn) => {
    await requestOn(conn);
    asked.resolve();
    await conn.read(new Uint8Array(1)); // null: the client has left
  });
  const world = seededWorld(1);
  const url = `http://127.0.0.1:${server.addr.port}/`;
  const refusal = assertRejects(() => httpGet(url, { timeout: 5000, world }), DOMException);
  await asked.promise;
  await world.advance(5000);
  assertEquals((await refusal).name, "TimeoutError");
});

Deno.test("httpGet() ends when its signal aborts, also in the middle of the body", async () => {
  await using server = serveTcp({}, async (conn) => {
    await requestOn(conn);
    await writeAll(conn, bytes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"));
    await conn.read(new Uint8Array(1));
  });
  const cut = new AbortController();
  using answer = await httpGet(`http://127.0.0.1:${server.addr.port}/`, { signal: cut.signal });
  const body = answer.body();
  assertEquals(text((await body.next()).value!), "hello");
  const rest = assertRejects(() => body.next(), Error, "enough");
  cut.abort(new Error("enough"));
  await rest;
});

Deno.test("httpGet() closes its connection when it rejects and when its answer is disposed", async () => {
  const left: (number | null)[] = [];
  await using server = serveTcp({}, async (conn, { id }) => {
    await requestOn(conn);
    const status = id === 1 ? "no HTTP\r\n\r\n" : "HTTP/1.1 200 OK\r\n\r\n";
    await writeAll(conn, bytes(status));
    left.push(await conn.read(new Uint8Array(1)));
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  await assertRejects(() => httpGet(url), FrameError);
  (await httpGet(url))[Symbol.dispose]();
  await server.shutdown();
  assertEquals(left, [null, null]);
});

Deno.test("httpGet() says who did not listen", async () => {
  const server = serving();
  const url = server.url("/");
  await server[Symbol.asyncDispose]();
  const error = await assertRejects(() => httpGet(url), DialError);
  assertInstanceOf(error.cause, Deno.errors.ConnectionRefused);
});

Deno.test("httpGet() refuses a field by which something could be smuggled in", async () => {
  await using server = serving();
  const fields = [["X", "1\r\nHost: evil"]] as const;
  await assertRejects(() => httpGet(server.url("/"), { fields }), TypeError);
  assertEquals(server.requests, []);
});

Deno.test("httpTarget() reads where a URL leads", () => {
  assertEquals(httpTarget("http://[::1]:8080/x?y"), {
    hostname: "::1",
    port: 8080,
    host: "[::1]:8080",
    target: "/x?y",
  });
  assertEquals(httpTarget("HTTP://Example.COM"), {
    hostname: "example.com",
    port: 80,
    host: "example.com",
    target: "/",
  });
  const none = [
    "",
    "example.com",
    "https://example.com/",
    "ftp://x/",
    'http://a"b/',
    "http://x:0/",
  ];
  for (
    const url of [
      ...none,
      "http://me:secret@x/",
      "http://me@x/",
      "https://me:secret@x/",
      "http://me:secret@x:y/",
      "me:secret@x/",
    ]
  ) {
    const error = assertThrows(() => httpTarget(url), TypeError, "Cannot get as the URL must");
    assert(!error.message.includes("secret"), error.message);
  }
});
