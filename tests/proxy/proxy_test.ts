/** A proxy on real sockets: nobody can tell that it is there. */

import { assert, assertEquals, assertLess } from "@std/assert";
import fc from "fast-check";
import { dial } from "../../lib/client/dial.ts";
import { serveProxy } from "../../lib/proxy/proxy.ts";
import { proxyLine } from "../../lib/proxy/proxy_record.ts";
import { toServer } from "../../lib/proxy/upstream.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readExact, readToEnd, type Resettable, writeAll } from "../../lib/stream/conn.ts";
import { dice } from "../../lib/world.ts";
import { bytes, pairOf, testDuplex, testReset, text } from "../_conformance.ts";
import { Proxied, ResettableProxied } from "./_proxied.ts";
import { Records } from "./_records.ts";

testDuplex("serveProxy()", async () => {
  const proxied = new Proxied();
  const { a, b } = await proxied.pair();
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      await proxied[Symbol.asyncDispose]();
    },
  };
});

testReset("serveProxy() over connections that can be reset", async () => {
  const proxied = await ResettableProxied.start();
  const { a, b } = await proxied.pair();
  return {
    ...pairOf(a, b),
    async [Symbol.asyncDispose]() {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      await proxied[Symbol.asyncDispose]();
    },
  };
});

Deno.test("serveProxy() seeks servers outside of the accept loop", async () => {
  const slow = Promise.withResolvers<void>();
  await using origin = serveTcp({}, (conn) => writeAll(conn, bytes("served")));
  const direct = toServer(origin.addr);
  let first = true;
  await using proxy = serveProxy({
    connect: async (client, context) => {
      if (first) {
        first = false;
        await slow.promise;
      }
      return await direct(client, context);
    },
  });
  using held = await dial(proxy.addr);
  await writeAll(held, bytes("me first"));
  using next = await dial(proxy.addr);
  await next.closeWrite();
  assertEquals(text(await readToEnd(next)), "served");
  slow.resolve();
  await held.closeWrite();
  assertEquals(text(await readToEnd(held)), "served");
});

Deno.test("serveProxy() passes on what was said before the server was found, however much", async () => {
  const said = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
  const found = Promise.withResolvers<void>();
  const records = new Records();
  await using origin = serveTcp({}, async (conn) => {
    const heard = await readToEnd(conn);
    await writeAll(conn, bytes(`${heard.length} ${heard.every((byte, i) => byte === said[i])}`));
  });
  const direct = toServer(origin.addr);
  await using proxy = serveProxy({
    connect: async (client, context) => {
      // Enough came for the read-ahead to be full.
      await client.peek(() => undefined);
      await found.promise;
      return await direct(client, context);
    },
    onConn: records.take,
  });
  using client = await dial(proxy.addr);
  await Promise.all([
    writeAll(client, said).then(() => client.closeWrite()),
    Promise.resolve().then(() => found.resolve()),
  ]);
  assertEquals(text(await readToEnd(client)), "300000 true");
  assertEquals((await records.next()).bytesUp, 300_000);
});

Deno.test("a server that is not there: the client hears FIN, and the line says why", async () => {
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const addr = gone.addr as Deno.NetAddr;
  gone.close();
  const records = new Records();
  await using proxy = serveProxy({ connect: toServer(addr), onConn: records.take });
  using client = await dial(proxy.addr);
  assertEquals(await client.read(new Uint8Array(1)), null);
  const record = await records.next();
  assertEquals(record.end.code, "SC");
  const { port } = client.localAddr;
  const line = proxyLine({ ...record, connectTime: 0.25, duration: 1 });
  assertEquals(
    line.slice(0, line.indexOf(" why=")),
    `id=1 client=127.0.0.1:${port} server=- up=0 down=0 queue=0ms connect=0.25ms total=1ms ` +
      "retries=0 end=SC",
  );
});

Deno.test("proxyLine() cannot be made to lie by what a peer said", () => {
  const line = proxyLine({
    id: 1,
    client: { hostname: "2001:db8::1", port: 5 },
    via: { hostname: "10.0.0.1", port: 6 },
    server: 'a b"\nid=2',
    bytesUp: 1,
    bytesDown: 2,
    duration: 1234.5678,
    queueTime: 0.0001,
    connectTime: 3,
    retries: 1,
    end: { code: "SD", why: "x\u001b[2Jy\u009b" },
    disguised: ["client"],
  });
  assertEquals(
    line,
    'id=1 client=[2001:db8::1]:5 via=10.0.0.1:6 server="a b\\"\\nid=2" up=1 down=2 queue=0ms ' +
      'connect=3ms total=1234.568ms retries=1 end=SD why="x\\u001b[2Jy\\u009b" disguised=client',
  );
});

Deno.test("a slow reader holds a fast sender back: what is on its way is bounded", async () => {
  await using proxied = new Proxied();
  await using pair = await proxied.pair();
  const block = new Uint8Array(1 << 20);
  let sent = 0;
  const sending = (async () => {
    for (let i = 0; i < 256; i++) {
      await writeAll(pair.a, block);
      sent += block.length;
    }
    await pair.a.closeWrite();
  })();
  let received = 0;
  let most = 0;
  const buffer = new Uint8Array(256 * 1024);
  for (let n; (n = await pair.b.read(buffer)) !== null;) {
    received += n;
    most = Math.max(most, sent - received);
  }
  await sending;
  assertEquals(received, 256 << 20);
  // Two connections' kernel buffers, and our own.
  assertLess(most, 48 << 20);
});

