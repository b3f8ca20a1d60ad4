import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { memoryPair, type Reader, writeAll } from "../../lib/stream/mod.ts";
import { crc32 } from "../../lib/transfer/crc32.ts";
import { FAULTS, TransferError } from "../../lib/transfer/error.ts";
import { readHead, readReply } from "../../lib/transfer/messages.ts";
import {
  decodeReply,
  encodeFailed,
  encodeOffer,
  encodeStored,
  type Reply,
} from "../../lib/transfer/reply.ts";
import {
  decodeHead,
  decodeOpening,
  encodeHead,
  encodeNumber,
  type FileHead,
  printable,
} from "../../lib/transfer/wire.ts";

const HEAD: FileHead = { name: "a.txt", size: 5, mode: 0o640, mtime: 1_700_000_000_000 };

const anyHead = fc.record({
  name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
  size: fc.maxSafeNat(),
  mode: fc.nat(0o777),
  mtime: fc.maxSafeNat(),
});

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

const anyReply = fc.oneof(
  fc.tuple(fc.maxSafeNat(), digest).map(([n, digest]) => encodeOffer(n, digest)),
  fc.tuple(fc.maxSafeNat(), digest).map(([n, digest]) => encodeStored(n, digest)),
  fc.tuple(fc.constantFrom(...FAULTS), fc.string()).map(([fault, text]) =>
    encodeFailed(new TransferError(fault, text))
  ),
);

/** Any place to change, and what to do there. */
const mutation = fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 }));

Deno.test("encodeNumber() is the chapter's size: 8 bytes, big-endian", () => {
  assertEquals(
    encodeNumber(0x0102030405060),
    Uint8Array.of(0, 0, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60),
  );
  assertEquals(decodeOpening(encodeNumber(0)), { size: 0 });
});

Deno.test("encodeHead() has the bytes that wire.ts says", () => {
  const bytes = encodeHead(HEAD);
  assertEquals(
    bytes.subarray(0, -4),
    Uint8Array.of(
      ...[0xf7, 0x54, 0x43, 0x50, 0x4c, 0x41, 0x42, 1],
      ...[0, 5, 0x01, 0xa0],
      ...[0, 0, 0, 0, 0, 0, 0, 5],
      ...[0, 0, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x00],
      ...new TextEncoder().encode("a.txt"),
    ),
  );
  assertEquals(
    new DataView(bytes.buffer).getUint32(bytes.length - 4),
    crc32(bytes.subarray(0, -4)),
  );
});

Deno.test("crc32() gives the check value of its catalogue entry", () => {
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
});

Deno.test("decodeOpening() takes no size for the magic, and no magic for a size", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (size) => {
    assertEquals(decodeOpening(encodeNumber(size)), { size });
  }));
  assertEquals(decodeOpening(encodeHead(HEAD).subarray(0, 8)), "extended");
});

Deno.test("decodeOpening() refuses what is neither: other magic, another version, a page of text", () => {
  for (const opening of ["GET / HT", "\xf7TCPLAB\x02", "\xff\xff\xff\xff\xff\xff\xff\xff"]) {
    const bytes = Uint8Array.from(opening, (character) => character.charCodeAt(0));
    assertEquals(assertThrows(() => decodeOpening(bytes), TransferError).fault, "protocol");
  }
});

Deno.test("a header comes out as it went in, however it is cut", async () => {
  await fc.assert(fc.asyncProperty(anyHead, fc.nat(400), async (head, cut) => {
    assertEquals(await headOf([...halves(encodeHead(head), cut)]), head);
  }));
});

Deno.test("a header that is changed anywhere is refused", async () => {
  await fc.assert(fc.asyncProperty(anyHead, mutation, async (head, [at, by]) => {
    const bytes = encodeHead(head);
    bytes[8 + at % (bytes.length - 8)]! ^= by;
    const fault = await headOf([bytes]).then(() => "none", faultOf);
    // A name made longer leaves the reader waiting for the rest of it.
    assert(fault === "protocol" || fault === "eof", fault);
  }));
});

