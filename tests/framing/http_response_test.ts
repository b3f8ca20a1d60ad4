import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { drain, FrameError } from "../../lib/framing/decoder.ts";
import { HttpFields } from "../../lib/framing/http_fields.ts";
import { HttpResponseDecoder } from "../../lib/framing/http_response.ts";
import { bodyOf, faultOf, happened, latin1 } from "./_http.ts";

const OK = "HTTP/1.1 200 OK\r\n";

Deno.test("HttpResponseDecoder tells the head, the body and the end apart", () => {
  const stream = `${OK}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello`;
  assertEquals(happened(stream).events, [
    {
      type: "head",
      version: "1.1",
      status: 200,
      reason: "OK",
      fields: [["Content-Type", "text/plain"], ["Content-Length", "5"]],
      keepAlive: true,
    },
    { body: "hello" },
    { end: [] },
  ]);
});

Deno.test("HttpResponseDecoder keeps the bytes of the body that came with the head", () => {
  const decoder = new HttpResponseDecoder();
  decoder.push(latin1(`${OK}Content-Length: 5\r\n\r\nhel`));
  assertEquals([...drain(decoder)].map((event) => event.type), ["head", "body"]);
  decoder.push(latin1("lo"));
  assertEquals([...drain(decoder)], [
    { type: "body", bytes: latin1("lo") },
    { type: "end", trailers: new HttpFields() },
  ]);
});

Deno.test("HttpResponseDecoder hands the body on as it comes, without a copy", () => {
  const decoder = new HttpResponseDecoder();
  const chunk = latin1(`${OK}Content-Length: 9\r\n\r\nbody`);
  decoder.push(chunk);
  decoder.next();
  const event = decoder.next();
  assert(event?.type === "body");
  assertEquals(event.bytes, latin1("body"));
  assert(event.bytes.buffer === chunk.buffer);
  assertEquals(decoder.buffered, 0);
});

Deno.test("HttpResponseDecoder reads a body that ends with the connection", () => {
  assertEquals(bodyOf(`${OK}\r\nuntil FIN`), "until FIN");
  assertEquals(bodyOf("HTTP/1.0 200 OK\r\n\r\n"), "");
});

Deno.test("HttpResponseDecoder reads no body where there can be none", () => {
  const bodiless: [status: number, method: string][] = [[200, "HEAD"], [204, "GET"], [304, "GET"]];
  for (const [status, method] of bodiless) {
    for (const framing of ["Content-Length: 5", "Transfer-Encoding: chunked", "X: y"]) {
      const decoder = new HttpResponseDecoder({ request: { method } });
      decoder.expect();
      const one = `HTTP/1.1 ${status} x\r\n${framing}\r\n\r\n`;
      const { events, error } = happened(`${one}${OK}Content-Length: 2\r\n\r\nhi`, { decoder });
      assertEquals(error, undefined);
      assertEquals(events.slice(-2), [{ body: "hi" }, { end: [] }], `${status} ${method}`);
    }
  }
});

Deno.test("HttpResponseDecoder shows interim responses, then the final one", () => {
  const stream = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
    `${OK}Content-Length: 2\r\n\r\nhi`;
  const { events, error } = happened(stream);
  assertEquals(error, undefined);
  assertEquals(events.map((event) => (event as { status?: number }).status), [
    100,
    103,
    200,
    undefined,
    undefined,
  ]);
  assertEquals(events[1], {
    type: "interim",
    version: "1.1",
    status: 103,
    reason: "Early Hints",
    fields: [["Link", "</a>"]],
  });
});

Deno.test("HttpResponseDecoder allows maxInterim interim responses before each final one", () => {
  const hint = "HTTP/1.1 103 x\r\n\r\n";
  const done = `${OK}Content-Length: 0\r\n\r\n`;
  const decoder = new HttpResponseDecoder({ maxInterim: 2 });
  decoder.expect();
  const stream = hint + hint + done + hint + hint + done;
  assertEquals(happened(stream, { decoder }).error, undefined);
  assertEquals(faultOf(hint + hint + hint, { maxInterim: 2 }).code, "too-long");
  assertEquals(faultOf(hint, { maxInterim: 0 }).code, "too-long");
});

Deno.test("HttpResponseDecoder tells pipelined responses apart", () => {
  const decoder = new HttpResponseDecoder();
  decoder.expect({ method: "HEAD" });
  decoder.expect();
  assertEquals(decoder.awaited, 3);
  const stream = `${OK}Content-Length: 1\r\n\r\na` +
    `${OK}Content-Length: 7\r\n\r\n` +
    `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n`;
  const { events, error } = happened(stream, { decoder });
  assertEquals(error, undefined);
  assertEquals(events.filter((event) => !Object.hasOwn(event as object, "fields")), [
    { body: "a" },
    { end: [] },
    { end: [] },
    { body: "c" },
    { end: [] },
  ]);
  assertEquals(decoder.awaited, 0);
});

