import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { drain } from "../../lib/framing/decoder.ts";
import { WebSocketDecoder } from "../../lib/framing/websocket_decoder.ts";
import { encodeWebSocketFrame, Opcode } from "../../lib/framing/websocket_frame.ts";
import {
  CloseCode,
  WebSocketFrameError,
  type WebSocketMessage,
  type WebSocketRole,
} from "../../lib/framing/websocket_message.ts";
import { anyCuts, bytes, decode } from "./_cuts.ts";

const MASK = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const CLOSE = encodeWebSocketFrame({ opcode: Opcode.close, payload: Uint8Array.of(3, 232) });

/** A frame as a server sends it. */
function frame(opcode: number, payload: string | Uint8Array | number[], fin = true): Uint8Array {
  const raw = typeof payload === "string" ? bytes(payload) : Uint8Array.from(payload);
  return encodeWebSocketFrame({ opcode, payload: raw, fin });
}

function join(...parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What a client makes of the bytes of a server, without a closing frame. */
function received(stream: Uint8Array, options: { maxMessage?: number; maxFrame?: number } = {}) {
  const decoder = new WebSocketDecoder({ role: "client", ...options });
  decoder.push(stream);
  return [...drain(decoder)];
}

/** How a stream breaks the rules, and with which code it is to be closed. */
function fault(
  stream: Uint8Array | number[],
  role: WebSocketRole = "client",
  options: { maxMessage?: number; maxFrame?: number } = {},
): WebSocketFrameError {
  const decoder = new WebSocketDecoder({ role, ...options });
  decoder.push(Uint8Array.from(stream));
  return assertThrows(() => [...drain(decoder)], WebSocketFrameError);
}

Deno.test("WebSocketDecoder decodes the examples of RFC 6455, 5.7", () => {
  const hello: WebSocketMessage[] = [{ type: "text", text: "Hello" }];
  assertEquals(received(Uint8Array.of(0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f)), hello);
  const masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
  const server = new WebSocketDecoder({ role: "server" });
  server.push(Uint8Array.from(masked));
  assertEquals([...drain(server)], hello);
  assertEquals(
    received(Uint8Array.of(0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f)),
    hello,
  );
  assertEquals(received(Uint8Array.of(0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f)), [
    { type: "ping", bytes: bytes("Hello") },
  ]);
  server.push(
    Uint8Array.of(0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58),
  );
  assertEquals([...drain(server)], [{ type: "pong", bytes: bytes("Hello") }]);
  const medium = new Uint8Array(256).fill(1);
  assertEquals(received(join(Uint8Array.of(0x82, 0x7e, 0x01, 0x00), medium)), [
    { type: "binary", bytes: medium },
  ]);
  const large = new Uint8Array(65536).fill(2);
  assertEquals(
    received(join(Uint8Array.of(0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0), large)),
    [{ type: "binary", bytes: large }],
  );
});

Deno.test("WebSocketDecoder shows control frames between fragments, where they stood", () => {
  const stream = join(
    frame(Opcode.text, "a", false),
    frame(Opcode.ping, "1"),
    frame(Opcode.continuation, "", false),
    frame(Opcode.pong, ""),
    frame(Opcode.continuation, "b"),
    frame(Opcode.binary, "", false),
    frame(Opcode.continuation, ""),
  );
  assertEquals(received(stream), [
    { type: "ping", bytes: bytes("1") },
    { type: "pong", bytes: new Uint8Array(0) },
    { type: "text", text: "ab" },
    { type: "binary", bytes: new Uint8Array(0) },
  ]);
});

Deno.test("WebSocketDecoder hands an unmasked message on without a copy, a masked one unmasked", () => {
  const client = new WebSocketDecoder({ role: "client" });
  const chunk = frame(Opcode.binary, "abc");
  client.push(chunk);
  const message = client.next();
  assert(message?.type === "binary" && message.bytes.buffer === chunk.buffer);

  const server = new WebSocketDecoder({ role: "server" });
  const masked = encodeWebSocketFrame({ opcode: 2, payload: bytes("abc"), mask: MASK });
  const before = masked.slice();
  server.push(masked);
  assertEquals(server.next(), { type: "binary", bytes: bytes("abc") });
  assertEquals(masked, before, "the chunk was written to");
});

Deno.test("WebSocketDecoder keeps a byte order mark", () => {
  assertEquals(received(frame(Opcode.text, [0xef, 0xbb, 0xbf, 0x61])), [
    { type: "text", text: "\ufeffa" },
  ]);
  const cut = join(frame(1, [0xef, 0xbb], false), frame(0, [0xbf]));
  assertEquals(received(cut), [{ type: "text", text: "\ufeff" }]);
});

Deno.test("WebSocketDecoder refuses frames that RFC 6455, 5 forbids, with 1002", () => {
  const forbidden: [why: string, stream: Uint8Array | number[]][] = [
    ["reserved bit 1", [0xc1, 0]],
    ["reserved bit 2", [0xa1, 0]],
    ["reserved bit 3", [0x91, 0]],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, number[]] => [
      `opcode ${opcode}`,
      [0x80 | opcode, 0],
    ]),
    ["masked by a server", [0x81, 0x80, 1, 2, 3, 4]],
    ["ping fragmented", [0x09, 0]],
    ["close fragmented", [0x08, 0]],
    ["ping of 126 bytes", [0x89, 126, 0, 126]],
    ["close of 64 bits", [0x88, 127, 0, 0, 0, 0, 0, 1, 0, 0]],
    ["nothing to continue", frame(Opcode.continuation, "a")],
    ["nothing to continue any more", join(frame(1, "a"), frame(0, "b"))],
    ["a text inside a text", join(frame(1, "a", false), frame(1, "b"))],
    ["a binary inside a text", join(frame(1, "a", false), frame(2, "b", false))],
    ["125 in 16 bits", [0x82, 126, 0, 125]],
    ["65535 in 64 bits", [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]],
    ["a length with its first bit set", [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]],
  ];
  for (const [why, stream] of forbidden) {
    const error = fault(stream);
    assertEquals([error.closeCode, error.code], [1002, "malformed"], why);
  }
  assertEquals(fault([0x81, 0x05], "server").closeCode, 1002, "not masked by a client");
});

