import { assertEquals, assertThrows } from "@std/assert";
import { FrameError } from "../../lib/framing/decoder.ts";
import { WholeHttpResponseDecoder } from "../../lib/framing/http_whole_response.ts";
import { decode } from "./_cuts.ts";
import { latin1 } from "./_http.ts";

const TWO = latin1(
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
    "2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n" +
    "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
);

Deno.test("WholeHttpResponseDecoder puts each response together, however it is cut", () => {
  for (const cuts of [[], "bytes", [0.3, 0.6]] as const) {
    const decoder = new WholeHttpResponseDecoder();
    decoder.expect();
    const { frames, error } = decode(decoder, TWO, cuts);
    assertEquals(error, undefined);
    const [first, second] = frames;
    assertEquals([first?.status, first?.keepAlive], [200, true]);
    assertEquals(first?.body, latin1("hello"));
    assertEquals(first?.trailers.lines, [["A", "b"]]);
    assertEquals([second?.status, second?.keepAlive], [404, false]);
    assertEquals(second?.body, latin1("no"));
    assertEquals(frames.length, 2);
    assertEquals(decoder.buffered, 0);
  }
});

Deno.test("WholeHttpResponseDecoder holds at most 1 MiB of a body unless told otherwise", () => {
  const decoder = new WholeHttpResponseDecoder();
  decoder.push(latin1("HTTP/1.1 200 OK\r\n\r\n"));
  decoder.push(new Uint8Array(1024 * 1024));
  assertEquals(decoder.next(), undefined);
  assertEquals(decoder.buffered, 1024 * 1024);
  decoder.push(Uint8Array.of(1));
  const error = assertThrows(() => decoder.next(), FrameError);
  assertEquals([error.code, error.limit], ["too-long", 1024 * 1024]);
  assertEquals(decoder.buffered, 0);
});

Deno.test("WholeHttpResponseDecoder never gives a part for the whole", () => {
  const { frames, error } = decode(
    new WholeHttpResponseDecoder(),
    latin1("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"),
  );
  assertEquals(frames, []);
  assertEquals([error?.code, error?.missing], ["truncated", 1]);
});

Deno.test("WholeHttpResponseDecoder hands over what follows an upgrade", () => {
  const decoder = new WholeHttpResponseDecoder({ request: { upgrade: true } });
  decoder.push(latin1("HTTP/1.1 101 x\r\n\r\nraw"));
  assertEquals(decoder.next()?.status, 101);
  assertEquals(decoder.rest(), latin1("raw"));
});
