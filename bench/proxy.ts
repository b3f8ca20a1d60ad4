#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run --allow-read --allow-write --allow-sys=loadavg
// deno-lint-ignore-file no-console
/**
 * Our proxy beside nginx (stream), HAProxy, socat and two pipes in Node, in one run.
 *
 * Behind each is the same `redis-server`, or the same `iperf3`; the load is `redis-benchmark` and
 * `iperf3`. All share the machine's cores. The proxies take turns, each round in another order;
 * printed are medians of the rounds, and of the rounds' ratios.
 *
 * Usage: `deno task bench:proxy [ROUNDS [SECONDS]]`
 *
 * @module
 */

import Table from "cli-table3";
import { dial } from "../lib/client/dial.ts";

const [ROUNDS = 3, SECONDS = 1] = Deno.args.map(Number);
const CONNS = 64;
const WORKERS = navigator.hardwareConcurrency;

/** A program that runs until it is disposed. */
class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly port: number;

  constructor(port: number, command: string, args: readonly string[]) {
    this.port = port;
    this.#child = new Deno.Command(command, {
      args: [...args],
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async ready(): Promise<this> {
    const { port } = this;
    const over = new AbortController();
    this.#child.status.then(() => over.abort(new Error(`what should be on ${port} has ended`)));
    using _conn = await dial({ hostname: "127.0.0.1", port }, {
      attempts: 300,
      backoff: 20,
      maxBackoff: 20,
      signal: over.signal,
    });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#child.status;
  }
}

/** Ports that nobody has; the programs cannot choose one and say which. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Starts a proxy from a port to another one. */
type Start = (port: number, to: number) => Promise<readonly [string, readonly string[]]>;

const folder = await Deno.makeTempDir({ prefix: "tcplab-" });

async function configured(name: string, text: string): Promise<string> {
  const file = `${folder}/${name}`;
  await Deno.writeTextFile(file, text);
  return file;
}

const script = new URL("../cmd/proxy.ts", import.meta.url).href;

/** As its users run it: by the flags on its first line. */
const [first = ""] = (await Deno.readTextFile(new URL(script))).split("\n");
const firstLine = first.split(" ").filter((word) => word.startsWith("--"));

const ours = (workers: number): Start => (port, to) => {
  const flags = [...firstLine, ...workers > 1 ? ["--allow-run=deno"] : []];
  const args = ["--listen", `${port}`, "--to", `127.0.0.1:${to}`, "--quiet"];
  return Promise.resolve([
    "deno",
    ["run", "--quiet", "--no-prompt", ...flags, script, ...args, "--workers", `${workers}`],
  ]);
};

const PROXIES: Record<string, Start> = {
  [`tcplab × ${WORKERS}`]: ours(WORKERS),
  "tcplab × 1": ours(1),
  nginx: async (port, to) => {
    const config = await configured(
      `nginx-${port}.conf`,
      `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
       daemon off; worker_processes ${WORKERS}; worker_rlimit_nofile 20000;
       pid ${folder}/nginx-${port}.pid; error_log /dev/null;
       events { worker_connections 8000; }
       stream { server { listen 127.0.0.1:${port} reuseport; proxy_pass 127.0.0.1:${to}; } }`,
    );
    return ["nginx", ["-e", "/dev/null", "-c", config]];
  },
  haproxy: async (port, to) => {
    const config = await configured(
      `haproxy-${port}.cfg`,
      `global
  maxconn 8000
  nbthread ${WORKERS}
defaults
  mode tcp
  maxconn 8000
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen l
  bind 127.0.0.1:${port}
  server s 127.0.0.1:${to}
`,
    );
    return ["haproxy", ["-db", "-f", config]];
  },
  socat: (port, to) =>
    Promise.resolve([
      "socat",
      [
        `TCP-LISTEN:${port},bind=127.0.0.1,fork,backlog=4096,nodelay`,
        `TCP:127.0.0.1:${to},nodelay`,
      ],
    ]),
  "Node pipe": (port, to) =>
    Promise.resolve([
      "node",
      [new URL("./proxy/node.mjs", import.meta.url).pathname, `${port}`, `${to}`],
    ]),
};

/** What a program prints; it has so many seconds for it. */
async function output(seconds: number, command: string, args: readonly string[]): Promise<string> {
  const { stdout, code } = await new Deno.Command("timeout", {
    args: [`${seconds}`, command, ...args],
    stderr: "null",
  }).output();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return new TextDecoder().decode(stdout);
}

/** Requests per second, the mean of all that were asked for. */
async function redis(port: number, count: number, args: readonly string[]): Promise<number> {
  const base = ["-h", "127.0.0.1", "-p", `${port}`, "-n", `${count}`, "-c", `${CONNS}`, "--csv"];
  const report = await output(SECONDS * 20, "redis-benchmark", [...base, ...args]);
  const rates = [...report.matchAll(/^"(?:SET|GET|PING_INLINE)[^"]*","([\d.]+)"/gm)].map((
    [, rate],
  ) => Number(rate));
  return rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
}

