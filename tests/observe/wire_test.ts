import { assert, assertEquals, assertRejects } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { segmentIn } from "../../lib/observe/_segment_in.ts";
import { flagsText, type Segment } from "../../lib/observe/segment.ts";
import { type Capture, capture, type CaptureOptions } from "../../lib/observe/wire.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { seededWorld } from "../../lib/world.ts";
import { needs } from "../_needs.ts";
import { onTheWire } from "./_on_the_wire.ts";
import { checksumsHold } from "./_pcapng.ts";
import { ask, STANDING_IN } from "./_tools.ts";

/** Captures for a test that may not go without. */
async function captured(options: CaptureOptions): Promise<Capture> {
  const wire = await capture(options);
  if (!wire.available) throw new Error(`No capture: ${wire.why}`);
  return wire;
}

const fins = (segments: readonly Segment[]) =>
  segments.filter(({ flags }) => flags.includes("FIN")).length;

for (const hostname of ["127.0.0.1", "::1"]) {
  onTheWire(`capture() sees a connection from SYN to the last ACK (${hostname})`, async () => {
    await using server = serveTcp({ hostname }, async (conn) => {
      await writeAll(conn, await readToEnd(conn));
    });
    const { port } = server.addr;
    await using wire = await captured({ ports: [port] });
    assertEquals(wire.segments, []);
    const began = Date.now();
    {
      using client = await dial(server.addr);
      await writeAll(client, new TextEncoder().encode("hello"));
      await client.closeWrite();
      await readToEnd(client);
    }
    const over = (segments: readonly Segment[]) =>
      fins(segments) === 2 && segments.at(-1)!.ack === 7;
    assert(await wire.until(over), wire.segments.map(flagsText).join());
    const { segments } = wire;
    const [syn, synAck, ack] = segments;
    assertEquals([syn, synAck, ack].map((it) => flagsText(it!)), ["SYN", "SYN-ACK", "ACK"]);
    assertEquals([syn!.seq, syn!.ack, synAck!.seq, synAck!.ack], [0, undefined, 0, 1]);
    assertEquals([syn!.to.port, synAck!.from.port], [port, port]);
    assertEquals([syn!.from.hostname, syn!.to.hostname], [hostname, hostname]);
    const data = (from: number) =>
      segments.filter((it) => it.from.port === from && it.length > 0)
        .map((it) => [it.seq, new TextDecoder().decode(it.data)]);
    assertEquals(data(syn!.from.port), [[1, "hello"]]);
    assertEquals(data(port), [[1, "hello"]]);
    const finSeqs = segments.filter(({ flags }) => flags.includes("FIN")).map((it) => it.seq);
    assertEquals(finSeqs, [6, 6]);
    // The clock of the capture is the system's, and goes on.
    assertEquals(segments.map(({ time }) => time), segments.map(({ time }) => time).sort());
    assert(syn!.time > began - 1000 && segments.at(-1)!.time < Date.now() + 1000);
  });
}

onTheWire(
  "capture() misses nothing from when it resolves, and nothing of other ports",
  async () => {
    await using server = serveTcp({}, (conn) => void conn.closeWrite());
    await using other = serveTcp({}, (conn) => void conn.closeWrite());
    for (let run = 0; run < 5; run++) {
      await using wire = await captured({ ports: [server.addr.port] });
      using _other = await dial(other.addr);
      using client = await dial(server.addr);
      const { port } = client.localAddr;
      assert(await wire.until((it) => it.some(({ from }) => from.port === server.addr.port)));
      assertEquals(flagsText(wire.segments[0]!), "SYN");
      const strangers = wire.segments.filter(({ from, to }) =>
        from.port !== port && to.port !== port
      );
      // Connections of the runs before may still say their last words.
      assertEquals(strangers.filter(({ flags }) => flags.includes("SYN")), []);
      const elsewhere = other.addr.port;
      assert(
        wire.segments.every(({ from, to }) => from.port !== elsewhere && to.port !== elsewhere),
      );
    }
  },
);

