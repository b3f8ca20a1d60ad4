import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import type { Decoder } from "../../lib/framing/decoder.ts";
import { DelimitedDecoder } from "../../lib/framing/delimited.ts";
import { FixedDecoder } from "../../lib/framing/fixed.ts";
import { FramedConn } from "../../lib/framing/frames.ts";
import { LengthDecoder, LengthEncoder } from "../../lib/framing/length.ts";
import { LineDecoder, TextLineDecoder } from "../../lib/framing/lines.ts";
import { WebSocketDecoder } from "../../lib/framing/websocket_decoder.ts";
import { WebSocketEncoder } from "../../lib/framing/websocket_encoder.ts";
import { type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";

const encoder = new LengthEncoder();

/** Reads give so many bytes each, over and over, and what a read is given is overwritten. */
function scripted(all: Uint8Array, sizes: readonly number[]): Duplex {
  let at = 0;
  let turn = 0;
  return {
    read(p) {
      if (at === all.length) return Promise.resolve(null);
      const n = Math.min(sizes[turn++ % sizes.length]!, p.length, all.length - at);
      p.fill(0xee); // as memory that is used again looks to whoever still holds it
      p.set(all.subarray(at, at + n));
      at += n;
      return Promise.resolve(n);
    },
    write: (p) => Promise.resolve(p.length),
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]: () => {},
  };
}

