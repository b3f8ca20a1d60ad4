import { assert, assertEquals, assertMatch } from "@std/assert";
import { Claims } from "../../cmd/scenarios/_claims.ts";
import { Lab, type LabConn, type LabOptions } from "../../cmd/scenarios/_lab.ts";
import { isOptional } from "../../cmd/scenarios/_lesson.ts";
import { packetFile } from "../../cmd/scenarios/_packets.ts";
import { fits } from "../../cmd/scenarios/_states.ts";
import { segmentLabel } from "../../cmd/scenarios/_wire.ts";
import { whoIs } from "../../cmd/scenarios/_who.ts";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { Trace } from "../../lib/observe/trace.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { realWorld } from "../../lib/world.ts";
import { needs } from "../_needs.ts";
import { readPcapng } from "../observe/_pcapng.ts";
import { seesAll } from "./_sight.ts";

const SEEING = { run: ["ss", "tcpdump"] } as const;

/** A lab, with what happens in it. */
function laboratory(keepPackets = false, world: LabOptions["world"] = realWorld) {
  const trace = new Trace({ keepBytes: 100 });
  const pictures: TraceEvent[][] = [];
  const lab = new Lab(trace, {
    signal: new AbortController().signal,
    show: (events, drawn) => void pictures.push(events.filter((event) => !drawn.has(event))),
    fail: (error) => {
      throw error;
    },
    keepPackets,
    world,
  });
  const events = <Kind extends TraceEvent["kind"]>(kind: Kind) =>
    trace.events.filter((event): event is TraceEvent & { kind: Kind } => event.kind === kind);
  return { lab, trace, pictures, events };
}

needs(SEEING, "Lab.state() waits for the kernel, and puts both ends on the record", async () => {
  const { lab, events } = laboratory();
  const closing = Promise.withResolvers<void>();
  await using server = lab.serve(async (conn) => {
    await readToEnd(conn);
    await closing.promise;
  });
  assertEquals(await lab.state(server.addr), { server: "LISTEN" });
  using client = await lab.dial(server.addr);
  await client.closeWrite();
  const half = { client: "FIN-WAIT-2", server: "CLOSE-WAIT" } as const;
  assertEquals(await lab.state(client, half), half);
  const [, one, other] = events("state");
  assertEquals([one?.at, one?.conn], [other?.at, lab.calls("client", "connect")[0]!.conn]);
  closing.resolve();
  client[Symbol.dispose]();
  await server.idle();
  assertEquals(await lab.state(client, { server: "CLOSED" }), {
    client: "TIME-WAIT",
    server: "CLOSED",
  });
});

needs(SEEING, "Lab.state() asks again as long as it is not so", async () => {
  let pauses = 0;
  const sleep = async () => {
    if (pauses++ === 0) await client.closeWrite();
  };
  const { lab, events } = laboratory(false, { now: realWorld.now, sleep });
  const closing = Promise.withResolvers<void>();
  await using server = lab.serve(() => closing.promise);
  using client: LabConn = await lab.dial(server.addr);
  const half = { client: "FIN-WAIT-2", server: "CLOSE-WAIT" } as const;
  assertEquals(await lab.state(client, half), half);
  assert(pauses > 0);
  const [state, other, ...more] = events("state");
  assertEquals([state?.at, more.length], [other?.at, 0], "only what it came to is on the record");
  assert(state!.at >= lab.calls("client", "closeWrite")[0]!.at);
  closing.resolve();
});

needs(SEEING, "Lab.checkState() says what was so instead, when the time is over", async () => {
  const { lab, events } = laboratory();
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  using client = await lab.dial(server.addr);
  await lab.checkState("no", client, { client: "LISTEN" }, { timeout: 1 });
  await lab.checkState("either", client, { client: ["LISTEN", "ESTABLISHED"] });
  assertEquals(events("check").map(({ ok }) => ok), [false, true]);
  assertMatch(events("check")[0]!.actual!, /client: "ESTABLISHED"/);
});

needs(
  SEEING,
  "Lab.wire() sees each segment once, in order, with its times on our clock",
  async () => {
    if (!await seesAll()) return;
    const { lab, events, pictures } = laboratory();
    await using server = lab.serve((conn) => writeAll(conn, new Uint8Array(5)));
    await using wire = await lab.wire(server.addr);
    assertEquals(await wire.next(0), []);
    using client = await lab.dial(server.addr);
    await readToEnd(client);
    client[Symbol.dispose]();
    await server.idle();
    assertEquals(await wire.next(5, { acks: false }), [
      ...["client SYN", "server SYN-ACK", "server PSH-ACK 5 B", "server FIN-ACK", "client FIN-ACK"],
    ]);
    assertEquals(await wire.next(0), [], "what was handed out is not handed out again");
    lab.draw();
    const seen = events("segment");
    assertEquals(pictures[0]!.filter(({ kind }) => kind === "segment").length, seen.length);
    const [connect] = lab.calls("client", "connect");
    const [syn] = seen;
    // The clocks of the kernel and of the program are the same one, to some microseconds.
    assert(syn!.at > connect!.at - 1 && syn!.at < connect!.end! + 1);
    assert(seen.every(({ at }, index) => index === 0 || at >= seen[index - 1]!.at));
    assertEquals(new Set(seen.map(({ conn }) => conn)), new Set([connect!.conn]));
  },
);