Deno.test("HttpResponseDecoder refuses bytes that answer no request", () => {
  const once = `${OK}Content-Length: 1\r\n\r\na`;
  const { events, error } = happened(once + once);
  assertEquals(events.length, 3);
  assertEquals(error?.code, "malformed");
  assertEquals(error?.offset, once.length);
});

Deno.test("HttpResponseDecoder forgives empty lines after a body and before a head", () => {
  const once = `${OK}Content-Length: 1\r\n\r\na`;
  assertEquals(happened(`\r\n\n${once}\r\n\n`).error, undefined);
  assertEquals(faultOf("\r\n".repeat(200), { maxHead: 100 }).code, "too-long");
});

Deno.test("HttpResponseDecoder refuses what follows a response that said close", () => {
  const last = `${OK}Connection: close\r\nContent-Length: 1\r\n\r\na`;
  const decoder = new HttpResponseDecoder();
  decoder.expect();
  const { events, error } = happened(`${last}${OK}\r\n`, { decoder });
  assertEquals(events.length, 3);
  assertEquals(error?.code, "malformed");
});

Deno.test("HttpResponseDecoder reports requests that the peer closed upon", () => {
  const unanswered = faultOf("");
  assertEquals(unanswered.code, "truncated");
  assertStringIncludes(unanswered.message, "must not close before it has answered");
  assertStringIncludes(faultOf("HTTP/1.1 200 OK\r\n").message, "must not end before its head does");
  const decoder = new HttpResponseDecoder();
  decoder.expect();
  const { error } = happened(`${OK}Connection: close\r\nContent-Length: 0\r\n\r\n`, { decoder });
  assertEquals(error?.message, unanswered.message);
});

Deno.test("HttpResponseDecoder says how much of a body is missing", () => {
  assertEquals(faultOf(`${OK}Content-Length: 5\r\n\r\nabc`).missing, 2);
  const chunked = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
  const missing: [stream: string, least: number][] = [
    ["", 5],
    ["0\r", 3],
    ["0;extension", 1],
    ["5\r\nab", 3 + 2 + 5],
    ["5\r\nabcde\r", 1 + 5],
    ["0\r\n", 1],
  ];
  for (const [stream, least] of missing) {
    const error = faultOf(chunked + stream);
    assertEquals([error.code, error.missing], ["truncated", least], JSON.stringify(stream));
    assertStringIncludes(error.message, `${least} bytes are missing`);
  }
});

Deno.test("HttpResponseDecoder finds a head truncated wherever it ends", () => {
  const whole = `${OK}Content-Length: 0\r\n\r\n`;
  for (let end = 0; end < whole.length; end++) {
    assertEquals(faultOf(whole.slice(0, end)).code, "truncated", whole.slice(0, end));
  }
});

Deno.test("HttpResponseDecoder says whether the connection may go on", () => {
  const length = "Content-Length: 0\r\n";
  const cases: [head: string, keepAlive: boolean][] = [
    [`HTTP/1.1 200 x\r\n${length}`, true],
    [`HTTP/1.1 200 x\r\n${length}Connection: close\r\n`, false],
    [`HTTP/1.1 200 x\r\n${length}Connection: foo, CLOSE\r\n`, false],
    [`HTTP/1.1 200 x\r\n`, false],
    [`HTTP/1.0 200 x\r\n${length}`, false],
    [`HTTP/1.0 200 x\r\n${length}Connection: Keep-Alive\r\n`, true],
    [`HTTP/1.0 200 x\r\n${length}Connection: keep-alive\r\nConnection: close\r\n`, false],
    [`HTTP/1.0 200 x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n`, false],
    [`HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n`, true],
    [`HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n${length}`, false],
    [`HTTP/1.7 200 x\r\n${length}`, true],
  ];
  for (const [head, keepAlive] of cases) {
    const [event] = happened(`${head}\r\n`).events as [{ keepAlive: boolean }];
    assertEquals(event.keepAlive, keepAlive, head);
  }
});

