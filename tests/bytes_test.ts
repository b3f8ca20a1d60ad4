import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ByteQueue } from "../lib/bytes.ts";

function queueOf(...chunks: number[][]): ByteQueue {
  const queue = new ByteQueue();
  for (const chunk of chunks) queue.append(Uint8Array.from(chunk));
  return queue;
}

Deno.test("ByteQueue gives back what it was given, in pieces of any size", () => {
  // Sizes around the 512 bytes from which chunks are kept as they are.
  const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 500, max: 2000 }));
  const deed = fc.record({
    deed: fc.constantFrom(
      "append",
      "append",
      "goes on",
      "take",
      "skip",
      "counted",
      "peek",
      "peekUint",
      "clear",
    ),
    size,
    wide: fc.constantFrom(1, 2, 3, 4, 6),
    little: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
    const queue = new ByteQueue();
    let model: number[] = [];
    let next = 0;
    for (const { deed, size, wide, little } of deeds) {
      const n = Math.min(size, model.length);
      if (deed === "append") {
        const chunk = Uint8Array.from({ length: size }, () => next++);
        queue.append(chunk);
        for (const byte of chunk) model.push(byte);
      } else if (deed === "goes on") {
        // As a buffer that several reads fill, with a gap at times.
        const bytes = Uint8Array.from({ length: size + wide }, () => next++);
        const cut = Math.floor(size / 2);
        const cuts = little ? [0, cut, size] : [0, cut, cut + wide, size + wide];
        cuts.slice(1).forEach((end, i) => {
          const chunk = bytes.subarray(cuts[i]!, end);
          if (little || i !== 1) queue.append(chunk), model.push(...chunk);
        });
      } else if (deed === "take") {
        assertEquals([...queue.take(n)], model.slice(0, n));
        model = model.slice(n);
      } else if (deed === "skip") {
        queue.skip(n);
        model = model.slice(n);
      } else if (deed === "counted") {
        // A counted chunk of its own, so that there is something to find at the front at times.
        queue.append(Uint8Array.of(0, 0, 0, wide, ...Array(wide).fill(next)));
        model.push(0, 0, 0, wide, ...Array(wide).fill(next++ % 256));
        const limit = size % 6;
        const taken = queue.takeCounted(limit);
        const announced = model.slice(0, 4).reduce((sum, byte) => sum * 256 + byte, 0);
        if (taken === undefined) continue;
        assert(announced <= limit);
        assertEquals([...taken], model.slice(4, 4 + announced));
        model = model.slice(4 + announced);
      } else if (deed === "peek") {
        if (n < model.length) assertEquals(queue.peek(n), model[n]!);
      } else if (deed === "peekUint") {
        if (n + wide > model.length) continue;
        const bytes = model.slice(n, n + wide);
        if (little) bytes.reverse();
        assertEquals(queue.peekUint(n, wide, little), bytes.reduce((sum, b) => sum * 256 + b, 0));
      } else if (next % 5 === 0) {
        queue.clear();
        model = [];
      }
      assertEquals(queue.length, model.length);
    }
    assertEquals([...queue.take(queue.length)], model);
  }));
});

Deno.test("ByteQueue.take() gives a view of the chunk where the bytes lie in one", () => {
  const chunk = Uint8Array.of(0, 1, 2, 3, 4);
  const queue = new ByteQueue();
  queue.append(chunk);
  queue.skip(1);
  for (const piece of [queue.take(2), queue.take(2)]) assert(piece.buffer === chunk.buffer);
});

Deno.test("ByteQueue.takeCounted() takes a whole frame of one chunk, in no time, or nothing", () => {
  const queue = queueOf([0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9]);
  assertEquals(queue.takeCounted(1), undefined);
  assertEquals(queue.takeCounted(2), Uint8Array.of(7, 8));
  assertEquals(queue.takeCounted(2), new Uint8Array(0));
  assertEquals([queue.length, queue.takeCounted(2)], [5, undefined]); // it ends with its chunk
  assertEquals(queueOf([255, 255, 255, 255, 0]).takeCounted(2 ** 31), undefined);
  assertEquals(queueOf([0, 0, 0]).takeCounted(9), undefined);
});

Deno.test("ByteQueue.append() keeps a big chunk that waits without copying it", () => {
  const chunk = new Uint8Array(512).fill(7);
  const queue = queueOf([1]);
  queue.append(chunk);
  queue.skip(1);
  assert(queue.take(512).buffer === chunk.buffer);
});