needs(
  SEEING,
  "Lab.state() puts queues and timers on the record where they are wanted",
  async () => {
    const { lab, events } = laboratory();
    await using server = lab.serve(async (conn) => void await readToEnd(conn));
    server.suspend();
    using client = await lab.dial(server.addr);
    await writeAll(client, new Uint8Array(5));
    await lab.state(client);
    await lab.state(client, {}, { details: true });
    const [, before, , after] = events("state");
    assertEquals([before?.who, before?.recvQueue], ["server", undefined]);
    assertEquals([after?.who, after?.recvQueue, after?.sendQueue], ["server", 5, 0]);
    server.resume();
  },
);

needs(SEEING, "Lab.checkWire() holds for just what was seen", async () => {
  if (!await seesAll()) return;
  const { lab, events } = laboratory();
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  await using wire = await lab.wire(server.addr);
  const opened = ["client SYN", "server SYN-ACK", "client ACK"];
  using client = await lab.dial(server.addr);
  await lab.checkWire("right", wire, opened);
  using _another = await lab.dial(server.addr);
  await lab.checkWire("too few", wire, ["client SYN"]);
  using third = await lab.dial(server.addr);
  await lab.checkWire("of one connection", wire, opened, { of: third });
  await client.closeWrite();
  const fins = ["client FIN-ACK", "server FIN-ACK"];
  await lab.checkWire("with a flag", wire, fins, { flags: ["FIN"], of: client });
  assertEquals(events("check").map(({ ok }) => ok), [true, false, true, true]);
  assertEquals(events("segment").slice(0, 3).map(({ ack, again }) => [ack, again]), [
    ...[[undefined, undefined], [1, undefined], [1, undefined]],
  ]);
});

needs(SEEING, "LabWire.next() hands out what is wanted, and nothing else", async () => {
  if (!await seesAll()) return;
  const { lab } = laboratory();
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  await using wire = await lab.wire(server.addr);
  const opened = ["client SYN", "server SYN-ACK", "client ACK"];
  using first = await lab.dial(server.addr);
  assert(await wire.until((segments) => segments.length === 3));
  // As if a kernel had been impatient.
  wire.segments.push({ ...wire.segments[0]!, again: true });
  assertEquals(await wire.next(3), opened);
  wire.segments.push({ ...wire.segments[0]!, again: true });
  assertEquals(await wire.next(1, { again: true }), ["client SYN"]);
  using second = await lab.dial(server.addr);
  await first.closeWrite();
  await readToEnd(first);
  await second.closeWrite();
  await readToEnd(second);
  const fins = ["client FIN-ACK", "server FIN-ACK"];
  assertEquals(await wire.next(2, { flags: ["FIN"], of: second }), fins);
});

needs(SEEING, "packetFile() has what was captured, and the rest from the calls", async () => {
  if (!await seesAll()) return;
  const { lab, trace } = laboratory(true);
  for (const seen of [true, false]) {
    await using server = lab.serve(async (conn) => void await readToEnd(conn));
    if (seen) await lab.wire(server.addr);
    using client = await lab.dial(server.addr);
    await writeAll(client, new TextEncoder().encode(seen ? "captured" : "recorded"));
    client[Symbol.dispose]();
    await server.idle();
    for (const wire of lab.wires) await wire.settled();
  }
  const { bytes, summary } = packetFile("both", trace, lab.wires);
  await lab[Symbol.asyncDispose]();
  assertMatch(summary, /^\d+ packets captured, and \d+ synthesised from the calls on connections/);
  const { packets, interfaces, options } = readPcapng(bytes);
  assertEquals(interfaces.map(({ linkType }) => linkType), [1, 101]);
  assertMatch(options.get(1)!, /^tcplab, both\. Some connections were captured on loopback,/);
  const [told, madeUp] = interfaces.map(({ options }) => options.get(3));
  assertMatch(told!, /^Captured on loopback/);
  assertMatch(madeUp!, /^Synthesised from what the programs called, not captured/);
  const texts = packets.map((packet) => [packet.interface, new TextDecoder().decode(packet.bytes)]);
  const holds = (at: number, text: string) =>
    texts.some(([from, data]) => from === at && String(data).endsWith(text));
  assert(holds(0, "captured") && holds(1, "recorded"));
  assert(!holds(1, "captured"), "what was captured is not made up as well");
});

