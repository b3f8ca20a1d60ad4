/**
 * The promises of a `Duplex`, each a test of its own: whatever claims to be one is put
 * to them in a line.
 *
 * ```ts ignore
 * testDuplex("memoryPair()", () => {
 *   const [a, b] = memoryPair();
 *   return { a, b, [Symbol.asyncDispose]: () => Promise.resolve() };
 * });
 * ```
 */

import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { dice } from "../lib/world.ts";
import {
  type Duplex,
  readExact,
  readToEnd,
  type Resettable,
  writeAll,
} from "../lib/stream/conn.ts";

/** Two connected streams, and how to clean up behind them. */
export interface DuplexPair extends AsyncDisposable {
  /** One end. */
  readonly a: Duplex;
  /** Its peer. */
  readonly b: Duplex;
}

/** Makes a fresh pair. */
export type MakePair = () => DuplexPair | Promise<DuplexPair>;

/** Registers one test for each promise and each direction, called `${name}: …`. */
export function testDuplex(name: string, makePair: MakePair): void {
  for (const [promise, holds] of Object.entries(PROMISES)) {
    Deno.test(`${name}: ${promise}`, async () => {
      await using pair = await makePair();
      await holds(pair.a, pair.b);
    });
    Deno.test(`${name}: ${promise} (ends swapped)`, async () => {
      await using pair = await makePair();
      await holds(pair.b, pair.a);
    });
  }
}

/** Two connected streams of which `a` can be reset. */
export interface ResettablePair extends DuplexPair {
  /** The end that breaks off. */
  readonly a: Resettable;
}

/** The same for the promises of a `Resettable`, which its peer must see. */
export function testReset(
  name: string,
  makePair: () => ResettablePair | Promise<ResettablePair>,
): void {
  for (const [promise, holds] of Object.entries(RESET_PROMISES)) {
    Deno.test(`${name}: ${promise}`, async () => {
      await using pair = await makePair();
      await holds(pair.a, pair.b);
    });
  }
}

