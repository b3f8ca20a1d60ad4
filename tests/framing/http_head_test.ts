import { assertEquals } from "@std/assert";
import type { HttpResponseOptions } from "../../lib/framing/http_response.ts";
import { faultOf, happened } from "./_http.ts";

/** The head of a response, as it was understood. */
function head(text: string, options: HttpResponseOptions = {}) {
  const { events, error } = happened(text, { request: { method: "HEAD" }, ...options });
  assertEquals(error, undefined);
  return events[0] as { version: string; status: number; reason: string; fields: string[][] };
}

/** The fields of a response, as they were understood. */
function fields(lines: string, options: HttpResponseOptions = {}): string[][] {
  return head(`HTTP/1.1 200 OK\r\n${lines}\r\n`, options).fields;
}

/** Why the fields of a response were refused. */
function fault(lines: string, options: HttpResponseOptions = {}): string {
  return faultOf(`HTTP/1.1 200 OK\r\n${lines}\r\n`, options).code;
}

Deno.test("HttpResponseDecoder reads every status line that RFC 9112 allows", () => {
  const lines: [line: string, version: string, status: number, reason: string][] = [
    ["HTTP/1.1 200 OK", "1.1", 200, "OK"],
    ["HTTP/1.0 404 Not  Found ", "1.0", 404, "Not  Found "],
    ["HTTP/1.1 200 ", "1.1", 200, ""],
    ["HTTP/1.1 200", "1.1", 200, ""],
    ["HTTP/1.9 999 \xe9t\xe9", "1.1", 999, "\xe9t\xe9"],
  ];
  for (const [line, version, status, reason] of lines) {
    const found = head(`${line}\r\n\r\n`);
    assertEquals([found.version, found.status, found.reason], [version, status, reason], line);
  }
});

Deno.test("HttpResponseDecoder refuses every other status line", () => {
  const lines = [
    "HTTP/1.1",
    "HTTP/1.1 ",
    "HTTP/1.1 20",
    "HTTP/1.1 2000",
    "HTTP/1.1 099 x",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 200\tOK",
    "HTTP/1.10 200 OK",
    "HTTP/1. 200 OK",
    "HTTP/1.1 200 a\rb",
    "HTTP/1.1 200 a\0b",
    "HTTP/2.0 200 OK",
    " HTTP/1.1 200 OK",
    "ICY 200 OK",
  ];
  for (const line of lines) assertEquals(faultOf(`${line}\r\n\r\n`).code, "malformed", line);
});

Deno.test("HttpResponseDecoder keeps fields repeated, in order, spelled as they came", () => {
  assertEquals(fields("Set-Cookie: a=1\r\nX: y\r\nset-cookie: b=2\r\n"), [
    ["Set-Cookie", "a=1"],
    ["X", "y"],
    ["set-cookie", "b=2"],
  ]);
});

Deno.test("HttpResponseDecoder trims values and keeps their bytes", () => {
  assertEquals(fields("A: \t b c \t \r\nB:\r\nC::d\r\nD: \xc3\xa9\x80\xa0\r\n"), [
    ["A", "b c"],
    ["B", ""],
    ["C", ":d"],
    ["D", "\xc3\xa9\x80\xa0"],
  ]);
});

Deno.test("HttpResponseDecoder unfolds a field, RFC 9112, 5.2", () => {
  assertEquals(fields("A: b \r\n \t c\r\n\td\r\nE: f\r\n \r\n"), [["A", "b c d"], ["E", "f"]]);
});

Deno.test("HttpResponseDecoder removes a space before the colon, RFC 9112, 5.1", () => {
  assertEquals(fields("Content-Length \t: 5\r\n"), [["Content-Length", "5"]]);
});

Deno.test("HttpResponseDecoder takes a bare LF for a line end, RFC 9112, 2.2", () => {
  assertEquals(head("HTTP/1.1 200 OK\nA: b\n\n").fields, [["A", "b"]]);
});

Deno.test("HttpResponseDecoder refuses fields that could be understood in two ways", () => {
  const lines = [
    " A: b\r\n", // a space after the start line, 2.2
    "\tA: b\r\n",
    "A\r\n",
    "A\r\n : b\r\n", // only a value may be folded, 5.2
    "A \r\n\t: b\r\n",
    ": b\r\n",
    "A B: c\r\n",
    "A\xa0: b\r\n",
    "(A): b\r\n",
    "A: b\rC: d\r\n", // a bare CR
    "A: b\r\r\n",
    "A: b\0c\r\n",
  ];
  for (const line of lines) assertEquals(fault(line), "malformed", JSON.stringify(line));
});

Deno.test("HttpResponseDecoder keeps to maxLine, with and without a line end", () => {
  const limits = { maxLine: 20 };
  assertEquals(fields(`A: ${"b".repeat(17)}\r\n`, limits).length, 1);
  assertEquals(fields(`A: ${"b".repeat(17)}\n`, limits).length, 1);
  assertEquals(fault(`A: ${"b".repeat(18)}\r\n`, limits), "too-long");
  assertEquals(fault(`A: ${"b".repeat(18)}`, limits), "too-long");
  assertEquals(faultOf(`HTTP/1.1 200 ${"b".repeat(8)}`, limits).limit, 20);
});

Deno.test("HttpResponseDecoder keeps to maxLine, also where a field is folded", () => {
  assertEquals(fields(`A: ${"b\r\n ".repeat(8)}\r\n`, { maxLine: 20 }).length, 1);
  assertEquals(fields(`A: 23456\r\n ${"b".repeat(11)}\r\n`, { maxLine: 20 }).length, 1);
  assertEquals(fault(`A: 23456\r\n ${"b".repeat(12)}\r\n`, { maxLine: 20 }), "too-long");
  assertEquals(fault(`A: ${"b\r\n ".repeat(10)}\r\n`, { maxLine: 20 }), "too-long");
});

Deno.test("HttpResponseDecoder keeps to maxHead", () => {
  const lines = "A: b\r\n".repeat(10);
  const size = 17 + lines.length + 2;
  assertEquals(fields(lines, { maxHead: size }).length, 10);
  assertEquals(fault(lines, { maxHead: size - 1 }), "too-long");
});

Deno.test("HttpResponseDecoder keeps to maxFields", () => {
  assertEquals(fields("A: b\r\n".repeat(3), { maxFields: 3 }).length, 3);
  assertEquals(fault("A: b\r\n".repeat(4), { maxFields: 3 }), "too-long");
});
