import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { FrameError } from "../../lib/framing/decoder.ts";
import { LineConn, MessageConn, receiveMessage, sendMessage } from "../../lib/framing/messages.ts";
import { type Duplex, type Reader, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes } from "./_cuts.ts";

const of = (...values: number[]) => Uint8Array.from(values);

Deno.test("sendMessage() puts length and text into one write", async () => {
  const writes: Uint8Array[] = [];
  const to = {
    write: (p: Uint8Array) => Promise.resolve(writes.push(p.slice()) && p.length),
    closeWrite: () => Promise.resolve(),
  };
  await sendMessage(to, "€");
  await sendMessage(to, "");
  assertEquals(writes, [of(0, 0, 0, 3, 0xe2, 0x82, 0xac), of(0, 0, 0, 0)]);
});

Deno.test("sendMessage() sends all of a message to a peer who takes a byte at a time", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  const [, received] = await Promise.all([sendMessage(a, "Hello"), receiveMessage(b)]);
  assertEquals(received, "Hello");
});

Deno.test("sendMessage() sends nothing of a message that is too long", async () => {
  const [a, b] = memoryPair();
  await assertRejects(() => sendMessage(a, "Hello", { maxLength: 4 }), RangeError);
  await a.closeWrite();
  assertEquals(await readToEnd(b), of());
});

Deno.test("receiveMessage() takes messages one by one, and not a byte of what follows", async () => {
  const [a, b] = memoryPair();
  for (const text of ["Message1", "", "Message2"]) await sendMessage(a, text);
  await writeAll(a, of(1, 2, 3));
  assertEquals(await receiveMessage(b), "Message1");
  assertEquals(await receiveMessage(b), "");
  assertEquals(await receiveMessage(b), "Message2");
  assertEquals(await readExact(b, 3), of(1, 2, 3));
});

Deno.test("receiveMessage() says null for FIN between messages, as often as it is asked", async () => {
  const [a, b] = memoryPair();
  await sendMessage(a, "last");
  await a.closeWrite();
  assertEquals(await receiveMessage(b), "last");
  assertEquals([await receiveMessage(b), await receiveMessage(b)], [null, null]);
});

Deno.test("receiveMessage() rejects for FIN inside a message, in its length or in its text", async () => {
  for (const [sent, missing] of [[of(0, 0), 2], [of(0, 0, 0, 5, 0x61), 4]] as const) {
    const [a, b] = memoryPair();
    await writeAll(a, sent);
    await a.closeWrite();
    const error = await assertRejects(() => receiveMessage(b), FrameError);
    assertEquals([error.code, error.missing], ["truncated", missing]);
  }
});

Deno.test("receiveMessage() reads nothing of a message that is too long", async () => {
  const [a, b] = memoryPair();
  await sendMessage(a, "Hello");
  const error = await assertRejects(() => receiveMessage(b, { maxLength: 4 }), FrameError);
  assertEquals([error.code, error.length], ["too-long", 5]);
  assertEquals(await readExact(b, 5), bytes("Hello"));
});

Deno.test("receiveMessage() rejects for what is not UTF-8", async () => {
  const [a, b] = memoryPair();
  await writeAll(a, of(0, 0, 0, 1, 0xff));
  const error = await assertRejects(() => receiveMessage(b), FrameError);
  assertEquals(error.code, "malformed");
});

Deno.test("receiveMessage() takes memory as the bytes come, not as they are promised", async () => {
  const rooms: number[] = [];
  const from: Reader = {
    read: (p) => {
      rooms.push(p.length);
      if (rooms.length > 1) return Promise.resolve(null);
      p.set(of(0, 16, 0, 0)); // a mebibyte is to follow
      return Promise.resolve(4);
    },
  };
  await assertRejects(() => receiveMessage(from), FrameError);
  assertEquals(rooms, [4, 65536]);
});

Deno.test("MessageConn carries messages both ways, on the wire as sendMessage() puts them", async () => {
  const [a, b] = memoryPair();
  using conn = new MessageConn(a);
  await sendMessage(b, "question");
  assertEquals(await conn.receive(), "question");
  await conn.send("answer");
  assertEquals(await receiveMessage(b), "answer");
  await conn.closeWrite();
  assertEquals(await receiveMessage(b), null);
  await b.closeWrite();
  assertEquals(await conn.receive(), null);
});

Deno.test("MessageConn has one limit for both ways", async () => {
  const [a, b] = memoryPair();
  using conn = new MessageConn(a, { maxLength: 4 });
  await assertRejects(() => conn.send("Hello"), RangeError);
  await sendMessage(b, "Hello");
  await assertRejects(() => conn.receive(), FrameError);
});

Deno.test("LineConn carries lines both ways, of either newline, the last one without", async () => {
  const [a, b] = memoryPair();
  using conn = new LineConn(a);
  await writeAll(b, bytes("one\ntwo\r\n\nthree"));
  await b.closeWrite();
  assertEquals(await Array.fromAsync(conn), ["one", "two", "", "three"]);
  await conn.send("é");
  await conn.closeWrite();
  assertEquals(await readToEnd(b), bytes("é\n"));
});

Deno.test("LineConn ends its lines with CR LF if it is told to", async () => {
  const [a, b] = memoryPair();
  using conn = new LineConn(a, { newline: "\r\n" });
  await conn.send("one");
  await conn.closeWrite();
  assertEquals(await readToEnd(b), bytes("one\r\n"));
});

Deno.test("LineConn takes a last line without newline for a cut one if it is told to", async () => {
  const [a, b] = memoryPair();
  using conn = new LineConn(a, { unterminated: "error" });
  await writeAll(b, bytes("one\ntw"));
  await b.closeWrite();
  assertEquals(await conn.receive(), "one");
  const error = await assertRejects(() => conn.receive(), FrameError);
  assertEquals(error.code, "truncated");
});

Deno.test("LineConn has one limit for both ways", async () => {
  const [a, b] = memoryPair();
  using conn = new LineConn(a, { maxLength: 4 });
  await assertRejects(() => conn.send("Hello"), RangeError);
  await writeAll(b, bytes("Hello\n"));
  await assertRejects(() => conn.receive(), FrameError);
});

const makers: Record<string, (conn: Duplex, options: { maxLength?: number }) => unknown> = {
  MessageConn: (conn, options) => new MessageConn(conn, options),
  LineConn: (conn, options) => new LineConn(conn, options),
};

for (const [name, make] of Object.entries(makers)) {
  Deno.test(`${name} refuses a limit that is none`, () => {
    assertThrows(() => make(memoryPair()[0], { maxLength: -1 }), RangeError, "'maxLength'");
  });
}

Deno.test("MessageConn and LineConn lose nothing when half a message is all that came in time", async () => {
  const halves = [
    [MessageConn, of(0, 0, 0, 2, 0x48), of(0x69)],
    [LineConn, bytes("H"), bytes("i\n")],
  ] as const;
  for (const [Conn, first, second] of halves) {
    const world = seededWorld(1);
    const [a, b] = memoryPair();
    using conn = new Conn(a, { world });
    await writeAll(b, first);
    const late = assertRejects(() => conn.receive({ timeout: 1000 }), DOMException);
    await world.advance(1001);
    assertEquals([(await late).name, world.sleeps[0]], ["TimeoutError", 1000]);
    await writeAll(b, second);
    assertEquals(await conn.receive(), "Hi");
  }
});
