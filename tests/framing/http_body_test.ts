import { assertEquals } from "@std/assert";
import { bodyOf, faultOf, happened } from "./_http.ts";

/** A response with these fields and these bytes after them. */
function response(fields: string, bytes: string): string {
  return `HTTP/1.1 200 OK\r\n${fields}\r\n${bytes}`;
}

const CHUNKED = "Transfer-Encoding: chunked\r\n";

Deno.test("HttpResponseDecoder lets Transfer-Encoding override Content-Length", () => {
  const stream = response(`Content-Length: 3\r\n${CHUNKED}`, "4\r\nabcd\r\n0\r\n\r\n");
  assertEquals(bodyOf(stream), "abcd");
});

Deno.test("HttpResponseDecoder reads until close what is not chunked at last", () => {
  for (const coding of ["gzip", "chunked, gzip", "identity", "x-chunked", "gzip ;a=chunked"]) {
    const fields = `Transfer-Encoding: ${coding}\r\nContent-Length: 1\r\n`;
    assertEquals(bodyOf(response(fields, "1\r\na\r\n0\r\n\r\n")), "1\r\na\r\n0\r\n\r\n", coding);
  }
});

Deno.test("HttpResponseDecoder finds chunked at the end of a list, in any case", () => {
  const lists = [
    "Transfer-Encoding: CHUNKED\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: gzip\r\ntransfer-encoding: , Chunked ,\r\n",
  ];
  for (const list of lists) assertEquals(bodyOf(response(list, "1\r\na\r\n0\r\n\r\n")), "a", list);
});

Deno.test("HttpResponseDecoder refuses chunked twice or with parameters", () => {
  for (const coding of ["chunked, chunked", "chunked;q=1", "chunked, gzip, chunked"]) {
    const stream = response(`Transfer-Encoding: ${coding}\r\n`, "0\r\n\r\n");
    assertEquals(faultOf(stream).code, "malformed", coding);
  }
});

Deno.test("HttpResponseDecoder refuses a Transfer-Encoding that names no coding", () => {
  const values = ["", ",", "\xa0chunked", "chunked\v", "chunked\r\n x", '"chunked"', "gzip, ;q=1"];
  for (const value of values) {
    const stream = response(`Transfer-Encoding: ${value}\r\nContent-Length: 0\r\n`, "0\r\n\r\n");
    assertEquals(faultOf(stream).code, "malformed", value);
  }
});

Deno.test("HttpResponseDecoder takes a Content-Length that is repeated identically", () => {
  for (const length of ["2, 2", "2\r\nContent-Length: 2", "002", "2 , 2"]) {
    assertEquals(bodyOf(response(`Content-Length: ${length}\r\n`, "hi")), "hi", length);
  }
});

Deno.test("HttpResponseDecoder refuses a Content-Length that is not one number", () => {
  const lengths = ["2, 3", "2\r\nContent-Length: 3", "", "2,", "+2", "-2", "2.0", "0x2", "2 2"];
  for (const length of lengths) {
    assertEquals(
      faultOf(response(`Content-Length: ${length}\r\n`, "hi")).code,
      "malformed",
      length,
    );
  }
});

Deno.test("HttpResponseDecoder counts a Content-Length exactly, or not at all", () => {
  const most = `${Number.MAX_SAFE_INTEGER}`;
  assertEquals(
    faultOf(response(`Content-Length: ${most}\r\n`, "hi")).missing,
    Number.MAX_SAFE_INTEGER - 2,
  );
  const more = faultOf(response("Content-Length: 9007199254740993\r\n", "hi"));
  assertEquals([more.code, more.length], ["too-long", 9007199254740993n]);
  assertEquals(faultOf(response(`Content-Length: ${"9".repeat(400)}\r\n`, "")).code, "too-long");
});

Deno.test("HttpResponseDecoder decodes the chunks of RFC 9112, 7.1, with extensions and trailers", () => {
  const chunks = '4\r\nWiki\r\n6;a;b=c ; d="e"\r\npedia \r\n' +
    "E \t;x\r\nin \r\n\r\nchunks.\r\n00\r\nExpires: never\r\nA: b\r\n c\r\n\r\n";
  const { events, error } = happened(response(CHUNKED, chunks));
  assertEquals(error, undefined);
  assertEquals(events.slice(1), [
    { body: "Wikipedia in \r\n\r\nchunks." },
    { end: [["Expires", "never"], ["A", "b c"]] },
  ]);
});

