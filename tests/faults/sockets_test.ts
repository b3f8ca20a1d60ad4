/** Each fault once on real sockets: what a client and a server see of it. */

import { assertEquals, assertRejects } from "@std/assert";
import {
  bandwidth,
  blackhole,
  corrupt,
  delayFin,
  type Direction,
  drop,
  duplicate,
  type Fault,
  type FaultyLink,
  faultyLink,
  finEarly,
  latency,
  limit,
  refuse,
  reorder,
  reset,
  rstAfterFin,
  slicer,
  slowClose,
  stall,
  swallowFin,
  timeout,
} from "../../lib/faults/mod.ts";
import {
  dialResettable,
  listenResettable,
  readExact,
  readToEnd,
  type ResettableConn,
  writeAll,
} from "../../lib/stream/mod.ts";
import { pattern } from "./_stream.ts";

interface Ends extends AsyncDisposable {
  client: ResettableConn;
  server: ResettableConn;
  link: FaultyLink;
}

/** A client and the server that it reaches through `fault`. */
async function ends(direction: Direction, fault?: Fault): Promise<Ends> {
  const stack = new AsyncDisposableStack();
  const listener = stack.use(await listenResettable());
  const link = stack.use(
    await faultyLink(listener.addr, { seed: 7, [direction]: fault ? [fault] : [] }),
  );
  const client = stack.use(await dialResettable(link.addr));
  const server = stack.use(await listener.accept());
  return { client, server, link, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const reading = (conn: ResettableConn) => () => readToEnd(conn);

Deno.test("faultyLink() without faults carries data, FIN and RST", async () => {
  await using plain = await ends("up");
  const { client, server } = plain;
  const data = pattern(1_000_000);
  const sending = writeAll(client, data).then(() => client.closeWrite());
  assertEquals(await readToEnd(server), data);
  await sending;
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
  server.reset();
  await assertRejects(reading(client), Deno.errors.ConnectionReset);
});

const LOSSLESS: [string, Fault][] = [
  ["latency()", latency(3, { jitter: 3 })],
  ["bandwidth()", bandwidth(5000)],
  ["slicer()", slicer(700, { variation: 600 })],
  ["slowClose()", slowClose(5)],
  ["delayFin()", delayFin(5)],
  ["stall()", stall(1000, { ms: 5 })],
  ["corrupt(0)", corrupt(0)],
  ["drop(0)", drop(0)],
  ["duplicate(0)", duplicate(0)],
  ["reorder(0)", reorder(0)],
];
for (const [name, fault] of LOSSLESS) {
  for (const direction of ["up", "down"] as const) {
    Deno.test(`${name} ${direction} a real connection loses nothing, and FIN comes`, async () => {
      await using linked = await ends(direction, fault);
      const { client, server } = linked;
      const [from, to] = direction === "up" ? [client, server] : [server, client];
      const data = pattern(30_000);
      await Promise.all([
        writeAll(from, data).then(() => from.closeWrite()),
        readToEnd(to).then((got) => assertEquals(got, data)),
      ]);
      await writeAll(to, bytes("back"));
      assertEquals(text(await readExact(from, 4)), "back");
    });
  }
}

Deno.test("corrupt(), drop() and duplicate() do to a real connection what they do by hand", async () => {
  const sent = pattern(1000);
  const cases: [Fault, number][] = [
    [corrupt(1), 1000],
    [drop(1, { unit: 10 }), 0],
    [duplicate(1, { unit: 10 }), 2000],
    [reorder(1, { unit: 500 }), 1000],
  ];
  for (const [fault, length] of cases) {
    await using linked = await ends("up", fault);
    const { client, server } = linked;
    await writeAll(client, sent);
    await client.closeWrite();
    const got = await readToEnd(server);
    assertEquals(got.length, length);
    if (length === 1000) assertEquals(got.every((byte, i) => byte === sent[i]), false);
  }
});

Deno.test("reset() sends a real RST to both, on a connection that is open", async () => {
  await using linked = await ends("down");
  const { client, server, link } = linked;
  await writeAll(client, bytes("hello"));
  assertEquals(text(await readExact(server, 5)), "hello");
  link.add("rst", "down", reset());
  await assertRejects(reading(client), Deno.errors.ConnectionReset);
  await assertRejects(reading(server), Deno.errors.ConnectionReset);
});

Deno.test("reset({ bytes }) and reset({ onFin }) come during and after the data", async () => {
  for (const fault of [reset({ bytes: 3 }), reset({ onFin: true })]) {
    await using linked = await ends("up", fault);
    const { client, server } = linked;
    await writeAll(client, bytes("abcdef"));
    await client.closeWrite();
    await assertRejects(reading(server), Deno.errors.ConnectionReset);
    await assertRejects(reading(client), Deno.errors.ConnectionReset);
  }
});

Deno.test("refuse() resets a client, and the server hears nothing", async () => {
  using listener = await listenResettable();
  await using link = await faultyLink(listener.addr, { up: [refuse()] });
  using client = await dialResettable(link.addr);
  await assertRejects(reading(client), Deno.errors.ConnectionReset);
  assertEquals(link.events.map(({ type }) => type), ["refused"]);
});

Deno.test("limit() closes both ends of a real connection after its bytes", async () => {
  await using linked = await ends("down", limit(5));
  const { client, server } = linked;
  await writeAll(server, bytes("abcdefgh"));
  assertEquals(text(await readToEnd(client)), "abcde");
  assertEquals(text(await readToEnd(server)), "");
});

Deno.test("timeout() closes a real connection", async () => {
  await using linked = await ends("up", timeout(20));
  const { client, server } = linked;
  await writeAll(client, bytes("lost"));
  assertEquals(text(await readToEnd(server)), "");
  assertEquals(text(await readToEnd(client)), "");
});

Deno.test("swallowFin() tells a real server nothing until it is removed", async () => {
  await using linked = await ends("up", swallowFin());
  const { client, server, link } = linked;
  await client.closeWrite();
  await writeAll(server, bytes("early"));
  assertEquals(text(await readExact(client, 5)), "early");
  link.remove("up1");
  assertEquals(await server.read(new Uint8Array(1)), null);
});

Deno.test("blackhole() tells a real client nothing, and removal after a loss closes", async () => {
  using listener = await listenResettable();
  const swallowed = Promise.withResolvers<void>();
  await using link = await faultyLink(listener.addr, {
    down: [{ name: "hole", fault: blackhole() }],
    onEvent: ({ type }) => type === "fin" && swallowed.resolve(),
  });
  using client = await dialResettable(link.addr);
  using server = await listener.accept();
  await writeAll(server, bytes("lost"));
  await server.closeWrite();
  await swallowed.promise;
  link.remove("hole");
  assertEquals(text(await readToEnd(client)), "");
});

Deno.test("finEarly() half-closes a real connection", async () => {
  await using linked = await ends("up", finEarly(3));
  const { client, server } = linked;
  await writeAll(client, bytes("abcdef"));
  assertEquals(text(await readToEnd(server)), "abc");
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
});

Deno.test("rstAfterFin(): a real server reads FIN, then its writes fail", async () => {
  await using linked = await ends("up", rstAfterFin(0));
  const { client, server } = linked;
  await client.closeWrite();
  assertEquals(text(await readToEnd(server)), "");
  await assertRejects(reading(client), Deno.errors.ConnectionReset);
  await assertRejects(() => writeAll(server, bytes("answer")));
});

Deno.test("faultyLink(): a server that cannot be reached resets the client", async () => {
  using gone = await listenResettable();
  const { addr } = gone;
  gone.close();
  await using link = await faultyLink(addr);
  using client = await dialResettable(link.addr);
  await assertRejects(reading(client), Deno.errors.ConnectionReset);
  assertEquals(link.events.map(({ type }) => type), ["unreachable"]);
});

Deno.test("FaultyLink.disable() closes all and refuses; enable() listens on the same port", async () => {
  await using linked = await ends("up");
  const { client, server, link } = linked;
  const { addr } = link;
  await writeAll(server, bytes("a"));
  await readExact(client, 1);
  await link.disable();
  assertEquals(text(await readToEnd(client)), "");
  await assertRejects(() => dialResettable(addr), Deno.errors.ConnectionRefused);
  await link.enable();
  await link.enable();
  assertEquals(link.addr, addr);
  using again = await dialResettable(addr);
  link.reset();
  again.reset();
});

Deno.test("faultyLink() says which option is wrong", async () => {
  const target = { hostname: "127.0.0.1", port: 1 };
  await assertRejects(
    () => faultyLink(target, { connectTimeout: 0 }),
    RangeError,
    "connectTimeout",
  );
});

Deno.test("faultyLink({ resets: false }) carries data and FIN, and a RST is a close", async () => {
  using listener = await listenResettable();
  await using link = await faultyLink(listener.addr, { resets: false });
  using client = await dialResettable(link.addr);
  using server = await listener.accept();
  const data = pattern(1_000_000);
  const sending = writeAll(client, data).then(() => client.closeWrite());
  assertEquals(await readToEnd(server), data);
  await sending;
  await writeAll(server, bytes("answer"));
  assertEquals(text(await readExact(client, 6)), "answer");
  link.add("rst", "down", reset());
  assertEquals(text(await readToEnd(client)), "");
  await link.disable();
  await assertRejects(() => dialResettable(link.addr), Deno.errors.ConnectionRefused);
  await Promise.all([link.enable(), link.enable()]);
  using again = await dialResettable(link.addr);
  again.reset();
});
