import { assertEquals, assertRejects } from "@std/assert";
import { converse, type ConverseOptions } from "../../lib/server/_converse.ts";
import { type SeededWorld, seededWorld } from "../../lib/world.ts";

/** A peer in the test's hand: what it sends, and what each read could have taken. */
class Peer {
  readonly offered: number[] = [];
  readonly buffers = new Set<ArrayBufferLike>();
  #pending: ((n: number | null) => void) | undefined;

  read(p: Uint8Array): Promise<number | null> {
    this.offered.push(p.length);
    this.buffers.add(p.buffer);
    return new Promise((resolve) => this.#pending = resolve);
  }

  /** Ends the pending read with `n` bytes, or all that it can take. */
  async send(n: number | null = this.offered.at(-1)!): Promise<void> {
    this.#pending!(n);
    await seededWorld(1).advance(0); // every reaction to it has run
  }
}

/** Starts one, and keeps the record. */
function start(options: Partial<ConverseOptions> = {}) {
  const peer = new Peer();
  const world = seededWorld(1);
  const end = new AbortController();
  const record = { peer, world, end, answered: [] as number[], over: false };
  const talk = converse(peer, {
    signal: end.signal,
    endTimeout: 5000,
    largest: 4096,
    world,
    answer: (bytes) => Promise.resolve(void record.answered.push(bytes.length)),
    ...options,
  }).finally(() => record.over = true);
  return Object.assign(record, { talk });
}

/** Whether it is over at that time, and not before. */
async function endsAt(record: { world: SeededWorld; over: boolean }, ms: number): Promise<void> {
  await record.world.advance(ms - 1 - record.world.now());
  assertEquals(record.over, false, `over before ${ms} ms`);
  await record.world.advance(1);
  assertEquals(record.over, true, `not over at ${ms} ms`);
}

Deno.test("converse() answers until FIN, and then the end", async () => {
  const answered: (number | string)[] = [];
  const { peer, talk, world } = start({
    answer: (bytes) => Promise.resolve(void answered.push(bytes.length)),
    answerEnd: () => Promise.resolve(void answered.push("end")),
  });
  await peer.send(3);
  await peer.send(0);
  await peer.send(7);
  await peer.send(null);
  await talk;
  assertEquals(answered, [3, 0, 7, "end"]);
  assertEquals(world.sleeps, []);
});

Deno.test("converse() ends when the answer is that there is no more to say", async () => {
  const { peer, talk } = start({ answer: () => Promise.resolve(false) });
  await peer.send(1);
  await talk;
  assertEquals(peer.offered.length, 1);
});

Deno.test("converse() rejects when an answer fails", async () => {
  const { peer, talk } = start({ answer: () => Promise.reject(new RangeError("no")) });
  const failed = assertRejects(() => talk, RangeError);
  await peer.send(1);
  await failed;
});

Deno.test("converse() reads into more each time a read takes all there is room for", async () => {
  const { peer, talk } = start({ largest: 3000 });
  for (const n of [255, 256, 1024, 2999, 3000, 3000, 1]) await peer.send(n);
  await peer.send(null);
  await talk;
  assertEquals(peer.offered, [256, 256, 1024, 3000, 3000, 3000, 3000, 3000]);
  assertEquals(peer.buffers.size, 3);
});

Deno.test("converse() ends 100 ms after the signal if the peer is silent", async () => {
  const record = start();
  await record.world.advance(1000);
  assertEquals(record.over, false);
  record.end.abort();
  await endsAt(record, 1100);
});

Deno.test("converse() ends soon after it began if the signal had aborted before", async () => {
  await endsAt(start({ signal: AbortSignal.abort() }), 120);
});

Deno.test("converse() waits for 100 ms of silence since the peer was last heard", async () => {
  const record = start();
  record.end.abort();
  await record.world.advance(90);
  await record.peer.send(5);
  await endsAt(record, 200);
  assertEquals(record.answered, [5]);
});

Deno.test("converse() does not answer what comes when it is over", async () => {
  const { peer, talk, end, world, answered } = start();
  end.abort();
  await world.advance(100);
  await talk;
  await peer.send(5);
  assertEquals([answered, peer.offered.length], [[], 1]);
});

Deno.test("converse() takes no answer in hand for silence, however long it takes", async () => {
  const sent = Promise.withResolvers<void>();
  const record = start({ answer: () => sent.promise });
  record.end.abort();
  await record.peer.send(5);
  await record.world.advance(3000);
  assertEquals(record.over, false);
  sent.resolve();
  await endsAt(record, 3120);
});

Deno.test("converse() gives a peer that is never silent one second", async () => {
  const record = start();
  record.end.abort();
  for (let ms = 10; ms < 1000; ms += 10) {
    await record.world.advance(10);
    await record.peer.send(5);
  }
  await endsAt(record, 1000);
});

Deno.test("converse() goes on after a second while reads leave something behind", async () => {
  const record = start();
  record.end.abort();
  for (let ms = 10; ms <= 3000; ms += 10) {
    await record.world.advance(10);
    await record.peer.send();
  }
  assertEquals(record.over, false);
  await record.world.advance(1);
  await record.peer.send(5); // now it has all
  await endsAt(record, 3020);
});

Deno.test("converse() ends at its timeout, with the answer in hand", async () => {
  const sent = Promise.withResolvers<void>();
  const record = start({ answer: () => sent.promise, endTimeout: 4000 });
  record.end.abort();
  await record.peer.send();
  await record.world.advance(6000);
  assertEquals([record.over, record.world.sleepers], [false, 0]);
  sent.resolve();
  await record.talk;
  assertEquals(record.peer.offered.length, 1);
});

Deno.test("converse() leaves the signal alone when it is over", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    },
    removeEventListener: (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    },
  });
  const { peer, talk } = start({ signal });
  assertEquals(listeners, 1);
  await peer.send(null);
  await talk;
  assertEquals(listeners, 0);
});
