/**
 * The classifier, put to each way of ending a thousand times, over loopback and through a
 * relay, from each kind of client.
 */

import { assertEquals } from "@std/assert";
import { type Duplex, readExact, writeAll } from "../../lib/stream/conn.ts";
import type { Ending, EndingKind } from "../../lib/stream/ending.ts";
import { endingOf, type WatchedConn, watchEnding } from "../../lib/stream/ending_of.ts";
import { relay } from "../../lib/stream/relay.ts";
import {
  dialResettable,
  listenResettable,
  type ResettableConn,
  type ResettableListener,
} from "../../lib/stream/resettable.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes } from "../_conformance.ts";

const RUNS = 1000;

/** So many at once: they wait for a probe's answer together. */
const BATCH = 250;

/** Half a second for a RST to come back, in steps: whoever has it is done. */
const PROBING = { probe: bytes("?"), probes: 101, probeWait: 5 };

/** Of who takes all that is written no RST comes, however long that is waited for. */
const ASKING = { probe: bytes("?"), probes: 21, probeWait: 5 };

/** Milliseconds after which a step that has not ended never will. */
const PATIENCE = 20_000;

/** A client and its server's end; there may be a relay between them. */
interface Ends {
  client: WatchedConn;
  server: ResettableConn;
}

/** Lets the other end end in its way, and says what the client makes of it. */
type Way = (ends: Ends, run: number) => Promise<Ending>;

const WAYS: Partial<Record<EndingKind, Way[]>> = {
  fin: [
    async ({ client, server }) => {
      await writeAll(server, bytes("all I have"));
      await server.closeWrite();
      return await endingOf(client, ASKING);
    },
    // It answers a question that was ended by FIN, closes, and is not written to.
    async ({ client, server }) => {
      await client.closeWrite();
      await readToNull(server);
      await writeAll(server, bytes("all I have"));
      server[Symbol.dispose]();
      return await endingOf(client);
    },
  ],
  "fin-rst": [
    // It says FIN, and resets.
    async ({ client, server }) => {
      await writeAll(server, bytes("too long"));
      await server.closeWrite();
      server.reset();
      return await endingOf(client, PROBING);
    },
    // It closes, having read everything: the probe itself brings the RST about.
    async ({ client, server }) => {
      await writeAll(server, bytes("too long"));
      server[Symbol.dispose]();
      return await endingOf(client, PROBING);
    },
    // It says FIN with bytes of ours unread, and then closes on them.
    async ({ client, server }) => {
      await writeAll(client, bytes("a long story"));
      await readExact(server, 1);
      await server.closeWrite();
      server[Symbol.dispose]();
      return await endingOf(client, PROBING);
    },
  ],
  rst: [
    ({ client, server }) => {
      const ending = endingOf(client, PROBING);
      server.reset();
      return ending;
    },
    async ({ client, server }) => {
      await writeAll(server, bytes("half a mess"));
      server.reset();
      return await endingOf(client, PROBING);
    },
    // While we read and write: either may be the first to hear of it.
    async ({ client, server }) => {
      const ending = endingOf(client, PROBING);
      const writing = writeAll(client, new Uint8Array(1 << 20)).catch(() => {});
      await readExact(server, 100_000);
      server.reset();
      await writing;
      return await ending;
    },
    // After our own FIN.
    async ({ client, server }) => {
      await client.closeWrite();
      await readToNull(server);
      await writeAll(server, bytes("half an ans"));
      server.reset();
      return await endingOf(client, PROBING);
    },
  ],
  silence: [
    async ({ client, server }, run) => {
      const world = seededWorld(run);
      const heard = Promise.withResolvers<void>();
      const onData = () => heard.resolve();
      const ending = endingOf(client, { timeout: 1000, world, onData });
      await writeAll(server, bytes("wait, "));
      await heard.promise;
      await world.advance(1000);
      return await ending;
    },
  ],
  local: [
    async ({ client, server }) => {
      const heard = Promise.withResolvers<void>();
      const ending = endingOf(client, { onData: () => heard.resolve() });
      await writeAll(server, bytes("no, "));
      await heard.promise;
      client[Symbol.dispose]();
      return await ending;
    },
    async ({ client }) => {
      const ending = endingOf(client);
      client[Symbol.dispose]();
      return await ending;
    },
  ],
};

