import { assertEquals, assertRejects } from "@std/assert";
import { FrameError } from "../../lib/framing/decoder.ts";
import { proxyHeader } from "../../lib/proxy/proxy_header.ts";
import { encodeProxyHeader } from "../../lib/proxy/proxy_protocol.ts";
import { receiveProxyHeader } from "../../lib/proxy/receive_proxy_header.ts";
import { type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes, testDuplex } from "../_conformance.ts";

const HEADER = encodeProxyHeader(
  proxyHeader({ hostname: "192.0.2.7", port: 51000 }, { hostname: "192.0.2.1", port: 443 }),
  { version: 2 },
);

testDuplex("receiveProxyHeader()", async () => {
  const [proxy, server] = memoryPair();
  await writeAll(proxy, HEADER);
  const { conn } = await receiveProxyHeader(server);
  return {
    a: proxy,
    b: conn,
    [Symbol.asyncDispose]() {
      proxy[Symbol.dispose]();
      conn[Symbol.dispose]();
      return Promise.resolve();
    },
  };
});

Deno.test("receiveProxyHeader() gives up on a header that drips, however busily", async () => {
  const world = seededWorld(1);
  const [proxy, server] = memoryPair();
  const received = assertRejects(
    () => receiveProxyHeader(server, { timeout: 3000, world }),
    DOMException,
    "TimeoutError",
  ).catch((error) => error);
  let settled = false;
  received.then(() => settled = true);
  let seconds = 0;
  for (const byte of HEADER) {
    await writeAll(proxy, Uint8Array.of(byte));
    await world.advance(1000);
    if (settled) break;
    seconds++;
  }
  assertEquals(seconds, 2);
});

Deno.test("receiveProxyHeader() refuses a stream that begins otherwise, and closes nothing", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, bytes("GET / HTTP/1.1\r\n"));
  await assertRejects(() => receiveProxyHeader(server), FrameError, "must begin with one");
  await writeAll(server, bytes("go away"));
  const [early, late]: [Duplex, Duplex] = memoryPair();
  await early.closeWrite();
  await assertRejects(() => receiveProxyHeader(late), FrameError, "must not end");
});

Deno.test("receiveProxyHeader() hands out what came with the header, and then the rest", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, Uint8Array.of(...HEADER, 1, 2, 3));
  const { conn } = await receiveProxyHeader(server);
  await writeAll(client, Uint8Array.of(4));
  const buffer = new Uint8Array(2);
  const read = [];
  for (let i = 0; i < 3; i++) {
    const n = await conn.read(buffer);
    read.push([...buffer.subarray(0, n ?? 0)]);
  }
  assertEquals(read, [[1, 2], [3], [4]]);
});