Deno.test("WebSocketDecoder takes close codes that may be sent, and no other", () => {
  for (let code = 0; code < 5100; code++) {
    const valid = code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 ||
      code >= 3000 && code <= 4999;
    const stream = frame(Opcode.close, [code >> 8, code & 0xff, 0x6f, 0x6b]);
    if (valid) assertEquals(received(stream), [{ type: "close", code, reason: "ok" }]);
    else assertEquals(fault(stream).closeCode, 1002, `${code}`);
  }
  assertEquals(fault(frame(Opcode.close, [0xff, 0xff])).closeCode, 1002);
  assertEquals(fault(frame(Opcode.close, [3])).closeCode, 1002, "one byte");
  assertEquals(received(frame(Opcode.close, [])), [{ type: "close", code: 1005, reason: "" }]);
  assertEquals(fault(frame(Opcode.close, [3, 232, 0xff])).closeCode, 1007, "reason");
});

Deno.test("CloseCode has the numbers of RFC 6455, 7.4.1", () => {
  assertEquals(Object.entries(CloseCode), [
    ["normal", 1000],
    ["goingAway", 1001],
    ["protocolError", 1002],
    ["noStatus", 1005],
    ["abnormal", 1006],
    ["invalidText", 1007],
    ["tooBig", 1009],
    ["internalError", 1011],
  ]);
});

Deno.test("WebSocketDecoder drops what follows a Close frame, and its end is no error", () => {
  const decoder = new WebSocketDecoder({ role: "client" });
  decoder.push(join(CLOSE, Uint8Array.of(0xff, 0xff)));
  assertEquals([...drain(decoder)].length, 1);
  decoder.push(frame(Opcode.text, "late"));
  decoder.end();
  assertEquals(decoder.next(), undefined);
  assertEquals(decoder.buffered, 0);
});

Deno.test("WebSocketDecoder reports a stream that ends without a Close frame as 1006", () => {
  const ends: [stream: Uint8Array, missing: number][] = [
    [new Uint8Array(0), 2],
    [Uint8Array.of(0x81), 1],
    [frame(1, "hello").subarray(0, 4), 3],
    [frame(9, "hello").subarray(0, 4), 3],
    [frame(1, "hello", false), 2],
    [frame(1, "hello"), 2],
  ];
  for (const [stream, missing] of ends) {
    const { error } = decode(new WebSocketDecoder({ role: "client" }), stream);
    assertInstanceOf(error, WebSocketFrameError);
    assertEquals([error.closeCode, error.code, error.missing], [1006, "truncated", missing]);
  }
});

Deno.test("WebSocketDecoder refuses text that is no UTF-8 with 1007, at its first wrong byte", () => {
  const wrong = [
    [0x80],
    [0xc0, 0xaf],
    [0xc1, 0xbf],
    [0xe0, 0x9f, 0xbf],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x8f, 0xbf, 0xbf],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
    [0xff],
    [0x61, 0xe2, 0x61],
  ];
  for (const text of wrong) {
    assertEquals(fault(frame(1, text)).closeCode, 1007);
    assertEquals(fault(frame(1, text, false)).closeCode, 1007, "in a fragment");
    const longer = frame(1, [...text, ...new Uint8Array(60)]);
    assertEquals(fault(longer.subarray(0, 2 + text.length)).closeCode, 1007, "in half a frame");
  }
  assertEquals(fault(frame(1, [0xe2, 0x82])).closeCode, 1007, "ends inside a character");
  const cut = join(frame(1, [0xe2], false), frame(0, [0x82]));
  assertEquals(fault(cut).closeCode, 1007, "ends inside a character, after fragments");
  assertEquals(received(join(cut.subarray(0, 3), frame(0, [0x82, 0xac]))), [
    { type: "text", text: "€" },
  ]);
  assertEquals(received(join(frame(1, [0xe2], false), frame(9, [0xff]), frame(0, [0x82, 0xac]))), [
    { type: "ping", bytes: Uint8Array.of(0xff) },
    { type: "text", text: "€" },
  ]);
});