Deno.test("ByteQueue.append() holds a million single bytes in little more than a million bytes", () => {
  const queue = new ByteQueue();
  const before = Deno.memoryUsage();
  for (let i = 0; i < 1_000_000; i++) queue.append(Uint8Array.of(i));
  // The views that were made on the way are garbage, so only what the queue points to counts.
  const pieces = new Set<ArrayBufferLike>();
  while (queue.length > 0) pieces.add(queue.take(1).buffer);
  assert(pieces.size < 40, `${pieces.size} buffers`);
  assert(before.rss > 0);
});

Deno.test("ByteQueue.append() leaves alone what it has handed out", () => {
  const queue = queueOf([1], [2], [3]);
  queue.skip(1);
  const piece = queue.take(2);
  for (let i = 0; i < 3000; i++) queue.append(Uint8Array.of(9));
  assertEquals(piece, Uint8Array.of(2, 3));
});

Deno.test("ByteQueue.take() and skip() refuse more than there is, and change nothing", () => {
  const queue = queueOf([1, 2], [3]);
  assertThrows(() => queue.take(4), RangeError, "holds, 3: current value is 4");
  assertThrows(() => queue.skip(4), RangeError);
  assertThrows(() => queue.peek(3), RangeError);
  assertThrows(() => queue.peekUint(0, 4), RangeError);
  assertEquals(queue.take(3), Uint8Array.of(1, 2, 3));
  assertEquals(queue.take(0), new Uint8Array(0));
});

Deno.test("ByteQueue.peekUint() reads across chunks, unsigned, either end first", () => {
  for (const chunks of [[[255, 1, 2, 254]], [[255], [1, 2], [254]], [[255, 1, 2], [254]]]) {
    const queue = queueOf(...chunks);
    assertEquals(queue.peekUint(0, 4), 0xff0102fe);
    assertEquals(queue.peekUint(0, 4, true), 0xfe0201ff);
    assertEquals(queue.peekUint(1, 2), 0x0102);
  }
});

Deno.test("ByteQueue.peekUint() never rounds to less than 2 ** 53", () => {
  assertEquals(queueOf([0, 0x1f, 255, 255, 255, 255, 255, 255]).peekUint(0, 8), 2 ** 53 - 1);
  assertEquals(queueOf([0, 0x20, 0, 0, 0, 0, 0, 0]).peekUint(0, 8), 2 ** 53);
  assert(queueOf([0, 0x20, 0, 0, 0, 0, 0, 1]).peekUint(0, 8) >= 2 ** 53);
  assert(queueOf([1, 0, 0, 0, 0, 0, 0x20, 0]).peekUint(0, 8, true) >= 2 ** 53);
});

Deno.test("ByteQueue takes a subclass of Uint8Array, and gives plain ones", () => {
  class Odd extends Uint8Array {}
  const queue = new ByteQueue();
  queue.append(new Odd([1, 2, 3]));
  assertEquals(queue.take(2).constructor, Uint8Array);
  assertEquals(queue.take(1).constructor, Uint8Array);
});

Deno.test("ByteQueue takes a view of chunks that lie one behind the other in memory", () => {
  const buffer = Uint8Array.from({ length: 1000 }, (_, i) => i);
  const queue = new ByteQueue();
  queue.append(buffer.subarray(10, 20));
  queue.append(buffer.subarray(20, 21));
  queue.append(buffer.subarray(21, 700));
  const taken = queue.take(600);
  assertEquals([taken.buffer, taken.byteOffset], [buffer.buffer, 10]);
  queue.append(buffer.subarray(701)); // a gap
  assertEquals(queue.take(91), Uint8Array.from([...buffer.subarray(610, 700), buffer[701]!]));
});

Deno.test("ByteQueue keeps the order of chunks, wherever they lie in memory", () => {
  const buffer = Uint8Array.from({ length: 2000 }, (_, i) => i);
  const queue = new ByteQueue();
  const [first, last] = [buffer.subarray(0, 1000), buffer.subarray(1000)];
  const between = new Uint8Array(600).fill(7);
  for (const chunk of [first, between, last]) queue.append(chunk);
  assertEquals(queue.take(2600), Uint8Array.from([...first, ...between, ...last]));
});
