#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=deno,node --allow-sys=loadavg
// deno-lint-ignore-file no-console
/**
 * Our echo beside a bare `Deno.listen` loop and Node's `net`, in one run.
 *
 * Each server is a process of its own; this process is the load, a closed loop:
 * a connection sends its next message when the last one is back whole. For each measure
 * the servers take turns, seconds apart and each time in another order, and what is
 * printed is the median of the rounds; that of a ratio is the median of the rounds'
 * ratios. On a shared machine only a ratio within one round means something.
 *
 * The load needs as much processor as the server. Where the two share few cores,
 * messages per second measure both, so messages per second of *server* CPU time
 * stand beside them.
 *
 * Usage: `deno task bench:echo [ROUNDS]`
 *
 * @module
 */

import Table from "cli-table3";
import { readExact, writeAll } from "../lib/stream/mod.ts";

const SECONDS = 2;
const CONNS = 64;
const IDLE_CONNS = 5000;

/** What one server did in one round: what is measured, and how often or how large. */
type Figures = Record<string, number>;

/** What a server used so far: seconds of CPU time, and bytes, all and V8's young generation. */
interface Used {
  cpu: number;
  rss: number;
  young: number;
}

/** A server in a process of its own. */
class Server implements AsyncDisposable {
  readonly port: number;
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;