Deno.test("WebSocketDecoder forgets the characters of the message before", () => {
  const twice = join(
    frame(1, [0xe2], false),
    frame(0, [0x82, 0xac]),
    frame(1, "a", false),
    frame(0, "b"),
  );
  assertEquals(received(twice), [{ type: "text", text: "€" }, { type: "text", text: "ab" }]);
});

Deno.test("WebSocketDecoder keeps to maxMessage across fragments, before it holds a byte", () => {
  const limits = { maxMessage: 10 };
  assertEquals(received(frame(2, new Uint8Array(10)), limits).length, 1);
  const error = fault([0x82, 11], "client", limits);
  assertEquals([error.closeCode, error.code, error.limit, error.length], [
    1009,
    "too-long",
    10,
    11,
  ]);
  const sum = join(frame(1, "123456", false), Uint8Array.of(0x80, 5));
  assertEquals(fault(sum, "client", limits).closeCode, 1009);
  const exact = join(frame(1, "123456", false), frame(9, new Uint8Array(100)), frame(0, "7890"));
  assertEquals(received(exact, limits).length, 2);
  assertEquals(fault([0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255]).closeCode, 1009);
});

Deno.test("WebSocketDecoder keeps to maxFrame, but not for control frames", () => {
  const limits = { maxFrame: 3 };
  assertEquals(fault(frame(2, "1234"), "client", limits).limit, 3);
  const parts = join(frame(1, "123", false), frame(9, "1234"), frame(0, "456"));
  assertEquals(received(parts, limits).length, 2);
});

Deno.test("WebSocketDecoder refuses limits that limit nothing", () => {
  for (const bad of [{ maxMessage: 0 }, { maxFrame: 0.5 }, { maxFrame: NaN }]) {
    const [name = ""] = Object.keys(bad);
    assertThrows(() => new WebSocketDecoder({ role: "client", ...bad }), RangeError, name);
  }
  assertEquals(received(frame(2, [7]), { maxMessage: 1, maxFrame: 1 }).length, 1);
});

Deno.test("WebSocketDecoder says where the bad frame starts", () => {
  assertEquals(fault(join(frame(1, "abc"), Uint8Array.of(0xff, 0))).offset, 5);
});

const payload = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }).map(bytes),
  fc.uint8Array({ maxLength: 80 }),
);
const part = fc.record({
  opcode: fc.constantFrom(0, 0, 1, 1, 2, 8, 9, 10, 3, 15),
  payload,
  fin: fc.boolean(),
  mask: fc.option(fc.uint8Array({ minLength: 4, maxLength: 4 }), { nil: undefined }),
});
const damage = fc.array(
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.nat(255)),
  { maxLength: 2 },
);

Deno.test("WebSocketDecoder understands right and wrong frames the same however they are cut", () => {
  const roles = fc.constantFrom("client" as const, "server" as const);
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 8 }),
      damage,
      roles,
      anyCuts,
      (parts, hits, role, cuts) => {
        const obeying = hits.length > 0 ? parts : obey(parts, role);
        const stream = join(...obeying.map(encodeWebSocketFrame));
        for (const [at, value] of hits) {
          if (stream.length > 0) stream[Math.floor(at * stream.length)] = value;
        }
        assertSame(stream, role, cuts);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("WebSocketDecoder understands random bytes the same however they are cut", () => {
  const roles = fc.constantFrom("client" as const, "server" as const);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), roles, anyCuts, assertSame), {
    numRuns: 1000,
  });
});

/** Frames with the mask that their sender must use, so that most of them are understood. */
function obey<T extends { mask: Uint8Array | undefined }>(parts: T[], role: WebSocketRole): T[] {
  return parts.map((each) => ({
    ...each,
    mask: role === "server" ? each.mask ?? MASK : undefined,
  }));
}

function assertSame(stream: Uint8Array, role: WebSocketRole, cuts: Parameters<typeof decode>[2]) {
  const limits = { maxMessage: 100, maxFrame: 60 };
  const whole = decode(new WebSocketDecoder({ role, ...limits }), stream);
  const pieces = decode(new WebSocketDecoder({ role, ...limits }), stream, cuts, (held, chunk) => {
    // A control frame of 125 bytes is held beside the message it interrupts.
    assert(held <= limits.maxMessage + 125 + 14 + chunk, `holds ${held} bytes`);
  });
  assertEquals(pieces.frames, whole.frames);
  assertEquals(pieces.error?.message, whole.error?.message);
  assertEquals(pieces.error?.offset, whole.error?.offset);
  if (whole.error) assertInstanceOf(whole.error, WebSocketFrameError);
}