Deno.test("a header with a size or a time that is not exact is refused, and says which", () => {
  for (const [what, head] of [["size", { size: 2 ** 53 }], ["time", { mtime: 2 ** 60 }]] as const) {
    const says = `a ${what} must be less than 2 ** 53`;
    assertThrows(() => decodeHead(encodeHead({ ...HEAD, ...head })), TransferError, says);
  }
});

Deno.test("encodeHead() refuses a name that has no place in it", () => {
  for (const name of ["", "x".repeat(241)]) {
    assertThrows(() => encodeHead({ ...HEAD, name }), RangeError, "1 to 240 bytes");
  }
});

Deno.test("a reply comes out as it went in, however it is cut", async () => {
  await fc.assert(fc.asyncProperty(anyReply, fc.nat(100), async (bytes, cut) => {
    const reply = await replyOf([...halves(bytes, cut)]);
    if (reply.kind !== "failed") assertEquals(encoded(reply), bytes);
  }));
});

Deno.test("any bytes are a reply or a protocol error, and take no more memory than a reply", async () => {
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.tuple(anyReply, mutation).map(([bytes, [at, by]]) => {
      bytes[at % bytes.length]! ^= by;
      return bytes;
    }),
  );
  await fc.assert(fc.asyncProperty(junk, async (bytes) => {
    const fault = await replyOf([bytes]).then(() => "none", faultOf);
    assert(["none", "protocol", "eof"].includes(fault), fault);
  }));
});

Deno.test("a failure keeps its fault, what is kept, and a text that a terminal can stand", async () => {
  const error = new TransferError("full", `no room\x1b[2J\n${"x".repeat(2000)}`);
  error.kept = 12345;
  const reply = await replyOf([encodeFailed(error)]);
  assert(reply.kind === "failed");
  const { fault, kept, told, message } = reply.error;
  assertEquals({ fault, kept, told }, { fault: "full", kept: 12345, told: true });
  assertEquals(message.slice(0, 14), "no room [2J xx");
  assertEquals(new TextEncoder().encode(message).length, 1024);
});

Deno.test("a fault that only a later version knows is still told in words", () => {
  const fixed = Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
  const reply = decodeReply(3, fixed, new TextEncoder().encode("no"));
  assert(reply.kind === "failed");
  assertEquals([reply.error.fault, reply.error.message], ["storage", "no"]);
});

Deno.test("printable() leaves no control character", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    return !/[\p{Cc}\u2028\u2029]/u.test(printable(text));
  }));
});

function encoded(reply: Exclude<Reply, { kind: "failed" }>): Uint8Array {
  return reply.kind === "offer"
    ? encodeOffer(reply.offset, reply.digest)
    : encodeStored(reply.size, reply.digest);
}

async function headOf(chunks: Uint8Array[]): Promise<FileHead> {
  const from = await sent(chunks);
  const opening = new Uint8Array(8);
  for (let at = 0; at < 8;) at += (await from.read(opening.subarray(at)))!;
  return await readHead(from, opening);
}

async function replyOf(chunks: Uint8Array[]): Promise<Reply> {
  return await readReply(await sent(chunks));
}

/** What a peer sent, and then FIN. */
async function sent(chunks: Uint8Array[]): Promise<Reader> {
  const [ours, theirs] = memoryPair();
  for (const chunk of chunks) await writeAll(theirs, chunk);
  await theirs.closeWrite();
  return ours;
}

function halves(bytes: Uint8Array, cut: number): Uint8Array[] {
  const at = cut % bytes.length;
  return [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0);
}

function faultOf(error: unknown): string {
  if (error instanceof TransferError) return error.fault;
  return error instanceof Deno.errors.UnexpectedEof ? "eof" : String(error);
}
