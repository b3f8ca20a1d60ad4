import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { drawHistograms, rowEdges, TimeHistogram } from "../../cmd/_latency_histogram.ts";
import { warmUp } from "../../cmd/_latency_warm_up.ts";
import type { Io } from "../../cmd/_cli.ts";
import { main } from "../../cmd/latency.ts";
import { probeJson, probeLine, summaryJson, summaryText } from "../../cmd/_latency_report.ts";
import { formatAddr, tcpAddr } from "../../lib/addr.ts";
import { type LatencySample, LatencyStats } from "../../lib/client/latency_stats.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { needs } from "../_needs.ts";
import { fakeConnect } from "../client/_sockets.ts";
import { start } from "../_script.ts";

const STARTING = { run: ["deno"], read: true } as const;

/** Where nobody listens. */
function deserted(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return formatAddr(listener.addr as Deno.NetAddr);
}

needs(
  STARTING,
  "cmd/latency.ts tells each probe, sums up side by side, and ends with 1 if one was never reached",
  async () => {
    await using server = serveTcp({}, echo);
    const [well, gone] = [formatAddr(server.addr), deserted()];
    const often = ["--count", "2", "--interval", "1ms", "--send", "ping\\n"];
    await using latency = await start("latency", [well, gone, ...often]);
    const { code, stdout } = await latency.ended();
    const told = new TextDecoder().decode(stdout);
    assertEquals(code, 1);
    const time = "[\\d.]+ m?s";
    for (const number of [1, 2]) {
      assertMatch(told, new RegExp(`${well} *  #${number}  connect ${time}  first byte ${time}\n`));
      assertMatch(told, new RegExp(`${gone} *  #${number}  ✗ ${gone} refused: `));
    }
    assertMatch(told, new RegExp(`\n +${well} +${gone}\nprobes +2 +2\nlost +0 +2 \\(100 %\\)\n`));
    assertMatch(told, /\nlongest outage +– +\S+ m?s, not over\n/);
    assertMatch(told, /\nfirst byte min +\S+ ms +–\n(.*\n){4} +jitter +\S+ ms +–\n/);
    assertMatch(told, /\n *≤ \S+ [µm]?s +█.* [12]\n/);
    for (const line of told.split("\n")) assert([...line].length <= 80 || line.includes("✗"), line);
  },
);

needs(STARTING, "cmd/latency.ts --json says all of it", async () => {
  await using server = serveTcp({}, async () => {});
  const { port } = server.addr;
  const often = ["--count", "2", "--interval", "1ms", "--json"];
  await using latency = await start("latency", [`localhost:${port}`, ...often]);
  const { code, stdout } = await latency.ended();
  const [one, two, sum, ...rest] = new TextDecoder().decode(stdout).trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals([code, rest], [0, []]);
  assertEquals(Object.keys(one), ["target", "number", "ok", "address", "resolve", "connect"]);
  assertEquals(Object.keys(two), ["target", "number", "ok", "address", "connect"]);
  assertEquals([two.target, two.number, two.ok], [`localhost:${port}`, 2, true]);
  assertEquals([sum.sent, sum.answered, sum.loss, sum.connect.count], [2, 2, 0, 2]);
});

needs(STARTING, "cmd/latency.ts sums up at Ctrl-C", async () => {
  await using server = serveTcp({}, async () => {});
  await using latency = await start("latency", [formatAddr(server.addr), "--interval", "60s"]);
  await latency.printed(/ #1 /);
  latency.kill("SIGINT");
  const { code, stdout, stderr } = await latency.ended();
  assertEquals([code, stderr], [0, ""]);
  assertMatch(new TextDecoder().decode(stdout), /\nprobes +1\n/);
});

Deno.test("cmd/latency.ts begins with probes to itself, of which nobody hears", async () => {
  await using server = serveTcp({}, async () => {});
  const asked: number[] = [];
  using _connect = fakeConnect((connect, options) => {
    asked.push(options.port);
    return connect(options);
  });
  const printed: unknown[] = [];
  const print = (text: unknown) => Promise.resolve(void printed.push(text));
  const io = { print, interrupted: new AbortController().signal } as Partial<Io> as Io;
  await main([formatAddr(server.addr), "--count", "1", "--json"], io);
  const { port } = server.addr;
  assert(asked.length > 1 && asked.indexOf(port) === asked.length - 1, `${asked}, ${port}`);
  assertEquals(printed.length, 2); // the probe, and the summary
});

Deno.test({
  name: "cmd/latency.ts does without them where it may use its servers only",
  permissions: { net: ["127.0.0.1"] },
  fn: async () => {
    using connect = fakeConnect((connect, options) => connect(options));
    await warmUp();
    assertEquals(connect.calls, 0);
  },
});

needs(STARTING, "cmd/latency.ts says what is wrong, in one line", async () => {
  const wrong: [string[], string][] = [
    [[], "HOST:PORT"],
    [["127.0.0.1"], "an address such as"],
    [["127.0.0.1:1", "--interval", "0"], "--interval"],
    [["127.0.0.1:1", "--timeout", "5"], "--timeout"],
    [["127.0.0.1:1", "--count", "-1"], "--count"],
  ];
  for (const [args, says] of wrong) {
    await using latency = await start("latency", args);
    const { code, stderr } = await latency.ended();
    assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1]);
    assertStringIncludes(stderr, says);
  }
});

