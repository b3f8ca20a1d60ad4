import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { bytes, text } from "../_conformance.ts";

Deno.test("memoryPair() takes what fits and lets the rest wait", async () => {
  const [a, b] = memoryPair({ capacity: 3 });
  assertEquals(await a.write(bytes("abcdef")), 3);
  const waiting = a.write(bytes("def"));
  const buffer = new Uint8Array(2);
  assertEquals(await b.read(buffer), 2);
  assertEquals(await waiting, 2);
  assertEquals(b.buffered, 3);
});

Deno.test("memoryPair() hands a write to a waiting read without holding it", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  const buffer = new Uint8Array(5);
  const reading = b.read(buffer);
  assertEquals(await a.write(bytes("abcde")), 5);
  assertEquals(b.buffered, 0);
  assertEquals(await reading, 5);
  assertEquals(text(buffer), "abcde");
});

Deno.test("memoryPair() serves several waiting reads from one write", async () => {
  const [a, b] = memoryPair();
  const first = new Uint8Array(2);
  const second = new Uint8Array(9);
  const reads = Promise.all([b.read(first), b.read(second)]);
  await a.write(bytes("abc"));
  assertEquals(await reads, [2, 1]);
  assertEquals(text(first) + text(second.subarray(0, 1)), "abc");
});

Deno.test("memoryPair() serves several waiting writes in order", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  const writes = ["1", "2", "3"].map((digit) => a.write(bytes(digit)));
  let seen = "";
  const buffer = new Uint8Array(1);
  while (seen.length < 3) seen += text(buffer.subarray(0, (await b.read(buffer))!));
  assertEquals(seen, "123");
  assertEquals(await Promise.all(writes), [1, 1, 1]);
});

Deno.test("memoryPair() refuses the first write after the peer closed", async () => {
  const [a, b] = memoryPair();
  b[Symbol.dispose]();
  await assertRejects(() => a.write(bytes("x")), Deno.errors.BrokenPipe);
});

Deno.test("memoryPair() fails a waiting write when the peer closes", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  await a.write(bytes("x"));
  const waiting = assertRejects(() => a.write(bytes("y")), Deno.errors.BrokenPipe);
  b[Symbol.dispose]();
  await waiting;
});

Deno.test("memoryPair() keeps what a closed peer had written", async () => {
  const [a, b] = memoryPair();
  await writeAll(a, bytes("bye"));
  a[Symbol.dispose]();
  const buffer = new Uint8Array(8);
  assertEquals(await b.read(buffer), 3);
  assertEquals(await b.read(buffer), null);
});

Deno.test("memoryPair() has a reset after FIN end only the peer's writing", async () => {
  const [a, b] = memoryPair();
  await writeAll(a, bytes("bye"));
  await a.closeWrite();
  a.reset();
  await assertRejects(() => b.write(bytes("x")), Deno.errors.BrokenPipe);
  assertEquals(text(await readToEnd(b)), "bye");
});

Deno.test("memoryPair() gives a write after our own FIN BrokenPipe with its code", async () => {
  const [a] = memoryPair();
  await a.closeWrite();
  const error = await assertRejects(() => a.write(bytes("x")), Deno.errors.BrokenPipe);
  assertEquals((error as Error & { code?: string }).code, "EPIPE");
});

Deno.test("memoryPair() lets FIN through when the peer's closing took the waiting write", async () => {
  const [a, b] = memoryPair({ capacity: 1 });
  await a.write(bytes("x"));
  const writing = assertRejects(() => a.write(bytes("y")), Deno.errors.BrokenPipe);
  const finishing = a.closeWrite();
  b[Symbol.dispose]();
  await writing;
  await finishing;
  await a.closeWrite();
});

Deno.test("memoryPair() interrupts a FIN that waits when its own end closes", async () => {
  const [a] = memoryPair({ capacity: 1 });
  await a.write(bytes("x"));
  const writing = assertRejects(() => a.write(bytes("y")), Deno.errors.Interrupted);
  const finishing = assertRejects(() => a.closeWrite(), Deno.errors.Interrupted);
  a[Symbol.dispose]();
  await Promise.all([writing, finishing]);
});

for (const capacity of [0, -1, 1.5, NaN, Infinity]) {
  Deno.test(`memoryPair() rejects capacity: ${capacity}`, () => {
    assertThrows(() => memoryPair({ capacity }), RangeError);
  });
}
