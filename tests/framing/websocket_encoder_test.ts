import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { WebSocketDecoder } from "../../lib/framing/websocket_decoder.ts";
import { WebSocketEncoder } from "../../lib/framing/websocket_encoder.ts";
import { applyMask } from "../../lib/framing/websocket_frame.ts";
import { isCloseCode, type WebSocketMessage } from "../../lib/framing/websocket_message.ts";
import { anyCuts, bytes, decode } from "./_cuts.ts";

const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const client = new WebSocketEncoder({ role: "client", newMask: () => MASK });
const server = new WebSocketEncoder({ role: "server" });

Deno.test("WebSocketEncoder encodes the examples of RFC 6455, 5.7", () => {
  assertEquals(
    server.encode({ type: "text", text: "Hello" }),
    Uint8Array.of(0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f),
  );
  assertEquals(
    client.encode({ type: "text", text: "Hello" }),
    Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58),
  );
  assertEquals(
    server.encode({ type: "ping", bytes: bytes("Hello") }),
    Uint8Array.of(0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f),
  );
  assertEquals(
    client.encode({ type: "pong", bytes: bytes("Hello") }),
    Uint8Array.of(0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58),
  );
  const heads: [length: number, head: number[]][] = [
    [125, [0x82, 125]],
    [126, [0x82, 126, 0, 126]],
    [256, [0x82, 126, 1, 0]],
    [65535, [0x82, 126, 255, 255]],
    [65536, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
  ];
  for (const [length, head] of heads) {
    const frame = server.encode({ type: "binary", bytes: new Uint8Array(length) });
    assertEquals([...frame.subarray(0, head.length)], head);
    assertEquals(frame.length, head.length + length);
  }
  assertEquals(
    new WebSocketEncoder({ role: "server", maxFrame: 3 }).encode({ type: "text", text: "Hello" }),
    Uint8Array.of(0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f),
  );
});

Deno.test("WebSocketEncoder masks every frame anew, and only for a client", () => {
  let masks = 0;
  const newMask = () => Uint8Array.of(0, 0, 0, ++masks);
  const parts = new WebSocketEncoder({ role: "client", newMask, maxFrame: 1 });
  const sent = parts.encode({ type: "binary", bytes: Uint8Array.of(1, 2, 3) });
  assertEquals([masks, sent[5], sent[12], sent[19]], [3, 1, 2, 3]);
  new WebSocketEncoder({ role: "server", newMask }).encode({ type: "text", text: "x" });
  assertEquals(masks, 3);
  assertThrows(() => new WebSocketEncoder({ role: "client" }), TypeError, "newMask");
});

Deno.test("WebSocketEncoder refuses what the other side would refuse", () => {
  const small = new WebSocketEncoder({ role: "server", maxMessage: 3 });
  assertThrows(() => small.encode({ type: "text", text: "€€" }), RangeError, "at most 3 bytes");
  assertThrows(() => small.encode({ type: "binary", bytes: new Uint8Array(4) }), RangeError);
  assertThrows(() => server.encode({ type: "ping", bytes: new Uint8Array(126) }), RangeError);
  assertThrows(() => server.encode({ type: "pong", bytes: new Uint8Array(126) }), RangeError);
  const close = (code: number, reason = "") => server.encode({ type: "close", code, reason });
  for (const code of [0, 999, 1004, 1006, 1015, 2999, 5000, 1000.5, NaN, 1005.5]) {
    assertThrows(() => close(code), RangeError, `${code}`);
  }
  assertThrows(() => close(1005, "why"), RangeError);
  assertThrows(() => close(1000, "x".repeat(124)), RangeError);
  assertEquals(close(1000, "x".repeat(123)).length, 127);
  assertEquals(close(1005), Uint8Array.of(0x88, 0));
  assertEquals(close(1001, "é"), Uint8Array.of(0x88, 4, 3, 233, 0xc3, 0xa9));
});

Deno.test("WebSocketEncoder replaces a lone surrogate, as the web does", () => {
  assertEquals(
    server.encode({ type: "text", text: "\ud800" }),
    Uint8Array.of(0x81, 3, 239, 191, 189),
  );
});

Deno.test("WebSocketEncoder leaves the bytes it is given as they are", () => {
  const given = Uint8Array.of(1, 2, 3);
  client.encode({ type: "binary", bytes: given });
  assertEquals(given, Uint8Array.of(1, 2, 3));
});

const message: fc.Arbitrary<WebSocketMessage> = fc.oneof(
  fc.record({
    type: fc.constant("text" as const),
    text: fc.string({ unit: "binary", maxLength: 300 }),
  }),
  fc.record({ type: fc.constant("binary" as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({
    type: fc.constantFrom("ping" as const, "pong" as const),
    bytes: fc.uint8Array({ maxLength: 125 }),
  }),
);
const close: fc.Arbitrary<WebSocketMessage> = fc.record({
  type: fc.constant("close" as const),
  code: fc.integer({ min: 1000, max: 4999 }).filter(isCloseCode),
  reason: fc.string({ unit: "binary", maxLength: 30 }),
});

Deno.test("WebSocketDecoder gets what WebSocketEncoder sent, however it is cut or fragmented", () => {
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      close,
      fc.constantFrom("client" as const, "server" as const),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(Infinity)),
      anyCuts,
      (messages, close, role, mask, maxFrame, cuts) => {
        const encoder = new WebSocketEncoder({ role, newMask: () => mask, maxFrame });
        const sent = [...messages, close];
        const stream = Uint8Array.from(sent.flatMap((each) => [...encoder.encode(each)]));
        const other = role === "client" ? "server" : "client";
        const { frames, error } = decode(new WebSocketDecoder({ role: other }), stream, cuts);
        assertEquals(error, undefined);
        assertEquals(frames, sent);
      },
    ),
  );
});

Deno.test("applyMask() is the same byte by byte, wherever the bytes lie", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.nat(7),
      fc.nat(9),
      (plain, mask, offset, done) => {
        const there = new Uint8Array(offset + plain.length + 8).subarray(
          offset,
          offset + plain.length,
        );
        there.set(plain);
        applyMask(there, mask, done);
        assertEquals(there, plain.map((byte, i) => byte ^ mask[(done + i) % 4]!));
        applyMask(there, mask, done);
        assertEquals(there, plain);
        const after = new Uint8Array(there.buffer, offset + plain.length);
        assertEquals(after, new Uint8Array(8), "it wrote beyond its bytes");
      },
    ),
    { numRuns: 500 },
  );
});