Deno.test("HttpResponseDecoder takes sizes in either case, with zeros, padded as old servers do", () => {
  for (const size of ["a", "A", "00000000000000000000a", "a  "]) {
    assertEquals(bodyOf(response(CHUNKED, `${size}\r\n0123456789\r\n0\r\n\r\n`)), "0123456789");
  }
});

Deno.test("HttpResponseDecoder forgives nothing that moves the end of a chunk", () => {
  const wrong = [
    "g\r\n",
    "\r\n",
    "-1\r\n",
    "+1\r\n",
    "0x1\r\n",
    "1 1\r\n",
    "1,\r\n",
    ";a\r\n",
    " 1\r\n",
    "1\na\r\n0\r\n\r\n", // a bare LF after the size
    "1\r\na\n0\r\n\r\n", // after the data
    "1\r\naX\r\n",
    "1\r\naXX0\r\n\r\n",
    "1\r\na\rX0\r\n\r\n",
    "1\r\na\r\r\n",
    "1;a\rb\r\n",
    "2\r\na\r\n0\r\n\r\n",
  ];
  for (const chunks of wrong) {
    assertEquals(faultOf(response(CHUNKED, chunks)).code, "malformed", JSON.stringify(chunks));
  }
});

Deno.test("HttpResponseDecoder refuses a chunk size that overflows", () => {
  const most = faultOf(response(CHUNKED, "1fffffffffffff\r\nhi"));
  assertEquals(most.missing, 2 ** 53 - 1 - 2 + 7);
  const more = faultOf(response(CHUNKED, "20000000000000\r\nhi"));
  assertEquals([more.code, more.length], ["too-long", 2n ** 53n]);
  assertEquals(faultOf(response(CHUNKED, `${"f".repeat(999)}\r\n`)).code, "too-long");
});

Deno.test("HttpResponseDecoder keeps to its limits in chunk lines and trailers", () => {
  const long = "x".repeat(50);
  assertEquals(faultOf(response(CHUNKED, `1;${long}`), { maxLine: 40 }).code, "too-long");
  assertEquals(faultOf(response(CHUNKED, `0\r\n${long}`), { maxLine: 40 }).code, "too-long");
  const trailers = "0\r\nA: b\r\nC: d\r\n\r\n";
  assertEquals(faultOf(response(CHUNKED, trailers), { maxFields: 1 }).code, "too-long");
  assertEquals(
    faultOf(response(CHUNKED, "0\r\n" + "A: b\r\n".repeat(20)), { maxHead: 60 }).code,
    "too-long",
  );
});

Deno.test("HttpResponseDecoder refuses extensions that outweigh the data", () => {
  const chunk = (data: string) => `${data.length.toString(16)};${"x".repeat(29)}\r\n${data}\r\n`;
  const limits = { maxHead: 100 };
  assertEquals(faultOf(response(CHUNKED, chunk("a").repeat(10)), limits).code, "too-long");
  const fair = chunk("a".repeat(30)).repeat(10) + "0\r\n\r\n";
  assertEquals(bodyOf(response(CHUNKED, fair), limits).length, 300);
  const beside = (length: number) => `1;${"x".repeat(length)}\r\na\r\n0\r\n\r\n`;
  assertEquals(bodyOf(response(CHUNKED, beside(100)), limits), "a");
  assertEquals(faultOf(response(CHUNKED, beside(101)), { ...limits, maxLine: 200 }).limit, 100);
});

Deno.test("HttpResponseDecoder takes any number of chunks of a byte that are said as they should be", () => {
  const chunks = "1\r\na\r\n".repeat(500) + "0\r\n\r\n";
  assertEquals(bodyOf(response(CHUNKED, chunks), { maxHead: 100 }).length, 500);
});

Deno.test("HttpResponseDecoder refuses zeros ahead of chunk sizes that outweigh the data", () => {
  const chunk = (data: string) => `${"0".repeat(30)}${data.length.toString(16)}\r\n${data}\r\n`;
  const limits = { maxHead: 100 };
  assertEquals(faultOf(response(CHUNKED, chunk("a").repeat(10)), limits).code, "too-long");
  const fair = chunk("a".repeat(30)).repeat(10) + "0\r\n\r\n";
  assertEquals(bodyOf(response(CHUNKED, fair), limits).length, 300);
});
