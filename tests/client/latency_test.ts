import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import type { Resolve } from "../../lib/client/eyeballs.ts";
import {
  type LatencyProbe,
  measureLatency,
  type MeasureLatencyOptions,
} from "../../lib/client/latency.ts";
import { type LatencySample, LatencyStats } from "../../lib/client/latency_stats.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { type SeededWorld, seededWorld } from "../../lib/world.ts";
import { addrOf, asleep, deserted, fakeConnect, listen } from "./_sockets.ts";

/** Collects the probes of a series, and moves its world on until it is over. */
async function series(
  addr: string | { hostname: string; port: number },
  world: SeededWorld,
  options: MeasureLatencyOptions,
  step = 10,
): Promise<LatencyProbe[]> {
  let over = false;
  const probes = Array.fromAsync(measureLatency(addr, { world, ...options }))
    .finally(() => over = true);
  while (!over) await world.advance(step);
  return await probes;
}

/** Hands out connections that are there already: what waits for a kernel is on no other clock. */
async function connected(
  addr: TcpAddr,
  count: number,
  before = () => Promise.resolve(),
): Promise<Disposable> {
  const conns = await Promise.all(Array.from({ length: count }, () => Deno.connect(addr)));
  return fakeConnect(async () => {
    await before();
    return conns.shift()!;
  });
}

Deno.test("measureLatency() probes at its interval, and times each handshake", async () => {
  await using server = serveTcp({}, async () => {});
  const world = seededWorld(1);
  const delays = [3, 4, 5];
  using _connect = await connected(server.addr, 3, () => world.sleep(delays.shift()!));
  const probes = await series(server.addr, world, { count: 3, interval: 500 });
  assertEquals(
    probes.map(({ number, started, ended, connect }) => [number, started, ended, connect]),
    [[1, 0, 3, 3], [2, 500, 504, 4], [3, 1000, 1005, 5]],
  );
  for (const { addr, remoteAddr, resolve, firstByte, ...rest } of probes) {
    assertEquals([addr, remoteAddr], [server.addr, server.addr]);
    assertEquals([resolve, firstByte, "error" in rest], [undefined, undefined, false]);
  }
});

Deno.test("measureLatency() does not start a probe before the last one is over", async () => {
  const world = seededWorld(1);
  using _connect = fakeConnect(async () => {
    await world.sleep(70);
    throw new Error("down");
  });
  const probes = await series("192.0.2.1:1", world, { count: 3, interval: 50 });
  assertEquals(probes.map(({ started }) => started), [0, 70, 140]);
});

Deno.test("measureLatency() tells failures with their own error, and goes on", async () => {
  const world = seededWorld(1);
  using _connect = fakeConnect(async (_, { signal }) => {
    if (world.now() >= 1_000) await world.sleep(Infinity, { signal });
    throw new Deno.errors.ConnectionRefused("no");
  });
  const [refused, late] = await series("192.0.2.1:1", world, { count: 2, timeout: 300 });
  assertInstanceOf(refused?.error, Deno.errors.ConnectionRefused);
  assertEquals((late?.error as Error).name, "TimeoutError");
  assertEquals([late?.started, late?.ended, late?.connect], [1_000, 1_300, undefined]);
});

Deno.test("measureLatency() resolves a name once, and anew after so many failures", async () => {
  using listener = listen();
  const { port } = listener.addr;
  const world = seededWorld(1);
  let asked = 0;
  const resolve: Resolve = async (_, family) => {
    if (family === 6) return [];
    asked++;
    await world.sleep(7);
    return ["127.0.0.1"];
  };
  let calls = 0;
  using _connect = fakeConnect(async (connect, options) => {
    calls++;
    if (calls >= 3 && calls <= 7) throw new Error("down");
    return await connect(options);
  });
  const serving = serveAll(listener);
  const options = { count: 9, interval: 10, resolve, resolveAfter: 2 };
  const probes = await series(`h:${port}`, world, options);
  // It works, works, fails five times and works; after every second failure it asks anew.
  assertEquals(probes.map(({ resolve }) => resolve ?? "-"), [7, "-", "-", "-", 7, 7, 7, 7, "-"]);
  assertEquals(probes.map((probe) => "error" in probe ? "x" : "."), [..."..xxxxx.."]);
  assertEquals(asked, 5);
  assertEquals(probes[0]?.addr, tcpAddr("h", port));
  assertEquals(probes[0]?.remoteAddr, addrOf(listener));
  listener.close();
  await serving;
});

