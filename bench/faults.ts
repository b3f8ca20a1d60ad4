#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=deno
// deno-lint-ignore-file no-console
/**
 * What a link without faults costs beside a plain relay, and how exact its faults are, in one run.
 *
 * Each proxy is a process of its own; client and server are in this one. The proxies take turns,
 * seconds apart and each time in another order; what is printed of two is the median of the
 * rounds' ratios, as on a shared machine only a ratio within one round means something.
 *
 * Usage: `deno task bench:faults [ROUNDS]`
 *
 * @module
 */

import Table from "cli-table3";
import { bandwidth, faultyLink, latency } from "../lib/faults/mod.ts";
import {
  dialResettable,
  listenResettable,
  readExact,
  readToEnd,
  relay,
  type ResettableConn,
  writeAll,
} from "../lib/stream/mod.ts";

const MEGABYTES = 96;
const PINGS = 2000;

/** Proxies by name: each listens and prints its port. */
const PROXIES: Record<string, (target: { hostname: string; port: number }) => Promise<void>> = {
  async "relay"(target) {
    const listener = await listenResettable();
    console.log(listener.addr.port);
    while (true) {
      const client = await listener.accept();
      dialResettable(target).then((server) => relay(client, server));
    }
  },
  async "link"(target) {
    const link = await faultyLink(target, { seed: 1 });
    console.log(link.addr.port);
  },
  async "link of Deno's connections"(target) {
    const link = await faultyLink(target, { seed: 1, resets: false });
    console.log(link.addr.port);
  },
  async "relay of Deno's connections"(target) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    console.log(listener.addr.port);
    while (true) {
      const client = await listener.accept();
      client.setNoDelay(true);
      Deno.connect(target).then((server) => {
        server.setNoDelay(true);
        return relay(client, server);
      });
    }
  },
};

interface Figures {
  /** Megabytes in a second. */
  readonly throughput: number;
  /** Microseconds there and back, the median. */
  readonly p50: number;
}

async function compare(rounds: number): Promise<void> {
  const { addr, stop } = servers();
  const names = Object.keys(PROXIES);
  const proxies = await Promise.all(names.map((name) => Proxy.start(name, addr.port)));
  const direct = { name: "direct", port: addr.port };
  const all = [direct, ...proxies];
  for (const { port } of all) await measure(port); // warm
  const seen = new Map<string, Figures[]>(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? all : [...all].reverse();
    for (const { name, port } of order) seen.get(name)!.push(await measure(port));
  }
  const table = new Table({
    head: [
      "proxy",
      "MB/s",
      "of relay's",
      "p50 there and back",
      "of relay's",
      "added p50 of relay's",
    ],
  });
  const base = seen.get("relay")!;
  const none = seen.get("direct")!;
  for (const [name, figures] of seen) {
    const ratio = (of: (f: Figures, i: number) => number) =>
      median(figures.map((f, i) => of(f, i) / of(base[i]!, i))).toFixed(2);
    table.push([
      name,
      Math.round(median(figures.map((f) => f.throughput))),
      ratio((f) => f.throughput),
      `${Math.round(median(figures.map((f) => f.p50)))} µs`,
      ratio((f) => f.p50),
      name === "direct" ? "" : ratio((f, i) => f.p50 - none[i]!.p50),
    ]);
  }
  console.log(
    `A proxy without faults: ${MEGABYTES} MB one way, ${PINGS} messages of 64 bytes one by one; ` +
      `medians of ${rounds} rounds.`,
  );
  console.log(table.toString());
  for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
  stop();
}