Deno.test("HttpResponseDecoder hands over what follows 101, if an upgrade was asked for", () => {
  const stream = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nnot HTTP";
  const decoder = new HttpResponseDecoder({ request: { upgrade: true } });
  assertEquals(decoder.tunnel, false);
  decoder.push(latin1(stream));
  assertEquals(decoder.rest().length, 0);
  assertEquals([...drain(decoder)].map((event) => event.type), ["head", "end"]);
  assert(decoder.tunnel);
  assertEquals(decoder.rest(), latin1("not HTTP"));
  decoder.push(latin1("more"));
  assertEquals(decoder.next(), undefined);
  assertEquals(decoder.rest(), latin1("more"));
  assertStringIncludes(faultOf(stream).message, "must not be 101");
});

Deno.test("HttpResponseDecoder hands over what follows a successful CONNECT", () => {
  const head = "HTTP/1.1 200 Established\r\nContent-Length: 3\r\n\r\n";
  const decoder = new HttpResponseDecoder({ request: { method: "CONNECT" } });
  const { events } = happened(`${head}raw`, { decoder });
  assertEquals(events.length, 2);
  assertEquals(decoder.rest(), latin1("raw"));
  for (const status of [300, 502]) {
    const refused = `HTTP/1.1 ${status} No\r\nContent-Length: 3\r\n\r\nbad`;
    assertEquals(bodyOf(refused, { request: { method: "CONNECT" } }), "bad");
  }
});

Deno.test("HttpResponseDecoder keeps to maxBody, however the body ends", () => {
  const bodies: [framing: string, body: string][] = [
    ["Content-Length: 4\r\n\r\n", "abcd"],
    ["Transfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"],
    ["\r\n", "abcd"],
  ];
  for (const [framing, body] of bodies) {
    assertEquals(bodyOf(OK + framing + body, { maxBody: 4 }), "abcd");
    const error = faultOf(OK + framing + body, { maxBody: 3 });
    assertEquals([error.code, error.limit], ["too-long", 3], framing);
  }
  assertEquals(faultOf(`${OK}Content-Length: 4\r\n\r\n`, { maxBody: 3 }).length, 4);
});

Deno.test("HttpResponseDecoder hands on all of a body that is too long up to maxBody", () => {
  const decoder = new HttpResponseDecoder({ maxBody: 4 });
  decoder.push(latin1(`${OK}\r\nabc`));
  assertEquals([...drain(decoder)].length, 2);
  decoder.push(latin1("def"));
  assertEquals(decoder.next(), { type: "body", bytes: latin1("d") });
  assertThrows(() => decoder.next(), FrameError, "at most 4 bytes");
});

Deno.test("HttpResponseDecoder counts what it holds of a head and of trailers", () => {
  const decoder = new HttpResponseDecoder();
  decoder.push(latin1(`${OK}Transfer-Encoding: chunked\r\nX`));
  assertEquals(decoder.next(), undefined);
  assertEquals(decoder.buffered, `${OK}Transfer-Encoding: chunked\r\nX`.length);
  decoder.push(latin1(": y\r\n\r\n0\r\nA: b\r\nC"));
  assertEquals([...drain(decoder)].length, 1);
  assertEquals(decoder.buffered, "A: b\r\nC".length);
  decoder.push(latin1(": d\r\n\r\n"));
  assertEquals([...drain(decoder)].length, 1);
  assertEquals(decoder.buffered, 0);
});

Deno.test("HttpResponseDecoder drops what is pushed once it is broken", () => {
  const decoder = new HttpResponseDecoder();
  decoder.push(latin1("SSH"));
  const error = assertThrows(() => decoder.next(), FrameError);
  decoder.push(latin1("-2.0"));
  assertEquals(decoder.buffered, 0);
  assert(assertThrows(() => decoder.next(), FrameError) === error);
});

Deno.test("HttpResponseDecoder refuses other protocols at their first wrong byte", () => {
  for (const banner of ["SSH-2.0-OpenSSH", "\x15\x03\x01", "<html>", "HTTP/2.0 200", "http/1.1"]) {
    const decoder = new HttpResponseDecoder();
    decoder.push(latin1(banner));
    const error = assertThrows(() => decoder.next(), Error, "must begin with");
    assertEquals(error.name, "FrameError");
  }
});

Deno.test("HttpResponseDecoder.push() throws a TypeError after end()", () => {
  const decoder = new HttpResponseDecoder();
  decoder.end();
  decoder.end();
  assertThrows(() => decoder.push(latin1("x")), TypeError);
});

Deno.test("HttpResponseDecoder refuses limits that limit nothing", () => {
  for (const bad of [{ maxLine: 0 }, { maxHead: NaN }, { maxFields: -1 }, { maxBody: -1 }]) {
    assertThrows(() => new HttpResponseDecoder(bad), RangeError, Object.keys(bad)[0]!);
  }
});
