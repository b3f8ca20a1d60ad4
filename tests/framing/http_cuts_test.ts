import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HttpResponseDecoder } from "../../lib/framing/http_response.ts";
import { anyCuts, type Cuts } from "./_cuts.ts";
import { happened, latin1 } from "./_http.ts";

const LIMITS = { maxLine: 64, maxHead: 256, maxFields: 6, maxBody: 400, maxInterim: 2 };

const METHODS = ["GET", "HEAD", "GET", "CONNECT"];

/** The same stream, whole and cut, must be understood in the same way. */
function assertSame(stream: Uint8Array, cuts: Cuts, method: string): void {
  const decoder = () => {
    const decoder = new HttpResponseDecoder({ ...LIMITS, request: { method } });
    for (const method of METHODS) decoder.expect({ method });
    return decoder;
  };
  const whole = happened(stream, { decoder: decoder() });
  const pieces = happened(stream, { decoder: decoder() }, cuts, (buffered, chunk) => {
    const limit = LIMITS.maxHead + LIMITS.maxLine;
    const tunnel = whole.events.length > 0 && method === "CONNECT" ? stream.length : 0;
    assert(buffered <= limit + chunk + tunnel, `holds ${buffered} bytes`);
  });
  assertEquals(pieces.events, whole.events);
  assertEquals(pieces.error?.message, whole.error?.message);
  assertEquals(pieces.error?.offset, whole.error?.offset);
}

const token = fc.stringMatching(/^[A-Za-z-]{1,8}$/);
const value = fc.stringMatching(/^([!-~\x80-\xff]{1,8})?$/);
const fields = fc.array(fc.tuple(token, value), { maxLength: 3 }).map((lines) =>
  lines.map(([name, value]) => `x-${name}: ${value}\r\n`).join("")
);
const body = fc.string({ unit: "binary-ascii", maxLength: 60 });

/** A response that keeps the connection open, and what it means. */
const response = fc.oneof(
  fc.tuple(fields, body).map(([fields, body]) => ({
    bytes: `HTTP/1.1 200 OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`,
    body,
  })),
  fc.tuple(fields, fc.array(body.filter((body) => body !== ""), { maxLength: 4 }), fields).map(
    ([fields, chunks, trailers]) => ({
      bytes: `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n` +
        chunks.map((chunk) => `${chunk.length.toString(16)};x\r\n${chunk}\r\n`).join("") +
        `0\r\n${trailers}\r\n`,
      body: chunks.join(""),
    }),
  ),
  fc.constant({ bytes: "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", body: "" }),
);

Deno.test("HttpResponseDecoder understands responses as they were meant, however they are cut", () => {
  fc.assert(
    fc.property(fc.array(response, { minLength: 1, maxLength: 4 }), anyCuts, (sent, cuts) => {
      const decoder = new HttpResponseDecoder();
      for (let i = 1; i < sent.length; i++) decoder.expect();
      const { events, error } = happened(
        sent.map(({ bytes }) => bytes).join(""),
        { decoder },
        cuts,
      );
      assertEquals(error, undefined);
      const bodies: string[] = [];
      for (const event of events as { body?: string; end?: unknown; status?: number }[]) {
        if (event.status) bodies.push("");
        if (event.body !== undefined) bodies[bodies.length - 1] = event.body;
      }
      assertEquals(bodies, sent.map(({ body }) => body));
    }),
  );
});

Deno.test("HttpResponseDecoder understands mutated responses the same however they are cut", () => {
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    remove: fc.nat(3),
    insert: fc.oneof(
      fc.constantFrom(
        "\r",
        "\n",
        "\r\n",
        "\0",
        " ",
        ":",
        ";",
        "0",
        "f",
        ",",
        "HTTP/1.1 100 x\r\n\r\n",
      ),
      fc.string({ unit: "binary-ascii", maxLength: 3 }),
    ),
  });
  fc.assert(
    fc.property(
      fc.array(response, { minLength: 1, maxLength: 4 }),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      anyCuts,
      fc.constantFrom(...METHODS),
      (sent, mutations, cuts, method) => {
        let stream = sent.map(({ bytes }) => bytes).join("");
        for (const { at, remove, insert } of mutations) {
          const index = Math.floor(at * stream.length);
          stream = stream.slice(0, index) + insert + stream.slice(index + remove);
        }
        assertSame(latin1(stream), cuts, method);
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("HttpResponseDecoder understands a jumble of its grammar the same however it is cut", () => {
  const piece = fc.constantFrom(
    ...[
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.0 301\n",
      "HTTP/1.1 101 x\r\n",
      "\r\n",
      "\n",
      "\r",
      " ",
      "0",
    ],
    ...["Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "A: b"],
    ...["3\r\nabc\r\n", "0\r\n\r\n", "ff;x=y\r\n", "\0", "\xff", ":", "\t", "x".repeat(40)],
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 30 }),
      anyCuts,
      fc.constantFrom(...METHODS),
      (pieces, cuts, method) => assertSame(latin1(pieces.join("")), cuts, method),
    ),
    { numRuns: 1000 },
  );
});

Deno.test("HttpResponseDecoder understands random bytes the same however they are cut", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), anyCuts, fc.boolean(), (bytes, cuts, begun) => {
      const head = latin1(begun ? "HTTP/1.1 200 OK\r\n" : "");
      assertSame(Uint8Array.of(...head, ...bytes), cuts, "GET");
    }),
  );
});