/** A pair of which both ends are disposed at the end. */
export function pairOf<A extends Duplex>(a: A, b: Duplex): DuplexPair & { a: A } {
  return {
    a,
    b,
    [Symbol.asyncDispose]: () => {
      for (const end of [a, b]) end[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

const PROMISES: Record<string, (a: Duplex, b: Duplex) => Promise<void>> = {
  "bytes arrive in the order they were written": async (a, b) => {
    const writing = writeEach(a, [bytes("one "), bytes("two "), bytes("three")]);
    assertEquals(text(await readExact(b, 13)), "one two three");
    await writing;
  },

  "1 MiB of random bytes arrives intact in both directions at once": async (a, b) => {
    const there = randomBytes(1 << 20, 1);
    const back = randomBytes(1 << 20, 2);
    const [gotBack, gotThere] = await Promise.all([
      readToEnd(a),
      readToEnd(b),
      sendWhole(a, there),
      sendWhole(b, back),
    ]);
    assertSameBytes(gotThere, there);
    assertSameBytes(gotBack, back);
  },

  "a read puts at most what is asked at the front of the buffer": async (a, b) => {
    const writing = writeAll(a, bytes("abcdef"));
    const buffer = bytes("......");
    let filled = 0;
    while (filled < 3) filled += (await b.read(buffer.subarray(filled, 3)))!;
    assertEquals(text(buffer), "abc...");
    assertEquals(text(await readExact(b, 3)), "def");
    await writing;
  },

  "a read resolves with what is there instead of waiting for a full buffer": async (a, b) => {
    const reading = b.read(new Uint8Array(1000));
    await writeAll(a, bytes("x"));
    assertEquals(await reading, 1);
  },

  "a write leaves its buffer to the caller once it resolves": async (a, b) => {
    const buffer = new Uint8Array(4096);
    const received = readToEnd(b);
    const expected: number[] = [];
    for (let round = 0; round < 50; round++) {
      buffer.fill(round);
      const n = await a.write(buffer);
      for (let i = 0; i < n; i++) expected.push(round);
      buffer.fill(255);
    }
    await a.closeWrite();
    assertSameBytes(await received, Uint8Array.from(expected));
  },

  "FIN arrives after the data, and again at each later read": async (a, b) => {
    const sending = sendWhole(a, bytes("last words"));
    assertEquals(text(await readToEnd(b)), "last words");
    for (let i = 0; i < 3; i++) assertEquals(await b.read(new Uint8Array(8)), null);
    await sending;
  },

  "FIN wakes a read that waits": async (a, b) => {
    const reading = b.read(new Uint8Array(8));
    await a.closeWrite();
    assertEquals(await reading, null);
  },

  "after our FIN the peer's bytes still arrive": async (a, b) => {
    await a.closeWrite();
    assertEquals(await b.read(new Uint8Array(8)), null);
    const [answer] = await Promise.all([
      readToEnd(a),
      sendWhole(b, randomBytes(200_000, 3)),
    ]);
    assertSameBytes(answer, randomBytes(200_000, 3));
  },

  "closeWrite twice is harmless": async (a, b) => {
    await a.closeWrite();
    await a.closeWrite();
    assertEquals(await b.read(new Uint8Array(8)), null);
    await a.closeWrite();
  },

  "a write after our FIN rejects, and reading goes on": async (a, b) => {
    await a.closeWrite();
    await assertRejects(() => a.write(bytes("x")));
    const writing = writeAll(b, bytes("y"));
    assertEquals(text(await readExact(a, 1)), "y");
    await writing;
  },

  "closing wakes our own read that waits, and the peer sees the end": async (a, b) => {
    const reading = assertRejects(() => a.read(new Uint8Array(8)), Deno.errors.Interrupted);
    a[Symbol.dispose]();
    await reading;
    assertEquals(await b.read(new Uint8Array(8)), null);
  },

  "closing wakes our own write that waits, and the peer sees the end": async (a, b) => {
    const full = await fill(a, b);
    const stuck = assertRejects(() => full.stuck, Deno.errors.Interrupted);
    a[Symbol.dispose]();
    await stuck;
    // What was taken may arrive or not, as with any close; more cannot.
    assert(await readUntilOver(b) <= full.taken + full.offered);
  },

  "closing is harmless when done again": (a) => {
    a[Symbol.dispose]();
    a[Symbol.dispose]();
    return Promise.resolve();
  },

  "what was written before closing can still be read": async (a, b) => {
    const [got] = await Promise.all([
      readToEnd(b),
      writeAll(a, bytes("goodbye")).then(() => a[Symbol.dispose]()),
    ]);
    assertEquals(text(got), "goodbye");
  },

  "operations after closing reject": async (a) => {
    a[Symbol.dispose]();
    await assertRejects(() => a.read(new Uint8Array(8)), Deno.errors.BadResource);
    await assertRejects(() => a.write(bytes("x")), Deno.errors.BadResource);
    await assertRejects(() => a.closeWrite(), Deno.errors.BadResource);
  },

  "writing to a peer that is gone rejects in the end": async (a, b) => {
    b[Symbol.dispose]();
    assertEquals(await a.read(new Uint8Array(8)), null);
    // A kernel takes what it gets until it hears that nobody listens.
    await assertRejects(async () => {
      while (true) await a.write(new Uint8Array(1024));
    });
  },

  "a read or write of no bytes resolves with 0 at once": async (a, b) => {
    assertEquals(await a.read(new Uint8Array(0)), 0);
    assertEquals(await a.write(new Uint8Array(0)), 0);
    const writing = writeAll(a, bytes("x"));
    assertEquals(await b.read(new Uint8Array(0)), 0);
    assertEquals(text(await readExact(b, 1)), "x");
    await writing;
  },

  "writes to a peer that does not read wait until it does, and nothing is lost": async (a, b) => {
    const full = await fill(a, b);
    const received = readToEnd(b, { maxBytes: PLENTY });
    const taken = full.taken + await full.stuck;
    await a.closeWrite();
    assertEquals((await received).length, taken);
  },

  "FIN waits behind a write that waits": async (a, b) => {
    const full = await fill(a, b);
    const finished = a.closeWrite();
    const received = readToEnd(b, { maxBytes: PLENTY });
    const taken = full.taken + await full.stuck;
    await finished;
    assertEquals((await received).length, taken);
  },

  "the peer's FIN leaves our write that waits alone": async (a, b) => {
    const full = await fill(a, b);
    await b.closeWrite();
    assertEquals(await a.read(new Uint8Array(8)), null);
    const received = readToEnd(b, { maxBytes: PLENTY });
    const taken = full.taken + await full.stuck;
    await a.closeWrite();
    assertEquals((await received).length, taken);
  },

  "reads that wait are served in the order they came": async (a, b) => {
    const buffers = [1, 2, 3].map(() => new Uint8Array(1));
    const reads = buffers.map((buffer) => b.read(buffer));
    await writeAll(a, bytes("123"));
    assertEquals(await Promise.all(reads), [1, 1, 1]);
    assertEquals(buffers.map(text), ["1", "2", "3"]);
  },

  "FIN ends every read that waits": async (a, b) => {
    const reads = [1, 2].map(() => b.read(new Uint8Array(1)));
    await a.closeWrite();
    assertEquals(await Promise.all(reads), [null, null]);
  },

  "both directions end one by one, in either order": async (a, b) => {
    const writing = sendWhole(a, bytes("question"));
    assertEquals(text(await readToEnd(b)), "question");
    await writing;
    const answering = sendWhole(b, bytes("answer"));
    assertEquals(text(await readToEnd(a)), "answer");
    await answering;
    assertEquals(await b.read(new Uint8Array(1)), null);
    assertEquals(await a.read(new Uint8Array(1)), null);
  },
};

const RESET_PROMISES: Record<string, (a: Resettable, b: Duplex) => Promise<void>> = {
  "reset() rejects the peer's read that waits": async (a, b) => {
    const reading = assertRejects(() => b.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    a.reset();
    await reading;
  },

  "reset() rejects the peer's write that waits": async (a, b) => {
    const full = await fill(b, a);
    const reading = assertRejects(() => b.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    const writing = assertRejects(() => full.stuck);
    a.reset();
    await Promise.all([reading, writing]);
  },

  "reset() lets the peer read what had arrived, then each read rejects": async (a, b) => {
    const writing = writeAll(a, bytes("abc"));
    assertEquals(text(await readExact(b, 1)), "a");
    await writing;
    a.reset();
    assertEquals(text(await readExact(b, 2)), "bc");
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => b.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    }
  },

  "reset() makes the peer's writes reject as well, again and again": async (a, b) => {
    a.reset();
    await assertRejects(() => b.read(new Uint8Array(8)), Deno.errors.ConnectionReset);
    for (let i = 0; i < 3; i++) {
      await assertRejects(() => b.write(bytes("x")), Deno.errors.ConnectionReset);
    }
  },

  "reset() interrupts our own operations that wait, and later ones reject": async (a, b) => {
    const full = await fill(a, b);
    const writing = assertRejects(() => full.stuck, Deno.errors.Interrupted);
    const reading = assertRejects(() => a.read(new Uint8Array(8)), Deno.errors.Interrupted);
    a.reset();
    await Promise.all([writing, reading]);
    await assertRejects(() => a.read(new Uint8Array(8)), Deno.errors.BadResource);
    await assertRejects(() => a.write(bytes("x")), Deno.errors.BadResource);
  },

  "reset() after our FIN still ends the peer's writing": async (a, b) => {
    await a.closeWrite();
    assertEquals(await b.read(new Uint8Array(8)), null);
    a.reset();
    await assertRejects(async () => {
      while (true) await b.write(new Uint8Array(1024));
    });
    assertEquals(await b.read(new Uint8Array(8)), null);
  },

  "reset() again, and after closing, is harmless": async (a, b) => {
    a[Symbol.dispose]();
    a.reset();
    a.reset();
    assertEquals(await b.read(new Uint8Array(8)), null);
  },
};

/** More than the kernel holds for two connections in a row. */
const PLENTY = 64 * 1024 * 1024;

/** Turns of ping-pong without a byte taken after which a pipe counts as full. */
const PATIENCE = 20;

/** What {@linkcode fill} has done. */
interface Full {
  /** Bytes taken before the write that waits. */
  readonly taken: number;
  /** Bytes in the write that waits. */
  readonly offered: number;
  /** The write that waits. */
  readonly stuck: Promise<number>;
}

/**
 * Writes to `a` until a write waits. There is no clock in this: bytes go back and forth
 * the other way, and time is counted in their turns.
 */
async function fill(a: Duplex, b: Duplex): Promise<Full> {
  const block = new Uint8Array(65536);
  let taken = 0;
  while (taken < PLENTY) {
    let done = false;
    const write = a.write(block);
    write.then((n) => taken += n).finally(() => done = true).catch(() => {});
    for (let turn = 0; turn < PATIENCE && !done; turn++) {
      await b.write(Uint8Array.of(turn));
      await readExact(a, 1);
    }
    if (!done) return { taken, offered: block.length, stuck: write };
  }
  assertLess(taken, PLENTY, "writes to a peer that does not read must wait");
  throw new Error("unreachable");
}

/** Reads to the end, which after a close amid a full pipe may be an error. */
async function readUntilOver(from: Duplex): Promise<number> {
  const buffer = new Uint8Array(65536);
  let total = 0;
  try {
    for (let n = await from.read(buffer); n !== null; n = await from.read(buffer)) total += n;
  } catch {
    // A TLS peer without close_notify ends this way.
  }
  return total;
}

async function writeEach(to: Duplex, parts: Uint8Array[]): Promise<void> {
  for (const part of parts) await writeAll(to, part);
}

async function sendWhole(to: Duplex, data: Uint8Array): Promise<void> {
  await writeAll(to, data);
  await to.closeWrite();
}

/** `size` bytes that `seed` decides. */
export function randomBytes(size: number, seed: number): Uint8Array<ArrayBuffer> {
  const roll = dice(seed);
  return Uint8Array.from({ length: size }, () => roll() * 256);
}

/** Like assertEquals(), but does not print a megabyte when it fails. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  assertEquals(actual.length, expected.length);
  const differs = actual.findIndex((byte, i) => byte !== expected[i]);
  assertEquals(differs, -1, `bytes differ first at ${differs}`);
}

/** UTF-8 of a text. */
export function bytes(of: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(of);
}

/** The text that these bytes are. */
export function text(of: Uint8Array): string {
  return new TextDecoder().decode(of);
}