/** Each kind of client: Deno's own as it is, ours over it, and ours over node:net. */
const CLIENTS: readonly ((port: number) => Promise<Duplex>)[] = [
  (port) => Deno.connect({ port }),
  async (port) => new TcpStream(await Deno.connect({ port })),
  (port) => dialResettable({ hostname: "127.0.0.1", port }),
];

for (const [how, ways] of Object.entries(WAYS)) {
  for (const through of ["loopback", "relay()"]) {
    Deno.test(`endingOf() tells ${how} in ${RUNS} runs over ${through}`, async () => {
      using origin = await listenResettable();
      using front = await listenResettable();
      const said: Record<string, number> = {};
      const make = through === "loopback" ? direct : relayed;
      for (let run = 0; run < RUNS; run += BATCH) {
        const batch = Array.from({ length: BATCH }, async (_, i) => {
          const number = run + i;
          const way = Math.floor(number / CLIENTS.length) % ways.length;
          const told = (what: string) => `${what} in run ${number}, way ${way}`;
          await using ends = await make(number, origin, front, told);
          const ending = await soon(told("no ending"), ways[way]!(ends, number));
          const verdict = ending.whole ? `${ending.how}, whole` : ending.how;
          said[verdict] = (said[verdict] ?? 0) + 1;
        });
        await Promise.all(batch);
      }
      const whole = how === "fin" || how === "fin-rst";
      assertEquals(said, { [whole ? `${how}, whole` : how]: RUNS });
    });
  }
}

/** Accepts whom a client dialed: others dial at the same time, so each says its number. */
class Desk {
  readonly #came = new Map<number, PromiseWithResolvers<ResettableConn>>();

  async meet(listener: ResettableListener, number: number): Promise<ResettableConn> {
    const conn = await listener.accept();
    const at = conn.remoteAddr.port;
    this.#slot(at).resolve(conn);
    const met = await this.#slot(number).promise;
    // The kernel gives a port again, even within a test, to who comes next: that is another. Who
    // met the old one would leave the new one alone, and a relay would wait for it forever.
    this.#came.delete(number);
    return met;
  }

  #slot(port: number): PromiseWithResolvers<ResettableConn> {
    const slot = this.#came.get(port) ?? Promise.withResolvers();
    this.#came.set(port, slot);
    return slot;
  }
}

const desks = new WeakMap<ResettableListener, Desk>();

function desk(listener: ResettableListener): Desk {
  const found = desks.get(listener) ?? new Desk();
  desks.set(listener, found);
  return found;
}

/** Says of a step which run it belongs to. */
type Told = (what: string) => string;

async function connected(run: number, listener: ResettableListener, told: Told) {
  const dialing = CLIENTS[run % CLIENTS.length]!(listener.addr.port);
  const raw = await soon(told("a client does not connect"), dialing);
  const { port } = (raw as unknown as ResettableConn).localAddr;
  return { client: watchEnding(raw), server: await met(listener, port, told) };
}

async function met(listener: ResettableListener, port: number, told: Told) {
  return await soon(told("a client is not accepted"), desk(listener).meet(listener, port));
}

async function direct(
  run: number,
  origin: ResettableListener,
  _front: ResettableListener,
  told: Told,
): Promise<Ends & AsyncDisposable> {
  const ends = await connected(run, origin, told);
  return { ...ends, [Symbol.asyncDispose]: () => Promise.resolve(dispose(ends)) };
}

async function relayed(
  run: number,
  origin: ResettableListener,
  front: ResettableListener,
  told: Told,
): Promise<Ends & AsyncDisposable> {
  const { client, server: a } = await connected(run, front, told);
  const b = await soon(told("a relay does not connect"), dialResettable(origin.addr));
  const server = await met(origin, b.localAddr.port, told);
  const relaying = relay(a, b, { lingerTimeout: 0, halfClosedTimeout: Infinity });
  return {
    client,
    server,
    async [Symbol.asyncDispose]() {
      dispose({ client, server });
      await soon(told("a relay does not end"), relaying);
    },
  };
}

/** The same, or a failure that says what has not happened. */
async function soon<T>(failure: string, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(failure)), PATIENCE);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function dispose({ client, server }: Ends): void {
  client[Symbol.dispose]();
  server[Symbol.dispose]();
}

async function readToNull(conn: Duplex): Promise<void> {
  while (await conn.read(new Uint8Array(64)) !== null);
}