onTheWire("each way of a connection begins at a number of its own", async () => {
  await using server = serveTcp({}, (conn) => void conn.closeWrite());
  await using wire = await captured({ ports: [server.addr.port], keepPackets: true });
  using _first = await dial(server.addr);
  using _second = await dial(server.addr);
  const opens = ({ flags }: Segment) => flags.includes("SYN");
  assert(await wire.until((it) => it.filter(opens).length === 4));
  const numbers = wire.segments.flatMap((segment, at) =>
    opens(segment) ? [segmentIn(wire.packets[at]!, wire.linkType)!.seq] : []
  );
  assertEquals(new Set(numbers).size, 4);
});

onTheWire("over loopback nobody computes checksums of TCP", async () => {
  await using server = serveTcp({}, async (conn) => void await readToEnd(conn));
  await using wire = await captured({ ports: [server.addr.port], keepPackets: true });
  using client = await dial(server.addr);
  await writeAll(client, new TextEncoder().encode("hello"));
  assert(await wire.until((segments) => segments.some(({ length }) => length === 5)));
  assertEquals(wire.linkType, 1);
  const right = wire.packets.filter(({ bytes }) => checksumsHold(bytes.subarray(14)));
  assert(right.length < wire.packets.length);
});

onTheWire("capture() keeps as much of each packet as it is told, and counts the rest", async () => {
  await using server = serveTcp({}, async (conn) => void await readToEnd(conn));
  await using wire = await captured({ ports: [server.addr.port], snapLength: 100 });
  using client = await dial(server.addr);
  await writeAll(client, new Uint8Array(5000));
  await client.closeWrite();
  assert(await wire.until((it) => fins(it) > 0));
  const sent = wire.segments.filter(({ length }) => length > 0);
  assertEquals(sent.reduce((sum, { length }) => sum + length, 0), 5000);
  assert(sent.every(({ data }) => data.length <= 100));
  assertEquals(wire.packets, []);
});

onTheWire("capture() sees the segments of every port that it was told of", async () => {
  await using one = serveTcp({}, () => {});
  await using two = serveTcp({}, () => {});
  const ports = [one.addr.port, two.addr.port];
  await using wire = await captured({ ports });
  using _first = await dial(one.addr);
  using _second = await dial(two.addr);
  const dialed = (segments: readonly Segment[]) =>
    ports.every((port) => segments.some(({ from }) => from.port === port));
  assert(await wire.until(dialed));
});

onTheWire("capture() keeps the packets too, if it is told to, one for each segment", async () => {
  await using server = serveTcp({}, async (conn) => void await readToEnd(conn));
  await using wire = await captured({ ports: [server.addr.port], keepPackets: true });
  using client = await dial(server.addr);
  await client.closeWrite();
  assert(await wire.until((it) => fins(it) > 0));
  assertEquals(wire.packets.length, wire.segments.length);
  assertEquals(wire.packets.map(({ time }) => time), wire.segments.map(({ time }) => time));
  assert(wire.linkType >= 0);
});

onTheWire("until() says whether it was in time, and ends when its signal says so", async () => {
  await using server = serveTcp({}, () => {});
  const world = seededWorld(1);
  await using wire = await captured({ ports: [server.addr.port], world });
  assert(await wire.until((segments) => segments.length === 0));
  const waiting = wire.until((segments) => segments.length > 0, { timeout: 700 });
  await world.advance(699);
  assertEquals(world.sleepers, 1);
  await world.advance(1);
  assertEquals(await waiting, false);
  const reason = new Error("enough");
  const aborted = new AbortController();
  const ending = wire.until(() => false, { signal: aborted.signal });
  aborted.abort(reason);
  assert(await assertRejects(() => ending) === reason);
  const late = () => wire.until(() => true, { signal: AbortSignal.abort(reason) });
  assert(await assertRejects(late) === reason);
  // Nobody sleeps on when it is over.
  assertEquals(world.sleepers, 0);
  const boom = new Error("boom");
  const throwing = () => {
    throw boom;
  };
  assert(await assertRejects(() => wire.until(throwing)) === boom);
});

