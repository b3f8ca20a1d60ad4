#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run --allow-read --allow-write
// deno-lint-ignore-file no-console
/**
 * `send` and `receive` beside socat and ncat, with one file, in one run: how fast, and how much
 * memory each end takes at most.
 *
 * Ours hash the file at both ends, and have it on the disk before it gets its name; the others do
 * neither, so they stand beside `sha256sum` as well, which is what the hashing costs by itself.
 * They take turns, each round in another order; printed are medians of the rounds, and of the
 * rounds' ratios. Besides them it needs `ss`, and `python3`, which
 * tells how much memory a program took.
 *
 * Usage: `deno task bench:transfer [ROUNDS [MIB]]`
 *
 * @module
 */

import Table from "cli-table3";

const [ROUNDS = 3, MIB = 2048] = Deno.args.map(Number);

const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
const source = `${folder}/source`;
const target = `${folder}/target`;

/** What one end took. */
interface Took {
  code: number;
  /** The most memory it had at once, in KiB. */
  peak: number;
}

const MEASURE = `
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
`;

async function run(command: readonly string[]): Promise<Took> {
  const { stdout } = await new Deno.Command("python3", {
    args: ["-c", MEASURE, ...command],
    stdin: "null",
  }).output();
  const [code = NaN, peak = NaN] = new TextDecoder().decode(stdout).split(" ").map(Number);
  return { code, peak };
}

/** A receiver that listens on `port`, and a sender to it. */
type Ends = (port: string) => readonly [receiver: readonly string[], sender: readonly string[]];

const ours = (...how: string[]): Ends => (port) => {
  const script = (name: string, ...flags: string[]) => {
    const path = new URL(`../cmd/${name}.ts`, import.meta.url).pathname;
    return [Deno.execPath(), "run", "--quiet", "--no-prompt", ...flags, path];
  };
  const net = "--allow-net=127.0.0.1";
  const halfClose = how.filter((flag) => flag === "--half-close");
  return [
    [
      ...script("receive", net, "--allow-read", "--allow-write"),
      ...["--port", port, "--output", target, ...halfClose],
    ],
    [...script("send", net, "--allow-read"), source, `127.0.0.1:${port}`, ...how],
  ];
};

const ENTRIES: Record<string, Ends> = {
  "send --extended": ours("--extended"),
  "send": ours(),
  "send --half-close": ours("--half-close"),
  "socat": (port) => [
    ["socat", "-u", `TCP-LISTEN:${port},reuseaddr,bind=127.0.0.1`, `CREATE:${target}`],
    ["socat", "-u", `FILE:${source}`, `TCP:127.0.0.1:${port}`],
  ],
  "socat, buffers of 256 KiB": (port) => [
    [
      ...["socat", "-b262144", "-u"],
      ...[`TCP-LISTEN:${port},reuseaddr,bind=127.0.0.1`, `CREATE:${target}`],
    ],
    ["socat", "-b262144", "-u", `FILE:${source}`, `TCP:127.0.0.1:${port}`],
  ],
  "ncat": (port) => [
    ["bash", "-c", `exec ncat --recv-only -l 127.0.0.1 ${port} > ${target}`],
    ["bash", "-c", `exec ncat --send-only 127.0.0.1 ${port} < ${source}`],
  ],
};

/** Ports that nobody has; the programs cannot choose one and say which. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Waits until somebody listens, by `ss`: to connect would be to be the one who sends. */
async function listening(port: number): Promise<void> {
  while (true) {
    const { stdout } = await new Deno.Command("ss", {
      args: ["-Hltn", `sport = :${port}`],
    }).output();
    if (stdout.length > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function transfer(ends: Ends): Promise<{ seconds: number; peaks: [number, number] }> {
  await Deno.remove(target).catch(() => {});
  const port = freePort();
  const [receiver, sender] = ends(String(port));
  const received = run(receiver);
  await listening(port);
  const start = performance.now();
  const both = await Promise.all([run(sender), received]);
  const seconds = (performance.now() - start) / 1000;
  const { size } = await Deno.stat(target);
  if (size !== MIB * 2 ** 20 || both.some(({ code }) => code !== 0)) {
    throw new Error(`${sender[0]}: ${size} bytes, exit codes ${both.map(({ code }) => code)}`);
  }
  return { seconds, peaks: [both[0].peak, both[1].peak] };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function writeSource(): Promise<void> {
  using file = await Deno.open(source, { create: true, write: true });
  const piece = new Uint8Array(2 ** 20);
  for (let at = 0; at < piece.length; at += 65536) {
    crypto.getRandomValues(piece.subarray(at, at + 65536));
  }
  for (let i = 0; i < MIB; i++) await file.write(piece);
}

async function sumSeconds(): Promise<number> {
  const start = performance.now();
  await run(["sha256sum", source]);
  return (performance.now() - start) / 1000;
}

try {
  await writeSource();
  const names = Object.keys(ENTRIES);
  const seconds = new Map(names.map((name) => [name, [] as number[]]));
  const peaks = new Map(names.map((name) => [name, [0, 0] as [number, number]]));
  for (let round = 0; round < ROUNDS; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const took = await transfer(ENTRIES[name]!);
      seconds.get(name)!.push(took.seconds);
      const most = peaks.get(name)!;
      peaks.set(name, [Math.max(most[0], took.peaks[0]), Math.max(most[1], took.peaks[1])]);
    }
  }
  const table = new Table({
    style: { head: [], border: [], compact: true },
    head: ["by", "MB/s", "÷ socat", "÷ ncat", "peak of the sender", "and of the receiver"],
  });
  for (const name of names) {
    const all = seconds.get(name)!;
    const against = (other: string) =>
      median(all.map((each, round) => seconds.get(other)![round]! / each)).toFixed(2);
    const [sender, receiver] = peaks.get(name)!.map((kib) => `${(kib / 1024).toFixed(0)} MiB`);
    const rate = (MIB * 2 ** 20 / median(all) / 1e6).toFixed(0);
    table.push([name, rate, against("socat"), against("ncat"), sender, receiver]);
  }
  const sum = (MIB * 2 ** 20 / await sumSeconds() / 1e6).toFixed(0);
  console.log(`Deno ${Deno.version.deno}, ${MIB} MiB, ${ROUNDS} rounds; sha256sum: ${sum} MB/s`);
  console.log(table.toString());
} finally {
  await Deno.remove(folder, { recursive: true });
}