Deno.test("probeLine() says who answered if that was asked by name, and why nobody did", () => {
  const probe = { addr: tcpAddr("db", 1), number: 3, started: 0, ended: 9 };
  const answered = { ...probe, resolve: 1.5, connect: 12.34, remoteAddr: tcpAddr("::1", 1) };
  assertEquals(
    probeLine("db:1", answered, 6),
    "db:1    #3  resolve 1.50 ms  connect 12.3 ms  (::1)",
  );
  const error = new DOMException("too late", "TimeoutError");
  assertEquals(
    probeLine("db:1", { ...probe, error }, 4),
    "db:1  #3  ✗ db:1 did not answer in the time we gave it",
  );
  assertEquals(
    probeLine("db:1", { ...probe, connect: 12_345, error }, 4),
    "db:1  #3  connect 12.3 s  ✗ nothing came from db:1 in the time we gave it",
  );
});

Deno.test("probeJson() has microseconds, and the code of a failure", () => {
  const probe = { addr: tcpAddr("127.0.0.1", 1), number: 1, started: 0, ended: 9 };
  assertEquals(
    JSON.parse(probeJson("x", { ...probe, connect: 1.23456, error: new Error("no") })),
    {
      ...{ target: "x", number: 1, ok: false, connect: 1.235 },
      error: { what: "Error: no" },
    },
  );
});

/** A server of which these samples are known. */
function measured(name: string, ...samples: LatencySample[]) {
  const [stats, histogram] = [new LatencyStats(), new TimeHistogram()];
  for (const sample of samples) {
    stats.add(sample);
    if (sample.connect !== undefined) histogram.record(sample.connect);
  }
  return { name, summary: stats.summary(), histogram };
}

Deno.test("summaryText() puts the servers side by side, and draws how often which time was", () => {
  const lost = { started: 2_000, ended: 3_500, error: new Error("no") };
  const one = measured(
    "127.0.0.1:80",
    ...[0.3, 0.4, 0.4, 0.45, 0.7].map((connect) => ({ started: 0, ended: 1, connect })),
  );
  const other = measured("[::1]:80", { started: 0, ended: 20, connect: 20, resolve: 3 }, lost);
  assertEquals(summaryText([one, other], 80), SUMMARY);
  assertEquals(JSON.parse(summaryJson(other)), {
    ...{ target: "[::1]:80", sent: 2, answered: 1, loss: 0.5, longestOutage: 1500 },
    connect: { count: 1, min: 20, avg: 20, p50: 20, p95: 20, max: 20, jitter: 0 },
    resolve: { count: 1, min: 3, avg: 3, p50: 3, p95: 3, max: 3, jitter: 0 },
  });
});

const SUMMARY = `                        127.0.0.1:80           [::1]:80
probes                             5                  2
lost                               0           1 (50 %)
longest outage                     –  1500 ms, not over
resolve    min                     –            3.00 ms
           avg                     –            3.00 ms
           p50                     –            3.00 ms
           p95                     –            3.00 ms
           max                     –            3.00 ms
           jitter                  –            0.00 ms
connect    min               0.30 ms            20.0 ms
           avg               0.45 ms            20.0 ms
           p50               0.40 ms            20.0 ms
           p95               0.70 ms            20.0 ms
           max               0.70 ms            20.0 ms
           jitter            0.10 ms            0.00 ms

connect
          127.0.0.1:80                        [::1]:80
≤ 500 µs  ████████████████████████████████ 4
  ≤ 1 ms  ████████ 1
  ≤ 2 ms
  ≤ 5 ms
 ≤ 10 ms
 ≤ 20 ms                                      ████████ 1`;

Deno.test("summaryText() puts below what does not fit beside", () => {
  const all = ["a", "b", "c", "d"].map((name) => measured(`${name}.example.com:80`));
  const lines = summaryText(all, 60).split("\n");
  assertEquals(lines.filter((line) => line.startsWith("probes")).length, 2);
  for (const line of lines) assert(line.length <= 60, line);
});

Deno.test("drawHistograms() counts each time once, and keeps its width", () => {
  const times = fc.array(fc.double({ min: 0, max: 5e6, noNaN: true }), { maxLength: 30 });
  const all = fc.array(times, { minLength: 1, maxLength: 3 });
  fc.assert(fc.property(all, fc.integer({ min: 70, max: 200 }), (all, width) => {
    const histograms = all.map((times) => {
      const histogram = new TimeHistogram();
      for (const time of times) histogram.record(time);
      return histogram;
    });
    const edges = rowEdges(histograms);
    for (const [i, histogram] of histograms.entries()) {
      const counts = edges.slice(1).map((end, row) => histogram.between(edges[row]!, end));
      assertEquals(counts.reduce((sum, count) => sum + count, 0), all[i]!.length);
    }
    const named = new Map(histograms.map((one, i) => [`server${i}.example.com:80`, one]));
    const lines = drawHistograms(named, width);
    assertEquals(lines.length, Math.max(1, edges.length));
    for (const line of lines) assert([...line].length <= width, line);
    // The first row and the last have something in them.
    if (edges.length > 0) {
      for (const row of [lines[1]!, lines.at(-1)!]) assertMatch(row, /[█▏▎▍▌▋▊▉] \d/);
    }
  }));
});

Deno.test("TimeHistogram puts a time into the row that ends with it", () => {
  const histogram = new TimeHistogram();
  for (const time of [0, 0.5, 0.501, 1, 1.001]) histogram.record(time);
  assertEquals(histogram.between(0, 0.001), 1);
  assertEquals(histogram.between(0.2, 0.5), 1);
  assertEquals(histogram.between(0.5, 1), 2);
  assertEquals(histogram.between(1, 2), 1);
});
