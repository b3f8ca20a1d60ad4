import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import fc from "fast-check";
import {
  chunks,
  isResettable,
  type Reader,
  readExact,
  readToEnd,
  TooMuchDataError,
  UnexpectedEofError,
  writeAll,
  type Writer,
} from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { assertSameBytes, randomBytes } from "../_conformance.ts";

/** A peer that sends `data` in the given cuts, then FIN; notes what it was asked for. */
class Scripted implements Reader {
  readonly asked: number[] = [];
  #at = 0;
  #cut = 0;

  constructor(readonly data: Uint8Array, readonly cuts: readonly number[]) {}

  read(p: Uint8Array): Promise<number | null> {
    this.asked.push(p.length);
    if (this.#at === this.data.length) return Promise.resolve(null);
    const cut = this.cuts[this.#cut++ % this.cuts.length]!;
    const part = this.data.subarray(this.#at, this.#at + Math.min(cut, p.length));
    p.set(part);
    this.#at += part.length;
    return Promise.resolve(part.length);
  }
}

/** A writer that takes as much as the cuts say. */
class Partial implements Writer {
  readonly taken: number[] = [];
  #cut = 0;

  constructor(readonly cuts: readonly number[]) {}

  write(p: Uint8Array): Promise<number> {
    const cut = this.cuts[this.#cut++ % this.cuts.length]!;
    const part = p.subarray(0, cut);
    this.taken.push(...part);
    return Promise.resolve(part.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }
}

const someCuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 });
const someBytes = fc.uint8Array({ maxLength: 20_000 }).map((data) => Uint8Array.from(data));

Deno.test("chunks() joined are what was sent, wherever it was cut", async () => {
  await fc.assert(fc.asyncProperty(someBytes, someCuts, async (data, cuts) => {
    const parts = await Array.fromAsync(chunks(new Scripted(data, cuts)));
    assertSameBytes(await new Blob(parts).bytes(), data);
    assert(parts.every((part) => part.length > 0));
  }));
});

Deno.test("chunks() starts with 1 KiB and asks for four times as much when it is filled", async () => {
  const peer = new Scripted(new Uint8Array(1 << 20), [1 << 20]);
  await Array.fromAsync(chunks(peer));
  assertEquals(peer.asked.slice(0, 6), [1024, 4096, 16384, 65536, 262144, 262144]);
});

Deno.test("chunks() of a quiet peer share one buffer", async () => {
  const peer = new Scripted(new Uint8Array(40), [10]);
  const parts = await Array.fromAsync(chunks(peer));
  assertEquals(peer.asked, [1024, 1014, 1004, 994, 984]);
  for (const part of parts) assertStrictEquals(part.buffer, parts[0]!.buffer);
});

Deno.test("chunks() has no empty chunk, even of a reader that reads nothing", async () => {
  const peer = new Scripted(Uint8Array.of(1, 2, 3), [0, 2]);
  assertEquals(await Array.fromAsync(chunks(peer)), [Uint8Array.of(1, 2), Uint8Array.of(3)]);
});

Deno.test("chunks() never writes to a chunk again", async () => {
  const data = randomBytes(100_000, 1);
  const kept: Uint8Array[] = [];
  const copies: Uint8Array[] = [];
  for await (const chunk of chunks(new Scripted(data, [1, 700, 3000]))) {
    kept.push(chunk);
    copies.push(chunk.slice());
  }
  assertEquals(kept, copies);
});

Deno.test("chunks() leaves the connection open, and unread what it has not yielded", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, Uint8Array.of(1, 2));
  for await (const chunk of chunks(server)) {
    assertEquals(chunk, Uint8Array.of(1, 2));
    break;
  }
  await writeAll(client, Uint8Array.of(3));
  assertEquals(await readExact(server, 1), Uint8Array.of(3));
});

Deno.test("writeAll() writes everything, however little each write takes", async () => {
  await fc.assert(fc.asyncProperty(someBytes, someCuts, async (data, cuts) => {
    const writer = new Partial(cuts);
    await writeAll(writer, data);
    assertSameBytes(Uint8Array.from(writer.taken), data);
  }));
});

Deno.test("writeAll() gives up on a writer that takes nothing", async () => {
  await assertRejects(() => writeAll(new Partial([0]), new Uint8Array(1)), Deno.errors.WriteZero);
});

Deno.test("readExact() reads so many bytes and not one more", async () => {
  const sizes = fc.integer({ min: 0, max: 3000 });
  await fc.assert(fc.asyncProperty(sizes, sizes, someCuts, async (size, more, cuts) => {
    const data = randomBytes(size + more, 1);
    const peer = new Scripted(data, cuts);
    assertSameBytes(await readExact(peer, size), data.subarray(0, size));
    assertSameBytes(await readToEnd(peer), data.subarray(size));
  }));
});

Deno.test("readExact() says what came when FIN comes first", async () => {
  const peer = new Scripted(Uint8Array.of(1, 2, 3), [2]);
  const error = await assertRejects(() => readExact(peer, 5), UnexpectedEofError);
  assertInstanceOf(error, Deno.errors.UnexpectedEof);
  assertEquals([error.wanted, error.received], [5, Uint8Array.of(1, 2, 3)]);
});

for (const size of [-1, 1.5, NaN, Infinity]) {
  Deno.test(`readExact() rejects size ${size}`, async () => {
    await assertRejects(() => readExact(new Scripted(new Uint8Array(9), [9]), size), RangeError);
  });
}

Deno.test("readToEnd() accepts exactly maxBytes", async () => {
  const data = randomBytes(5000, 1);
  assertSameBytes(await readToEnd(new Scripted(data, [7]), { maxBytes: 5000 }), data);
});

Deno.test("readToEnd() stops reading once there are more than maxBytes", async () => {
  const peer = new Scripted(new Uint8Array(1 << 20), [1000]);
  const error = await assertRejects(() => readToEnd(peer, { maxBytes: 5000 }), TooMuchDataError);
  assertEquals(error.maxBytes, 5000);
  assertEquals(peer.asked.length, 6);
});

for (const maxBytes of [-1, NaN]) {
  Deno.test(`readToEnd() rejects maxBytes: ${maxBytes}`, async () => {
    const peer = new Scripted(new Uint8Array(0), [1]);
    const error = await assertRejects(() => readToEnd(peer, { maxBytes }), RangeError);
    assertNotEquals(error.name, "TooMuchDataError");
  });
}

Deno.test("isResettable() tells who has a reset()", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  assertEquals(isResettable(client), false);
  assertEquals(isResettable(memoryPair()[0]), true);
});