Deno.test("a tap sees what goes each way, and its end", async () => {
  const seen: string[] = [];
  const note = (line: string) => void seen.push(line);
  await using proxied = new Proxied({
    tap: ({ id }) => (way, chunk) => note(`${id} ${way} ${chunk && text(chunk)}`),
  });
  await using pair = await proxied.pair();
  await writeAll(pair.a, bytes("ping"));
  await readExact(pair.b, 4);
  await writeAll(pair.b, bytes("pong"));
  await readExact(pair.a, 4);
  await pair.a.closeWrite();
  assertEquals(await pair.b.read(new Uint8Array(1)), null);
  await pair.b.closeWrite();
  await proxied.records.next();
  assertEquals(seen, ["1 up ping", "1 down pong", "1 up null", "1 down null"]);
});

/** What one end does: how it cuts what it says, how slowly it reads, how it ends. */
interface Manner {
  chunks: number[];
  reads: number;
  /** After so many chunks it waits until it has read so much. */
  stall: { after: number; until: number };
  end: "finish" | "close" | "reset";
  seed: number;
}

const manner: fc.Arbitrary<Manner> = fc.record({
  chunks: fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 100 }) },
      { weight: 2, arbitrary: fc.integer({ min: 1000, max: 70_000 }) },
      { weight: 1, arbitrary: fc.constant(300_000) },
    ),
    { maxLength: 8 },
  ),
  reads: fc.constantFrom(1, 7, 1024, 65536),
  stall: fc.record({ after: fc.nat(8), until: fc.nat(300) }),
  end: fc.oneof(
    { weight: 6, arbitrary: fc.constant("finish" as const) },
    { weight: 1, arbitrary: fc.constantFrom("close" as const, "reset" as const) },
  ),
  seed: fc.nat(),
});

/** One end at work: what it said and heard, and whether it heard the end. */
async function play(conn: Resettable, { chunks, reads, stall, end, seed }: Manner) {
  const roll = dice(seed);
  const said: Uint8Array[] = [];
  const heard: Uint8Array[] = [];
  let heardBytes = 0;
  let sawFin = false;
  let over = false;
  let wake = () => {};
  const listen = async () => {
    // One byte at a time is for the short ones.
    const buffer = new Uint8Array(chunks.length > 0 && reads < 8 ? 4096 + reads : reads);
    try {
      for (let n; (n = await conn.read(buffer)) !== null; wake()) {
        heard.push(buffer.slice(0, n));
        heardBytes += n;
      }
      sawFin = true;
    } catch {
      // It was cut, by the other side or by ourselves.
    }
    over = true;
    wake();
  };
  const talk = async () => {
    for (const [i, size] of chunks.entries()) {
      while (i === stall.after && heardBytes < stall.until && !over) {
        await new Promise<void>((resolve) => wake = resolve);
      }
      const chunk = Uint8Array.from({ length: size }, () => roll() * 256);
      for (let at = 0; at < size;) {
        const n = await conn.write(chunk.subarray(at));
        said.push(chunk.slice(at, at + n));
        at += n;
      }
    }
    if (end === "finish") await conn.closeWrite();
    else if (end === "reset") conn.reset();
    else conn[Symbol.dispose]();
  };
  const listening = listen();
  await talk().catch(() => {});
  return {
    result: async () => {
      await listening;
      return { said: await joined(said), heard: await joined(heard), sawFin };
    },
  };
}

async function joined(parts: Uint8Array[]): Promise<Uint8Array> {
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

function beginsWith(whole: Uint8Array, part: Uint8Array): boolean {
  return part.length <= whole.length && part.every((byte, i) => byte === whole[i]);
}

Deno.test("serveProxy() never loses, doubles or reorders a byte, always ends, leaves nothing", async () => {
  await using proxied = await ResettableProxied.start();
  await fc.assert(
    fc.asyncProperty(manner, manner, fc.boolean(), async (ours, theirs, swap) => {
      const { a, b } = await proxied.pair();
      // Were both to wait for each other, neither would ever end.
      const patient = (manner: Manner) => ({ ...manner, stall: { after: 0, until: 0 } });
      const [client, server] = await Promise.all([
        play(a, swap ? patient(ours) : ours),
        play(b, swap ? theirs : patient(theirs)),
      ]);
      const [left, right] = await Promise.all([client.result(), server.result()]);
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      const record = await proxied.records.next();
      const rude = [ours.end, theirs.end].some((end) => end !== "finish");
      for (
        const [from, to, carried] of [
          [left, right, record.bytesUp],
          [right, left, record.bytesDown],
        ] as const
      ) {
        assert(beginsWith(from.said, to.heard), "what is heard must begin what was said");
        assert(carried <= from.said.length, "no byte may be counted twice");
        assert(to.heard.length <= carried, "no byte may come from nowhere");
        // FIN is behind everything, and is never made up.
        if (to.sawFin && !rude) assertEquals(to.heard.length, from.said.length);
      }
      if (!rude) assertEquals(record.end.code, "--");
    }),
    { numRuns: 60 },
  );
  assertEquals(proxied.conns, 0);
});