async function exactness(): Promise<void> {
  const { addr, stop } = servers();
  const table = new Table({ head: ["fault", "asked", "measured", "off by"] });
  for (const rate of [100, 1000, 20_000]) {
    await using link = await faultyLink(addr, { up: [bandwidth(rate)], seed: 1 });
    using conn = await dialResettable(link.addr);
    await writeAll(conn, Uint8Array.of(SINK));
    const bytes = rate * 3000; // 3 s
    const start = performance.now();
    await writeAll(conn, new Uint8Array(bytes - 1));
    await conn.closeWrite();
    await readToEnd(conn); // the server's FIN comes when it has all
    const measured = bytes / (performance.now() - start);
    const off = (measured / rate - 1) * 100;
    table.push(["bandwidth", `${rate} kB/s`, `${measured.toFixed(1)} kB/s`, `${off.toFixed(2)} %`]);
  }
  for (const ms of [5, 100]) {
    await using link = await faultyLink(addr, { up: [latency(ms)], seed: 1 });
    using conn = await dialResettable(link.addr);
    await writeAll(conn, Uint8Array.of(ECHO));
    await readExact(conn, 1);
    const { errors, timers } = await late(conn, ms, 1000);
    table.push(["latency", `${ms} ms`, `${(ms + median(errors)).toFixed(2)} ms`, spread(errors)]);
    // How late the machine itself is, at the same time: no timer can be better.
    table.push(["a bare timer", "2 ms", `${(2 + median(timers)).toFixed(2)} ms`, spread(timers)]);
  }
  console.log("\nFaults: bandwidth over 3 s, latency over 1000 messages, 2 ms apart.");
  console.log(table.toString());
  stop();
}

function spread(errors: readonly number[]): string {
  const sorted = [...errors].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.floor((sorted.length - 1) * part)]!.toFixed(2);
  return `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
}

/**
 * How many milliseconds later than asked each of `count` messages is back, and how much later
 * than asked the timers between them went off.
 */
async function late(conn: ResettableConn, ms: number, count: number) {
  const sent: number[] = [];
  const errors: number[] = [];
  const timers: number[] = [];
  const receive = async () => {
    for (let i = 0; i < count; i++) {
      await readExact(conn, 8);
      errors.push(performance.now() - sent[i]! - ms);
    }
  };
  const receiving = receive();
  for (let i = 0; i < count; i++) {
    sent.push(performance.now());
    await writeAll(conn, new Uint8Array(8));
    const slept = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 2));
    timers.push(performance.now() - slept - 2);
  }
  await receiving;
  return { errors, timers };
}

/** What the first byte of a connection asks for: to be counted, or to be sent back. */
const SINK = 0;
const ECHO = 1;

function servers() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (conn: Deno.TcpConn) => {
    conn.setNoDelay(true);
    const buffer = new Uint8Array(256 * 1024);
    const [what] = await readExact(conn, 1);
    if (what === ECHO) await writeAll(conn, Uint8Array.of(ECHO));
    for (let n; (n = await conn.read(buffer)) !== null;) {
      if (what === ECHO) await writeAll(conn, buffer.subarray(0, n));
    }
    await conn.closeWrite();
    conn.close();
  };
  const accept = async () => {
    while (true) serve(await listener.accept()).catch(() => {});
  };
  accept().catch(() => {});
  return { addr: listener.addr, stop: () => listener.close() };
}

async function measure(port: number): Promise<Figures> {
  const addr = { hostname: "127.0.0.1", port };
  const chunk = new Uint8Array(256 * 1024);
  const sink = await Deno.connect(addr);
  await writeAll(sink, Uint8Array.of(SINK));
  let start = performance.now();
  for (let sent = 0; sent < MEGABYTES * 1e6; sent += chunk.length) await writeAll(sink, chunk);
  await sink.closeWrite();
  await readToEnd(sink);
  const throughput = MEGABYTES * 1000 / (performance.now() - start);
  sink.close();

  using echo = await Deno.connect(addr);
  echo.setNoDelay(true);
  await writeAll(echo, Uint8Array.of(ECHO));
  await readExact(echo, 1);
  const message = new Uint8Array(64);
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    start = performance.now();
    await writeAll(echo, message);
    await readExact(echo, 64);
    times.push((performance.now() - start) * 1000);
  }
  return { throughput, p50: median(times) };
}

class Proxy implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly #child: Deno.ChildProcess;

  private constructor(name: string, port: number, child: Deno.ChildProcess) {
    this.name = name;
    this.port = port;
    this.#child = child;
  }

  static async start(name: string, target: number): Promise<Proxy> {
    const child = new Deno.Command("deno", {
      args: ["run", "--allow-net=127.0.0.1", import.meta.filename!, name, String(target)],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await lines.read();
    await lines.cancel();
    return new Proxy(name, Number(value), child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

const [name, port] = Deno.args;
if (name !== undefined && Object.hasOwn(PROXIES, name)) {
  await PROXIES[name]!({ hostname: "127.0.0.1", port: Number(port) });
} else {
  await compare(Number(name ?? 15));
  await exactness();
}
