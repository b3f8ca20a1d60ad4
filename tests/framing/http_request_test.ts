import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { FrameError } from "../../lib/framing/decoder.ts";
import { encodeHttpHead, encodeHttpRequest, isHost } from "../../lib/framing/http_request.ts";
import { HttpRequestHeadDecoder } from "../../lib/framing/http_request_head.ts";
import { anyCuts, decode } from "./_cuts.ts";
import { latin1 } from "./_http.ts";

function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

Deno.test("encodeHttpRequest() writes Host first, then the fields in order", () => {
  const bytes = encodeHttpRequest({
    method: "HEAD",
    host: "[::1]:8080",
    target: "/a?b=%20",
    fields: [["X", "\xe9"], ["x", ""]],
  });
  assertEquals(text(bytes), "HEAD /a?b=%20 HTTP/1.1\r\nHost: [::1]:8080\r\nX: \xe9\r\nx: \r\n\r\n");
});

Deno.test("encodeHttpRequest() speaks HTTP/1.0 when told to, as the chapter does", () => {
  const bytes = encodeHttpRequest({ host: "example.com", version: "1.0" });
  assertEquals(text(bytes), "GET / HTTP/1.0\r\nHost: example.com\r\n\r\n");
});

Deno.test("encodeHttpRequest() lets nothing be smuggled in", () => {
  const host = "h";
  const bad: Parameters<typeof encodeHttpRequest>[0][] = [
    { host: "h\r\nX: y" },
    { host: "" },
    { host: "a b" },
    { host: "user@h/x" },
    { host: "::1" },
    { host, method: "GET /x HTTP/1.1\r\n" },
    { host, method: "" },
    { host, target: "/ HTTP/1.1\r\nX: y" },
    { host, target: "" },
    { host, target: "/\xe9" },
    { host, target: "/#part" },
    { host, fields: [["A\r\nB", "c"]] },
    { host, fields: [["A:", "c"]] },
    { host, fields: [["", "c"]] },
    { host, fields: [["A", "b\r\nC: d"]] },
    { host, fields: [["A", "b\nC: d"]] },
    { host, fields: [["A", "b\rC: d"]] },
    { host, fields: [["A", "\0"]] },
    { host, fields: [["A", "\u0100"]] },
    { host, fields: [["hOST", "other"]] },
    { host, fields: [["Content-Length", "5"]] },
    { host, fields: [["Transfer-Encoding", "chunked"]] },
  ];
  for (const request of bad) {
    assertThrows(() => encodeHttpRequest(request), TypeError, "Cannot encode HTTP");
  }
});

Deno.test("isHost() tells what may stand in a Host field, RFC 3986, 3.2", () => {
  const good = [
    "",
    "h",
    "h:",
    "h:80",
    "1.2.3.4:5",
    "[::1]",
    "[::1]:80",
    "[fe80::1%25lo]",
    "a%2fb_",
  ];
  const bad = [
    ":80",
    "h:x",
    "h:80:80",
    "::1",
    "[::1",
    "[]",
    "[::1]x",
    "h]",
    "%zz",
    "%2",
    "a b",
    "h/",
  ];
  for (const text of good) assert(isHost(text), text);
  for (const text of bad) assert(!isHost(text), text);
});

Deno.test("HttpRequestHeadDecoder reads what encodeHttpRequest() writes, however it is cut", () => {
  const token = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
  const value = fc.stringMatching(
    /^([\x21-\x7e\x80-\xff]([\t -~\x80-\xff]{0,12}[\x21-\x7e\x80-\xff])?)?$/,
  );
  const field = fc.tuple(token.map((name) => `x-${name}`), value);
  const request = fc.record({
    method: token,
    host: fc.stringMatching(/^[a-z0-9.-]{1,12}(:[0-9]{1,5})?$/),
    target: fc.stringMatching(/^\/[\x21\x22\x24-\x7e]{0,20}$/),
    fields: fc.array(field, { maxLength: 6 }),
    version: fc.constantFrom("1.0" as const, "1.1" as const),
  });
  fc.assert(fc.property(request, anyCuts, (sent, cuts) => {
    const decoder = new HttpRequestHeadDecoder();
    const { frames, error } = decode(decoder, encodeHttpRequest(sent), cuts);
    assertEquals(error, undefined);
    assertEquals(frames.length, 1);
    const { method, target, version, fields } = frames[0]!;
    assertEquals({ method, target, version }, {
      method: sent.method,
      target: sent.target,
      version: sent.version,
    });
    assertEquals(fields.lines, [["Host", sent.host], ...sent.fields]);
  }));
});

Deno.test("HttpRequestHeadDecoder keeps what follows the head, and decodes one head only", () => {
  const decoder = new HttpRequestHeadDecoder();
  decoder.push(latin1("\r\nGET /"));
  assertEquals(decoder.next(), undefined);
  assertEquals(decoder.rest().length, 0);
  decoder.push(latin1(" HTTP/1.1\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
  assertEquals(decoder.next()?.method, "GET");
  assertEquals(decoder.next(), undefined);
  assertEquals(text(decoder.rest()), "GET / HTTP/1.1\r\n\r\n");
  decoder.end();
  assertEquals(decoder.next(), undefined);
});

Deno.test("HttpRequestHeadDecoder refuses what a response is forgiven", () => {
  const start = "GET / HTTP/1.1\r\n";
  const heads = [
    `${start}A : b\r\n\r\n`,
    `${start}A: b\r\n c\r\n\r\n`,
    `${start} A: b\r\n\r\n`,
    "GET  / HTTP/1.1\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "GET /\r\n\r\n",
    "GET / x HTTP/1.1\r\n\r\n",
    "GET /#part HTTP/1.1\r\n\r\n",
    "GET /\xe9 HTTP/1.1\r\n\r\n",
    "G(T / HTTP/1.1\r\n\r\n",
    "\x16\x03\x01\n\r\n",
  ];
  for (const head of heads) {
    const { error } = decode(new HttpRequestHeadDecoder(), latin1(head));
    assertEquals(error?.code, "malformed", head);
  }
});

Deno.test("HttpRequestHeadDecoder finds a truncated head, but none before it begins", () => {
  assertEquals(decode(new HttpRequestHeadDecoder(), new Uint8Array()), { frames: [] });
  for (const head of ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n"]) {
    assertEquals(decode(new HttpRequestHeadDecoder(), latin1(head)).error?.code, "truncated");
  }
});

Deno.test("HttpRequestHeadDecoder throws nothing but FrameError and holds no more than its limits", () => {
  const limits = { maxLine: 20, maxHead: 60, maxFields: 3 };
  const piece = fc.constantFrom(
    "GET ",
    "/",
    " HTTP/1.1",
    "\r\n",
    "\n",
    "A: b",
    ":",
    " ",
    "\0",
    "\xff",
  );
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), anyCuts, (pieces, cuts) => {
    const decoder = new HttpRequestHeadDecoder(limits);
    const bytes = latin1(pieces.join(""));
    let found = false;
    const { error, frames } = decode(decoder, bytes, cuts, (buffered) => {
      found ||= decoder.rest().length > 0;
      if (!found) assert(buffered <= 60 + 20 + bytes.length);
    });
    assert(error === undefined || error instanceof FrameError);
    assert(frames.length <= 1);
  }));
});

Deno.test("encodeHttpHead() writes any start line with its fields", () => {
  assertEquals(
    text(encodeHttpHead("HTTP/1.1 204 x", [["A", "b"]])),
    "HTTP/1.1 204 x\r\nA: b\r\n\r\n",
  );
  assertThrows(() => encodeHttpHead("x", [["A", "\n"]]), TypeError);
});