Deno.test("measureLatency() gives a probe two seconds, and asks anew after three failures", async () => {
  await using server = serveTcp({}, async () => {});
  const conn = await Deno.connect(server.addr); // there already, as the kernel has its own clock
  const world = seededWorld(1);
  let asked = 0;
  const resolve: Resolve = (_, family) => {
    if (family === 6) return Promise.resolve([]);
    asked++;
    return Promise.resolve(["127.0.0.1"]);
  };
  const before: number[] = [];
  using _connect = fakeConnect((_, options) => {
    before.push(asked);
    if (before.length === 1) return Promise.resolve(conn);
    const { promise, reject } = Promise.withResolvers<Deno.TcpConn>();
    options.signal!.addEventListener("abort", () => reject(options.signal!.reason));
    return promise;
  });
  const probes = await series("h:1", world, { count: 6, resolve }, 500);
  assertEquals(probes.slice(1).map(({ started, ended }) => ended - started), [
    ...[2_000, 2_000, 2_000, 2_000, 2_000],
  ]);
  assertEquals(before, [1, 1, 1, 1, 2, 3]);
});

Deno.test({
  name: "measureLatency() that is allowed the name only keeps to it",
  permissions: { net: ["localhost"] },
  fn: async () => {
    await using server = serveTcp({ hostname: "localhost" }, async () => {});
    const { port } = server.addr;
    const probes = await Array.fromAsync(
      measureLatency(`localhost:${port}`, { count: 2, interval: 0 }),
    );
    assertEquals(probes.map(({ error, resolve }) => [error, resolve]), [
      [undefined, undefined],
      [undefined, undefined],
    ]);
  },
});

Deno.test("measureLatency() times the first byte of a server that speaks first", async () => {
  const world = seededWorld(1);
  await using server = serveTcp({}, async (conn) => {
    await world.sleep(20);
    await writeAll(conn, new TextEncoder().encode("220 hello"));
  });
  using _connect = await connected(server.addr, 1);
  await asleep(world, 1);
  const probing = Array.fromAsync(
    measureLatency(server.addr, { world, count: 1, firstByte: true }),
  );
  await world.advance(20);
  const [probe] = await probing;
  assertEquals([probe?.connect, probe?.firstByte, probe?.ended], [0, 20, 20]);
});

Deno.test("measureLatency() times the first byte of an answer", async () => {
  await using server = serveTcp({}, echo);
  const ask = new TextEncoder().encode("ping\n");
  const probes = await Array.fromAsync(
    measureLatency(server.addr, { count: 2, interval: 0, firstByte: ask }),
  );
  for (const { connect, firstByte, error } of probes) {
    assertEquals(error, undefined);
    assert(connect! > 0 && firstByte! > 0);
  }
});

Deno.test("measureLatency() calls a probe lost that gets no byte, although it connected", async () => {
  const world = seededWorld(1);
  await using mute = serveTcp({}, async (conn) => void await readToEnd(conn));
  {
    using _connect = await connected(mute.addr, 1);
    const [late] = await series(mute.addr, world, { count: 1, firstByte: true, timeout: 50 });
    assertEquals([late?.connect, (late?.error as Error).name], [0, "TimeoutError"]);
  }
  await using curt = serveTcp({}, async () => {});
  const [ended] = await Array.fromAsync(
    measureLatency(curt.addr, { world, count: 1, firstByte: true }),
  );
  assertInstanceOf(ended?.error, Deno.errors.UnexpectedEof);
});

Deno.test("measureLatency() ends each probe with FIN, and hears the peer out", async () => {
  const heard: (number | null)[] = [];
  await using server = serveTcp({}, async (conn) => {
    heard.push(await conn.read(new Uint8Array(9)));
    await writeAll(conn, new Uint8Array(9)); // unread, it would be answered by RST
    heard.push(await conn.read(new Uint8Array(9)));
  });
  await Array.fromAsync(measureLatency(server.addr, { count: 2, interval: 0 }));
  await server.shutdown();
  assertEquals(heard, [null, null, null, null]);
});

Deno.test("measureLatency() waits for its connections to be closed, but not for ever", async () => {
  using listener = listen(); // nobody accepts, so nobody says FIN
  const world = seededWorld(1);
  using _connect = await connected(listener.addr, 2);
  let over = false;
  const probing = Array.fromAsync(
    measureLatency(listener.addr, { world, count: 2, interval: 100 }),
  ).finally(() => over = true);
  await world.advance(1_099);
  assertEquals(over, false);
  await world.advance(1); // a second after the last one
  await probing;
});

Deno.test("measureLatency() ends without a word when it is aborted", async () => {
  const world = seededWorld(1);
  for (const phase of ["dial", "wait"]) {
    const cut = new AbortController();
    const start = world.now();
    using _connect = fakeConnect(async (_, { signal }) => {
      if (phase === "dial" && world.now() > start) await world.sleep(Infinity, { signal });
      throw new Error("down");
    });
    void world.sleep(phase === "dial" ? 1_100 : 900).then(() => cut.abort());
    const probes = await series("192.0.2.1:1", world, { signal: cut.signal });
    assertEquals(probes.length, 1);
  }
  assertEquals(await series(deserted(), world, { signal: AbortSignal.abort() }), []);
});