  static async start(command: readonly [string, ...string[]]): Promise<Server> {
    const child = new Deno.Command(command[0], {
      args: command.slice(1),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const port = Number((await lines.read()).value);
    return new Server(child, lines, port);
  }

  private constructor(
    child: Deno.ChildProcess,
    lines: ReadableStreamDefaultReader<string>,
    port: number,
  ) {
    this.#child = child;
    this.#lines = lines;
    this.#stdin = child.stdin.getWriter();
    this.port = port;
  }

  async used(): Promise<Used> {
    await this.#stdin.write(new TextEncoder().encode("?\n"));
    return JSON.parse((await this.#lines.read()).value ?? "{}");
  }

  connect(): Promise<Deno.TcpConn> {
    return Deno.connect({ hostname: "127.0.0.1", port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#lines.cancel();
    await this.#stdin.abort().catch(() => {});
  }
}

const deno = (script: string) =>
  ["deno", "run", "--no-check", "--quiet", "--allow-net=127.0.0.1", script] as const;
const here = (file: string) => new URL(`echo/${file}`, import.meta.url).pathname;

const SERVERS: Record<string, readonly [string, ...string[]]> = {
  "tcplab": deno(here("tcplab.ts")),
  "bare Deno": deno(here("bare.ts")),
  "node:net": ["node", here("node.mjs")],
};

/** Messages of `size` bytes, back and forth on `CONNS` connections. */
async function messages(server: Server, size: number): Promise<Figures> {
  const message = new Uint8Array(size).fill(97);
  let count = 0;
  let stopped = false;
  const client = async () => {
    using conn = await server.connect();
    conn.setNoDelay(true);
    const back = new Uint8Array(size);
    while (!stopped) {
      await writeAll(conn, message);
      for (let n = 0; n < size;) n += await conn.read(back.subarray(n)) ?? size;
      count++;
    }
  };
  const clients = Array.from({ length: CONNS }, client);
  await pause(1);
  const [before, from, start] = [await server.used(), count, performance.now()];
  await pause(SECONDS);
  const [after, to, end] = [await server.used(), count, performance.now()];
  stopped = true;
  await Promise.all(clients);
  const name = size < 1024 ? `${size} B` : `${size / 1024} KiB`;
  return {
    [`${name}, messages/s`]: (to - from) / (end - start) * 1000,
    [`${name}, messages per CPU second`]: (to - from) / (after.cpu - before.cpu),
  };
}

/** Connect, one message there and back, close: one after another on 16 lanes. */
async function connections(server: Server): Promise<Figures> {
  let count = 0;
  let stopped = false;
  const lane = async () => {
    const message = new Uint8Array(64).fill(97);
    while (!stopped) {
      using conn = await server.connect();
      await writeAll(conn, message);
      await readExact(conn, message.length);
      count++;
    }
  };
  const lanes = Array.from({ length: 16 }, lane);
  await pause(1);
  const [before, from, start] = [await server.used(), count, performance.now()];
  await pause(SECONDS);
  const [after, to, end] = [await server.used(), count, performance.now()];
  stopped = true;
  await Promise.all(lanes);
  return {
    "connections/s": (to - from) / (end - start) * 1000,
    "connections per CPU second": (to - from) / (after.cpu - before.cpu),
  };
}

/**
 * What a connection costs that has spoken once and is idle now. Nothing is collected
 * before the readings: that shrinks V8's young generation, which then grows once more.
 * It does so in doublings up to some 50 MB and not with each connection, so the second
 * figure leaves it out: that is what one more connection costs a server that has many.
 */
async function idle(server: Server): Promise<Figures> {
  const conns: Deno.TcpConn[] = [];
  const open = async () => {
    const conn = await server.connect();
    conns.push(conn);
    await writeAll(conn, new Uint8Array(64));
    await readExact(conn, 64);
  };
  // What is compiled and set up for the first ones is not counted.
  for (let i = 0; i < 500; i++) await open();
  const before = await server.used();
  for (let i = 0; i < IDLE_CONNS; i++) await open();
  const after = await server.used();
  for (const conn of conns) conn.close();
  const each = (bytes: number) => bytes / IDLE_CONNS / 1024;
  const young = after.young - before.young;
  return {
    "KiB per idle connection": each(after.rss - before.rss),
    "… without V8's young generation": each(after.rss - before.rss - young),
  };
}

const MEASURES: readonly ((server: Server) => Promise<Figures>)[] = [
  (server) => messages(server, 64),
  (server) => messages(server, 4096),
  connections,
  idle,
];

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** The goal of a row, as a ratio to the bare loop and to Node, or as a bound. */
const GOALS: Record<string, { bare?: number; node?: number; most?: number }> = {
  "64 B, messages/s": { bare: 0.95, node: 1.2 },
  "4 KiB, messages/s": { bare: 0.95, node: 1.2 },
  "64 B, messages per CPU second": { bare: 0.95, node: 1.2 },
  "4 KiB, messages per CPU second": { bare: 0.95, node: 1.2 },
  "connections/s": { bare: 0.9 },
  "connections per CPU second": { bare: 0.9 },
  "KiB per idle connection": { most: 10 },
  "… without V8's young generation": {},
};

const rounds = Number(Deno.args[0] ?? 5);
const load = Deno.loadavg()[0]!.toFixed(1);
const names = Object.keys(SERVERS);
const figures = new Map<string, Figures[]>(names.map((name) => [name, []]));
for (let i = 0; i < rounds; i++) {
  for (const name of names) figures.get(name)!.push({});
  const order = names.map((_, at) => names[(at + i) % names.length]!);
  for (const [at, measure] of MEASURES.entries()) {
    console.error(`round ${i + 1} of ${rounds}, measure ${at + 1} of ${MEASURES.length}`);
    for (const name of order) {
      await using server = await Server.start(SERVERS[name]!);
      Object.assign(figures.get(name)![i]!, await measure(server));
    }
  }
}

/** The median over the rounds of one figure, or of its ratio to another server's in the same round. */
function figure(measure: string, name: string, by?: string): number {
  const mine = figures.get(name)!.map((figure) => figure[measure]!);
  if (by === undefined) return median(mine);
  const theirs = figures.get(by)!.map((figure) => figure[measure]!);
  return median(mine.map((value, i) => value / theirs[i]!));
}

const table = new Table({
  head: ["median of rounds", ...names, "÷ bare", "÷ Node", "goal"],
  style: { head: [], border: [] },
  colAligns: ["left", "right", "right", "right", "right", "right", "left"],
});
for (const [measure, goal] of Object.entries(GOALS)) {
  const digits = figure(measure, "bare Deno") < 100 ? 1 : 0;
  const byBare = figure(measure, "tcplab", "bare Deno");
  const byNode = figure(measure, "tcplab", "node:net");
  const { bare, node, most } = goal;
  const goals: [string, boolean][] = [];
  if (bare) goals.push([`≥ ${bare} × bare`, byBare >= bare]);
  if (node) goals.push([`≥ ${node} × Node`, byNode >= node]);
  if (most) goals.push([`≤ ${most}`, figure(measure, "tcplab") <= most]);
  table.push([
    measure,
    ...names.map((name) => figure(measure, name).toFixed(digits)),
    byBare.toFixed(2),
    byNode.toFixed(2),
    goals.map(([words, reached]) => `${words}: ${reached ? "reached" : "not reached"}`).join("\n"),
  ]);
}
console.log(`Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores`);
console.log(
  `${CONNS} connections, ${rounds} rounds of ${SECONDS} s; ${IDLE_CONNS} idle connections`,
);
console.log(`load average when it began: ${load}`);
console.log(table.toString());