async function received<Frame>(
  conn: Duplex,
  decoder: Decoder<Frame>,
  lend: boolean,
): Promise<string[]> {
  using framed = new FramedConn(conn, { decoder, encoder, lend });
  const seen: string[] = [];
  for (let frame = await framed.receive(); frame !== null; frame = await framed.receive()) {
    seen.push(JSON.stringify(frame instanceof Uint8Array ? [...frame] : frame));
  }
  return seen;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const payload = (size: number, i: number) => new Uint8Array(size).fill(i % 200 + 20);

/** A stream of payloads of these sizes, and what decodes it. */
const KINDS: Record<
  string,
  (sizes: number[]) => { stream: Uint8Array; decoder: () => Decoder<unknown> }
> = {
  LengthDecoder: (sizes) => ({
    stream: joined(sizes.map((size, i) => encoder.encode(payload(size, i)))),
    decoder: () => new LengthDecoder(),
  }),
  LineDecoder: (sizes) => ({
    stream: joined(sizes.flatMap((size, i) => [payload(size, i), Uint8Array.of(10)])),
    decoder: () => new LineDecoder({ maxLength: 10_000 }),
  }),
  TextLineDecoder: (sizes) => ({
    stream: joined(sizes.flatMap((size, i) => [payload(size, i % 80), Uint8Array.of(10)])),
    decoder: () => new TextLineDecoder({ maxLength: 10_000 }),
  }),
  DelimitedDecoder: (sizes) => ({
    stream: joined(sizes.flatMap((size, i) => [payload(size, i), Uint8Array.of(0, 1)])),
    decoder: () => new DelimitedDecoder({ delimiters: [Uint8Array.of(0, 1)], maxLength: 10_000 }),
  }),
  FixedDecoder: (sizes) => ({
    stream: joined(sizes.map((_, i) => payload(777, i))),
    decoder: () => new FixedDecoder(777),
  }),
  WebSocketDecoder: (sizes) => ({
    stream: joined([
      ...sizes.map((size, i) =>
        new WebSocketEncoder({ role: "server", maxFrame: 1000 })
          .encode({ type: "binary", bytes: payload(size, i) })
      ),
      new WebSocketEncoder({ role: "server" }).encode({ type: "close", code: 1000, reason: "" }),
    ]),
    decoder: () => new WebSocketDecoder({ role: "client" }),
  }),
};

for (const [name, make] of Object.entries(KINDS)) {
  Deno.test(`FramedConn({ lend: true }) receives the same frames: ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(40), fc.nat(6000)), { maxLength: 12 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(1 << 20)), {
          minLength: 1,
          maxLength: 8,
        }),
        async (sizes, reads) => {
          const { stream, decoder } = make(sizes);
          const kept = await received(scripted(stream, reads), decoder(), false);
          assertEquals(await received(scripted(stream, reads), decoder(), true), kept);
          const frames = name === "WebSocketDecoder" ? sizes.length + 1 : sizes.length;
          assertEquals(kept.length, frames);
        },
      ),
      { numRuns: 60 },
    );
  });
}

async function memoryOf(lend: boolean): Promise<{ buffers: number; frames: Uint8Array[] }> {
  const sizes = Array.from({ length: 2000 }, (_, i) => i * 37 % 3000);
  const stream = joined(sizes.map((size, i) => encoder.encode(payload(size, i))));
  using conn = new FramedConn(scripted(stream, [4096, 1000, 60_000]), {
    decoder: new LengthDecoder(),
    encoder,
    lend,
  });
  const buffers = new Set<ArrayBufferLike>();
  const frames: Uint8Array[] = [];
  for await (const frame of conn) {
    if (frame.length > 0) frames.push(frame);
    buffers.add(frame.buffer);
  }
  return { buffers: buffers.size, frames };
}

Deno.test("FramedConn keeps its hands off what it has handed out", async () => {
  const { frames } = await memoryOf(false);
  assert(frames.every((frame) => frame.every((byte) => byte === frame[0] && byte !== 0xee)));
});

Deno.test("FramedConn({ lend: true }) uses its memory again", async () => {
  const [lent, kept] = [await memoryOf(true), await memoryOf(false)];
  // Kept: 3 MB in buffers of 256 KiB or less; lent: some to grow by, two, and copies of those cut.
  assert(
    lent.frames.some((frame) => frame.some((byte) => byte !== frame[0])),
    "nothing was reused",
  );
  assert(
    lent.buffers < kept.buffers,
    `${lent.buffers} buffers, ${kept.buffers} where it lends not`,
  );
});

Deno.test("FramedConn({ lend: true }) is not confused by a second receive", async () => {
  const [a, b] = memoryPair();
  using client = a;
  using server = new FramedConn(b, { decoder: new LengthDecoder(), encoder, lend: true });
  const big = payload(5000, 1);
  const stream = encoder.encode(big);
  await client.write(stream.subarray(0, 1000));
  const waiting = server.receive();
  // It has read those, its buffer is all but full, and the next read waits in another one.
  for (let i = 0; i < 100; i++) await Promise.resolve();
  await assertRejects(() => server.receive(), Deno.errors.Busy);
  const sending = writeAll(client, stream.subarray(1000));
  assertEquals(await waiting, big);
  await sending;
});

Deno.test("FramedConn({ lend: true }) loses nothing when it times out", async () => {
  const [a, b] = memoryPair();
  using client = a;
  using server = new FramedConn(b, { decoder: new LengthDecoder(), encoder, lend: true });
  const stream = encoder.encode(payload(3000, 5));
  await client.write(stream.subarray(0, 1500));
  await assertRejects(() => server.receive({ timeout: 1 }), DOMException);
  const sending = client.write(stream.subarray(1500));
  assertEquals(await server.receive({ timeout: 60_000 }), payload(3000, 5));
  await sending;
});

Deno.test("FramedConn has a long frame read to its end, once reads were long, and not on a mere word", async () => {
  for (const lend of [false, true]) {
    const frame = encoder.encode(payload(100_000, 1));
    const stream = joined([frame, ...Array(20).fill(frame)]);
    const conn = scripted(stream, [stream.length]);
    const rooms: number[] = [];
    const read = conn.read.bind(conn);
    using framed = new FramedConn({
      ...conn,
      read(p) {
        rooms.push(p.length);
        return read(p);
      },
    }, { decoder: new LengthDecoder(), encoder, lend });
    let last: Uint8Array | undefined;
    for await (const frame of framed) last = frame;
    assertEquals(last?.length, 100_000);
    assertEquals(rooms.slice(0, 4), [1024, 4096, 16384, 100_004 - 1024 - 4096 - 16384]);
    assert(rooms.slice(4).every((room) => room === frame.length), `${lend}: ${rooms}`);
  }
});

Deno.test("FramedConn reads no more than 256 KiB at a time, however long frames are", async () => {
  for (const lend of [false, true]) {
    const stream = joined(Array(4).fill(encoder.encode(payload(700_000, 1))));
    const conn = scripted(stream, [stream.length]);
    let longest = 0;
    const read = conn.read.bind(conn);
    using framed = new FramedConn({
      ...conn,
      read(p) {
        longest = Math.max(longest, p.length);
        return read(p);
      },
    }, { decoder: new LengthDecoder(), encoder, lend });
    let seen = 0;
    for await (const frame of framed) seen += frame.length;
    assertEquals([seen, longest], [4 * 700_000, 256 * 1024]);
  }
});
