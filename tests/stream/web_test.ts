import { assertEquals, assertRejects } from "@std/assert";
import { type Reader, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { toReadable, toWritable } from "../../lib/stream/web.ts";
import { assertSameBytes, bytes, randomBytes, text } from "../_conformance.ts";

Deno.test("toReadable() ends at FIN and leaves the way back open", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, bytes("question"));
  await client.closeWrite();
  assertEquals(await new Response(toReadable(server)).text(), "question");
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
});

Deno.test("toReadable() and toWritable() carry 1 MiB intact", async () => {
  const [client, server] = memoryPair({ capacity: 1000 });
  const data = randomBytes(1 << 20, 1);
  const [received] = await Promise.all([
    new Response(toReadable(server)).bytes(),
    new Blob([data]).stream().pipeTo(toWritable(client)),
  ]);
  assertSameBytes(received, data);
});

Deno.test("toReadable() reads nothing that nobody asked for", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, bytes("abc"));
  const stream = toReadable(server);
  await seededWorld(1).advance(0); // whatever it starts by itself has started
  assertEquals(server.buffered, 3);
  await stream.cancel();
  assertEquals(text(await readExact(server, 3)), "abc");
});

Deno.test("toReadable() leaves the connection open when it is cancelled midway", async () => {
  const [client, server] = memoryPair();
  await writeAll(client, bytes("first"));
  for await (const chunk of toReadable(server)) {
    assertEquals(text(chunk), "first");
    break;
  }
  await writeAll(client, bytes("second"));
  assertEquals(text(await readExact(server, 6)), "second");
});

Deno.test("toReadable() fails with the error of the connection", async () => {
  const [client, server] = memoryPair();
  const reading = assertRejects(
    () => new Response(toReadable(server)).bytes(),
    Deno.errors.ConnectionReset,
  );
  client.reset();
  await reading;
});

Deno.test("toReadable() fills the reader's own buffer and tells it of FIN", async () => {
  const [client, server] = memoryPair();
  const reader = toReadable(server).getReader({ mode: "byob" });
  await writeAll(client, bytes("abc"));
  const { value } = await reader.read(new Uint8Array(2));
  assertEquals(text(value!), "ab");
  assertEquals(text((await reader.read(new Uint8Array(2))).value!), "c");
  await client.closeWrite();
  assertEquals((await reader.read(new Uint8Array(2))).done, true);
});

Deno.test("toReadable() grows its chunks while the peer fills them", async () => {
  const asked: number[] = [];
  const source: Reader = {
    read(p) {
      asked.push(p.length);
      return Promise.resolve(asked.length === 7 ? null : p.length);
    },
  };
  await new Response(toReadable(source)).bytes();
  assertEquals(asked, [1024, 4096, 16384, 65536, 262144, 262144, 262144]);
});

Deno.test("toWritable() says FIN when it is closed, and reading goes on", async () => {
  const [client, server] = memoryPair();
  const writer = toWritable(client).getWriter();
  await writer.write(bytes("question"));
  await writer.close();
  assertEquals(text(await readToEnd(server)), "question");
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
});

Deno.test("toWritable() says no FIN when it is aborted", async () => {
  const [client, server] = memoryPair();
  const writer = toWritable(client).getWriter();
  await writer.write(bytes("half a mess"));
  await writer.abort();
  await readExact(server, 11);
  const reading = server.read(new Uint8Array(8));
  await writeAll(client, bytes("age")); // the connection itself is as it was
  assertEquals(await reading, 3);
});

Deno.test("toWritable() fails with the error of the connection", async () => {
  const [client, server] = memoryPair();
  server[Symbol.dispose]();
  const writer = toWritable(client).getWriter();
  const closed = assertRejects(() => writer.closed, Deno.errors.BrokenPipe);
  await assertRejects(() => writer.write(bytes("x")), Deno.errors.BrokenPipe);
  await closed;
});

Deno.test("toReadable() into toWritable() answers a half-closed TCP client", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ port: listener.addr.port });
  using server = await listener.accept();
  const echoing = toReadable(server).pipeTo(toWritable(server));
  await writeAll(client, bytes("echo"));
  await client.closeWrite();
  assertEquals(text(await readToEnd(client)), "echo");
  await echoing;
});