onTheWire("until() does not wait for what cannot come: a capture that is over", async () => {
  const wire = await captured({ ports: [1], world: seededWorld(1) });
  const waiting = wire.until(() => false);
  await wire[Symbol.asyncDispose]();
  assertEquals(await waiting, false);
  assertEquals(await wire.until(() => false), false);
  await wire[Symbol.asyncDispose]();
});

onTheWire("capture() says why it cannot look at an interface that is not there", async () => {
  const wire = await capture({ ports: [1], device: "nosuch0" });
  assert(!wire.available);
  assert(/^tcpdump: .*nosuch0.*No such device/i.test(wire.why), wire.why);
});

onTheWire("capture() ends with its signal's reason", async () => {
  const reason = new Error("enough");
  const early = () => capture({ ports: [1], signal: AbortSignal.abort(reason) });
  assert(await assertRejects(early) === reason);
  const aborted = new AbortController();
  const beginning = capture({ ports: [1], signal: aborted.signal });
  aborted.abort(reason);
  assert(await assertRejects(() => beginning) === reason);
  // Later it does nothing.
  const still = new AbortController();
  await using wire = await captured({ ports: [1], signal: still.signal });
  still.abort(reason);
  assert(await wire.until(() => true));
});

Deno.test("capture() refuses ports that are none", async () => {
  for (const ports of [[], [0], [80, 65_536], [1.5], [NaN]]) {
    await assertRejects(
      () => capture({ ports }),
      RangeError,
      `Cannot capture as 'ports' must be some of 1 to 65535: current value is [${ports}]`,
    );
  }
});

/** Says that it has begun, as tcpdump does. */
const BEGINS = "echo 'tcpdump: listening on lo, link-type EN10MB (Ethernet)' >&2";

needs(STANDING_IN, "capture() says why there is none, and never throws for that", async () => {
  const why = async (script: string) => {
    const { is } = await ask("capture", { tools: { tcpdump: script } }) as { is: unknown };
    return is;
  };
  const none = (why: string) => ({ available: false, why });
  assertEquals(await ask("capture"), { is: none("tcpdump is not installed") });
  assertEquals(await ask("capture", { tools: { tcpdump: BEGINS }, flags: ["--allow-net"] }), {
    is: none("--allow-run=tcpdump is missing"),
  });
  assertEquals(
    await why(
      "echo 'tcpdump: lo: You don'\"'\"'t have permission to perform this capture on that device' >&2\n" +
        "echo '(socket: Operation not permitted)' >&2\nexit 1",
    ),
    none("tcpdump: lo: You don't have permission to perform this capture on that device"),
  );
  assertEquals(await why("echo; echo 'no idea' >&2; exit 1"), none("tcpdump: no idea"));
  assertEquals(await why("exit 1"), none("tcpdump: it ended at once"));
  assertEquals(await ask("impatient", { tools: { tcpdump: "exec /bin/sleep 1000" } }), {
    is: none("tcpdump did not begin within 10 s"),
  });
});

needs(STANDING_IN, "until() says that what tcpdump prints is no capture", async () => {
  assertEquals(
    await ask("capture", { tools: { tcpdump: `${BEGINS}\necho 'What a fine day this is'` } }),
    {
      name: "CaptureFormatError",
      message: "Cannot read a capture as it does not begin as pcap does",
    },
  );
});

needs(STANDING_IN, "until() does not wait for a tcpdump that has died", async () => {
  assertEquals(await ask("capture", { tools: { tcpdump: BEGINS } }), {
    is: { seen: false, segments: [] },
  });
});