/** So many connections that a program which compiles as it runs has done so; or for five seconds. */
async function warmUp(port: number): Promise<void> {
  const args = ["-t", "ping_inline", "-k", "0"];
  const rate = await redis(port, 400, args);
  await redis(port, Math.min(4000, Math.ceil(rate * 5)), args);
}

/** Connections per second; one that forks for each is asked for as many as it makes in 10 s. */
async function connections(port: number): Promise<number> {
  const args = ["-t", "ping_inline", "-k", "0"];
  const rate = await redis(port, 400, args);
  return await redis(port, Math.min(SECONDS * 5000, Math.ceil(rate * 10)), args);
}

/** Gb/s, the mean of both directions. */
async function iperf(port: number): Promise<number> {
  let sum = 0;
  for (const direction of [[], ["-R"]]) {
    const args = ["-c", "127.0.0.1", "-p", `${port}`, "-t", `${SECONDS}`, "-J", ...direction];
    const report = JSON.parse(await output(SECONDS + 10, "iperf3", args));
    sum += report.end.sum_received.bits_per_second / 1e9;
  }
  return sum / 2;
}

/** A measure, what it wants of the server, and the goal: our ratio to others. */
interface Measure {
  name: string;
  server: "redis" | "iperf";
  digits: number;
  run: (port: number) => Promise<number>;
  goals: Record<string, number>;
}

const MEASURES: readonly Measure[] = [
  {
    name: "iperf3, Gb/s",
    server: "iperf",
    digits: 1,
    run: iperf,
    goals: { nginx: 1.1, haproxy: 1.2, socat: 2, "Node pipe": 2 },
  },
  {
    name: "64 B, requests/s",
    server: "redis",
    digits: 0,
    run: (port) => redis(port, SECONDS * 40_000, ["-t", "set,get", "-d", "64"]),
    goals: { nginx: 1, haproxy: 0.8, socat: 2, "Node pipe": 2 },
  },
  {
    name: "4 KiB, requests/s",
    server: "redis",
    digits: 0,
    run: (port) => redis(port, SECONDS * 30_000, ["-t", "set,get", "-d", "4096"]),
    goals: { nginx: 1, haproxy: 0.8, socat: 2, "Node pipe": 2 },
  },
  {
    name: "connections/s",
    server: "redis",
    digits: 0,
    run: connections,
    goals: { haproxy: 0.7, socat: 2, "Node pipe": 2 },
  },
];

const median = (of: number[]) => of.toSorted((a, b) => a - b)[of.length >> 1]!;

const names = Object.keys(PROXIES);
const figures = new Map<string, number[]>();
const key = (measure: string, proxy: string) => `${measure}/${proxy}`;

console.log(`Deno ${Deno.version.deno}, ${WORKERS} cores, ${CONNS} connections`);
console.log(`${ROUNDS} rounds, load average when it began: ${Deno.loadavg()[0]!.toFixed(1)}`);
{
  const redisPort = freePort();
  const iperfPort = freePort();
  await using _redis = await new Running(redisPort, "redis-server", [
    ...["--bind", "127.0.0.1", "--port", `${redisPort}`, "--save", "", "--appendonly", "no"],
    ...["--dir", folder, "--tcp-backlog", "4096", "--maxclients", "8000"],
  ]).ready();
  const behind = { redis: redisPort, iperf: iperfPort };
  // Each measure has the proxies to itself, but for those that wait.
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, server, run } of MEASURES) {
      await using stack = new AsyncDisposableStack();
      if (server === "iperf") {
        const args = ["-s", "-B", "127.0.0.1", "-p", `${iperfPort}`];
        stack.use(new Running(iperfPort, "iperf3", args));
      }
      const order = names.map((_, i) => names[(i + round) % names.length]!);
      for (const proxy of order) {
        const port = freePort();
        const [command, args] = await PROXIES[proxy]!(port, behind[server]);
        await using running = await new Running(port, command, args).ready();
        if (server === "redis") await warmUp(port);
        // iperf3 serves one at a time, and is not done yet with our look whether it is there.
        for (let attempt = 1;; attempt++) {
          try {
            const value = await run(running.port);
            figures.set(key(name, proxy), [...figures.get(key(name, proxy)) ?? [], value]);
            break;
          } catch (error) {
            if (attempt === 5) {
              console.log(`${proxy}, ${name}: ${(error as Error).message}`);
              figures.set(key(name, proxy), [...figures.get(key(name, proxy)) ?? [], NaN]);
              break;
            }
          }
        }
      }
    }
  }
}
await Deno.remove(folder, { recursive: true });

const table = new Table({ head: ["median of rounds", ...names, "goals"], style: { head: [] } });
for (const { name, digits, goals } of MEASURES) {
  const all = names.map((proxy) => figures.get(key(name, proxy))!);
  const [own] = all;
  const verdicts = Object.entries(goals).map(([proxy, goal]) => {
    const theirs = figures.get(key(name, proxy))!;
    const ratio = median(own!.map((value, round) => value / theirs[round]!));
    const reached = ratio >= goal ? "reached" : "not reached";
    return `${ratio.toFixed(2)} × ${proxy}, ≥ ${goal}: ${reached}`;
  });
  table.push([name, ...all.map((values) => median(values).toFixed(digits)), verdicts.join("\n")]);
}
console.log(String(table));