Deno.test("measureLatency() refuses what cannot be, before anything is opened", () => {
  const refused: [MeasureLatencyOptions, string][] = [
    [{ count: 0 }, "'count' must be an integer >= 1, or Infinity: current value is 0"],
    [{ count: 1.5 }, "'count' must be an integer >= 1, or Infinity: current value is 1.5"],
    [{ interval: -1 }, "'interval' must be >= 0: current value is -1"],
    [{ timeout: 0 }, "'timeout' must be > 0: current value is 0"],
    [{ resolveAfter: 0 }, "'resolveAfter' must be an integer >= 1, or Infinity"],
  ];
  for (const [options, says] of refused) {
    const measure = () => measureLatency("h:1", options);
    assertThrows(measure, RangeError, `Cannot measure latency as ${says}`);
  }
  assertThrows(() => measureLatency("h:0"), RangeError, "'port'");
});

/** A probe that took `connect`, or failed. */
function sample(started: number, ended: number, connect?: number): LatencySample {
  return connect === undefined
    ? { started, ended, error: new Error("lost") }
    : { started, ended, connect };
}

Deno.test("LatencyStats without a probe says nothing, and has lost nothing", () => {
  assertEquals(new LatencyStats().summary(), { sent: 0, answered: 0, loss: 0 });
});

Deno.test("LatencyStats takes its percentiles from what was measured", () => {
  const stats = new LatencyStats();
  // 100, 99, … 1: not in order.
  for (let time = 100; time > 0; time--) stats.add(sample(0, 0, time));
  const { connect } = stats.summary();
  assertEquals(connect, { count: 100, min: 1, avg: 50.5, p50: 50, p95: 95, max: 100, jitter: 1 });
  const one = new LatencyStats();
  one.add(sample(0, 3, 3));
  const spread = { count: 1, min: 3, avg: 3, p50: 3, p95: 3, max: 3, jitter: 0 };
  assertEquals(one.summary().connect, spread);
});

Deno.test("LatencyStats.jitter is the mean difference of neighbours, lost ones left out", () => {
  const stats = new LatencyStats();
  for (const [i, time] of [10, 13, undefined, 12, 20].entries()) stats.add(sample(i, i, time));
  assertEquals(stats.summary().connect?.jitter, (3 + 1 + 8) / 3);
});

Deno.test("LatencyStats.longestOutage lasts from the first failure to the next success", () => {
  const stats = new LatencyStats();
  const outage = () => stats.summary().longestOutage;
  stats.add(sample(0, 1, 1));
  assertEquals(outage(), undefined);
  stats.add(sample(10, 20));
  assertEquals(outage(), { started: 10, ended: 20, probes: 1, over: false });
  stats.add(sample(30, 40));
  assertEquals(outage(), { started: 10, ended: 40, probes: 2, over: false });
  stats.add(sample(50, 51, 1));
  const first = { started: 10, ended: 51, probes: 2, over: true };
  assertEquals(outage(), first);
  stats.add(sample(60, 90));
  assertEquals(outage(), first); // 30 are less than 41
  stats.add(sample(91, 102));
  assertEquals(outage(), { started: 60, ended: 102, probes: 2, over: false });
});

Deno.test("LatencyStats.longestOutage is the first of equals", () => {
  const stats = new LatencyStats();
  for (const at of [0, 100]) {
    stats.add(sample(at, at + 10));
    stats.add(sample(at + 20, at + 21, 1));
  }
  assertEquals(stats.summary().longestOutage?.started, 0);
});

Deno.test("LatencyStats agrees with counting by hand, whatever comes", () => {
  const times = fc.array(fc.option(fc.double({ min: 0, max: 1e4, noNaN: true })), {
    maxLength: 40,
  });
  fc.assert(fc.property(times, (some) => {
    const times = [...some, 1]; // the last outage is over too
    const stats = new LatencyStats();
    for (const [i, time] of times.entries()) stats.add(sample(i, i + 0.5, time ?? undefined));
    const { sent, answered, loss, connect, longestOutage } = stats.summary();
    const good = times.filter((time) => time !== null);
    assertEquals([sent, answered], [times.length, good.length]);
    assertEquals(Math.round(loss * sent), sent - answered);
    assertEquals(connect?.count ?? 0, good.length);
    if (connect !== undefined) {
      const { min, avg, p50, p95, max } = connect;
      assertEquals([min, max], [Math.min(...good), Math.max(...good)]);
      assert(min <= p50 && p50 <= p95 && p95 <= max);
      assert(avg >= min - 1e-6 && avg <= max + 1e-6);
      for (const [share, value] of [[0.5, p50], [0.95, p95]] as const) {
        assert(good.includes(value));
        assert(good.filter((time) => time <= value).length >= share * good.length);
        assert(good.filter((time) => time < value).length < share * good.length);
      }
    }
    // In equal steps, the longest is the one with the most probes.
    const runs = times.map((time) => time === null ? "x" : ".").join("").split(".");
    assertEquals(longestOutage?.probes ?? 0, Math.max(0, ...runs.map((run) => run.length)));
  }));
});

/** Accepts and closes, until the listener is closed. */
async function serveAll(listener: Deno.TcpListener): Promise<void> {
  for (;;) {
    try {
      (await listener.accept()).close();
    } catch {
      return;
    }
  }
}