needs(SEEING, "packetFile() says of what was captured that it was", async () => {
  if (!await seesAll()) return;
  const { lab, trace } = laboratory(true);
  await using server = lab.serve(async (conn) => void await readToEnd(conn));
  const wire = await lab.wire(server.addr);
  {
    using _client = await lab.dial(server.addr);
  }
  await server.idle();
  await wire.settled();
  const { bytes, summary } = packetFile("one", trace, lab.wires);
  await lab[Symbol.asyncDispose]();
  assertMatch(summary, /^\d+ packets captured$/);
  const { options, interfaces } = readPcapng(bytes);
  assertMatch(options.get(1)!, /^tcplab, one\. Captured on loopback/);
  assertEquals(interfaces.length, 1);
});

Deno.test("packetFile() is a file even of a lesson in which nothing went anywhere", () => {
  const { bytes, summary } = packetFile("none", new Trace(), []);
  const { packets, options } = readPcapng(bytes);
  assertEquals(packets, []);
  assertMatch(options.get(1)!, /^tcplab, none\. Synthesised/);
  assertEquals(summary, "0 packets synthesised from the calls, since nothing was captured");
});

Deno.test("whoIs() knows an end by its calls, a listener, and who dials in vain", () => {
  const conn = "127.0.0.1:5 127.0.0.1:6";
  const events: TraceEvent[] = [
    { kind: "listen", who: "server", at: 0, local: "127.0.0.1:5" },
    { kind: "listen", who: "anybody", at: 0, local: "0.0.0.0:7" },
    ...[{
      kind: "connect",
      who: "a",
      at: 1,
      remote: "127.0.0.1:5",
      local: "127.0.0.1:6",
      conn,
    }] as const,
    { kind: "accept", who: "worker", at: 2, remote: "127.0.0.1:6", conn },
    { kind: "connect", who: "b", at: 3, remote: "127.0.0.1:9" },
  ];
  const who = (local: string, peer: string) => whoIs(events, local, peer);
  assertEquals(who("127.0.0.1:6", "127.0.0.1:5"), "a");
  assertEquals(who("127.0.0.1:5", "127.0.0.1:6"), "worker");
  assertEquals(who("127.0.0.1:5", "127.0.0.1:8"), "server");
  assertEquals(who("127.0.0.2:7", "127.0.0.1:8"), "anybody");
  assertEquals(who("127.0.0.1:8", "127.0.0.1:9"), "b");
  assertEquals(who("127.0.0.1:8", "127.0.0.1:10"), "peer");
});

Deno.test("fits() wants what is named, and nothing else", () => {
  const states = { client: "TIME-WAIT", server: "CLOSED" } as const;
  assert(fits(states, {}));
  assert(fits(states, { server: "CLOSED" }));
  assert(fits(states, { client: ["FIN-WAIT-2", "TIME-WAIT"], server: "CLOSED" }));
  assert(!fits(states, { client: "CLOSED" }));
  assert(!fits(states, { nobody: "CLOSED" }));
});

Deno.test("segmentLabel() says who, what and how much", () => {
  const segment = {
    ...{ kind: "segment", at: 0, who: "client", to: "server", conn: "c", seq: 1, ack: 1 } as const,
  };
  assertEquals(
    segmentLabel({ ...segment, flags: ["PSH", "ACK"], length: 5 }),
    "client PSH-ACK 5 B",
  );
  assertEquals(segmentLabel({ ...segment, flags: ["FIN", "ACK"], length: 0 }), "client FIN-ACK");
});

Deno.test("Claims hold a check back until what it is about is drawn", () => {
  const claims = new Claims();
  const check: TraceEvent = { kind: "check", who: "", at: 0, text: "so", ok: true };
  const state: TraceEvent = { kind: "state", who: "a", at: 0, state: "CLOSED" };
  assertEquals(claims.hear(check), [check]);
  assertEquals([claims.hear(state), claims.hear(check)], [[], []]);
  assertEquals(claims.drawn(), [check]);
  assertEquals(claims.hear(check), [check]);
  claims.hear(state);
  claims.hear(check);
  const verdict: TraceEvent = {
    ...{ kind: "verdict", who: "", at: 1, text: "", ok: true, checks: 1, failed: 0, unseen: 0 },
  };
  assertEquals(claims.hear(verdict), [check], "the verdict waits for nothing");
});

Deno.test("isOptional() is every program that is not Deno, and nothing else", () => {
  assert(isOptional({ kind: "run", to: "ss" }));
  assert(!isOptional({ kind: "run", to: "deno" }));
  assert(!isOptional({ kind: "net", to: "127.0.0.1" }));
});
