#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run --allow-read
// deno-lint-ignore-file no-console
/**
 * What our proxy holds: for each idle connection, behind a slow reader, and after many
 * connections have come and gone. It fails where that is more than it should be.
 *
 * Measured is the resident memory (RSS) of the whole process, started as on the first line of
 * `cmd/proxy.ts`. How much garbage it holds is chance: so each figure is the lowest of several
 * looks, a second apart, while nothing happens, and all of them are printed.
 *
 * Usage: `deno task bench:proxy-memory [CONNECTIONS [MIB [COME_AND_GO]]]`
 *
 * @module
 */

import { dial } from "../lib/client/dial.ts";
import { serveTcp } from "../lib/server/server.ts";
import { readToEnd, writeAll } from "../lib/stream/conn.ts";

const [IDLE = 5000, MIB = 1024, MANY = 200_000] = Deno.args.map(Number);
const AT_ONCE = 64;
const LOOKS = 6;

const text = async (command: string, args: string[]) =>
  new TextDecoder().decode((await new Deno.Command(command, { args }).output()).stdout).trim();

/** What a process holds: KiB of memory, and descriptors. */
async function holds(pid: number): Promise<{ kib: number; fds: number }> {
  const [rss, fds] = await Promise.all([
    text("ps", ["-o", "rss=", "-p", `${pid}`]),
    text("ls", [`/proc/${pid}/fd`]),
  ]);
  return { kib: Number(rss), fds: fds.split("\n").length };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let failed = false;
function claim(what: string, holds: boolean): void {
  failed ||= !holds;
  console.log(`${holds ? "✓" : "✗"} ${what}`);
}

await using server = serveTcp({ onError: () => {} }, async (conn) => {
  const first = new Uint8Array(1);
  if (await conn.read(first) === null) return;
  if (first[0] === 1) { // slow
    const buffer = new Uint8Array(256 * 1024);
    for (let n = 0; n !== null; n = await conn.read(buffer) as number) await pause(1);
    return;
  }
  await writeAll(conn, first);
  await readToEnd(conn, { maxBytes: Infinity });
});

const script = new URL("../cmd/proxy.ts", import.meta.url);
const [first = ""] = (await Deno.readTextFile(script)).split("\n");
const flags = first.split(" ").filter((word) => word.startsWith("--"));
const child = new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "--quiet", "--no-prompt", ...flags, script.href, "--listen", "0", "--quiet"],
    ...["--to", `127.0.0.1:${server.addr.port}`],
  ],
  stderr: "piped",
}).spawn();
const log = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec((await log.read()).value ?? "") ?? [];
const proxy = { hostname: "127.0.0.1", port: Number(port) };

async function once(): Promise<void> {
  using conn = await dial(proxy);
  await writeAll(conn, Uint8Array.of(2));
  await conn.read(new Uint8Array(1));
  await conn.closeWrite();
  await conn.read(new Uint8Array(1));
}

async function openIdle(): Promise<Disposable> {
  const conn = await dial(proxy, { attempts: 5 });
  await writeAll(conn, Uint8Array.of(2));
  await conn.read(new Uint8Array(1));
  return conn;
}

async function many(count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) await once();
  }));
}

/** The least that it holds, once it has had time to notice, and to collect its garbage. */
async function settled(): Promise<{ kib: number; fds: number }> {
  const looks: { kib: number; fds: number }[] = [];
  for (let i = 0; i < LOOKS; i++) {
    await pause(1000);
    looks.push(await holds(child.pid));
  }
  console.log(`  RSS in MiB: ${looks.map(({ kib }) => (kib / 1024).toFixed(1)).join(", ")}`);
  return {
    kib: Math.min(...looks.map(({ kib }) => kib)),
    fds: Math.min(...looks.map(({ fds }) => fds)),
  };
}

try {
  await many(500);
  const start = await settled();
  console.log(`after 500 connections: ${start.kib} KiB, ${start.fds} descriptors`);

  const idle: Disposable[] = [];
  // No more at once than the kernel's queue holds: whom it drops there tries again for a minute.
  while (idle.length < IDLE) {
    const length = Math.min(256, IDLE - idle.length);
    idle.push(...await Promise.all(Array.from({ length }, openIdle)));
  }
  const full = await settled();
  const each = (full.kib - start.kib) / IDLE;
  claim(`${IDLE} idle connections: ${each.toFixed(1)} KiB each, at most 24`, each <= 24);
  for (const conn of idle) conn[Symbol.dispose]();
  let after = await settled();
  for (let i = 0; i < 20 && after.fds > start.fds; i++) after = await settled();
  claim(`then ${after.fds} descriptors, as before`, after.fds <= start.fds);

  {
    using conn = await dial(proxy);
    await writeAll(conn, Uint8Array.of(1));
    const block = new Uint8Array(1 << 20);
    let most = 0;
    for (let i = 0; i < MIB; i++) {
      await writeAll(conn, block);
      if (i % 64 === 0) most = Math.max(most, (await holds(child.pid)).kib - after.kib);
    }
    claim(
      `${MIB} MiB to a slow reader: ${(most / 1024).toFixed(1)} MiB more at most`,
      most < 16384,
    );
    await conn.closeWrite();
    await conn.read(new Uint8Array(1));
  }

  await many(20_000);
  const before = await settled();
  console.log(`after 20000 connections: ${before.kib} KiB, ${before.fds} descriptors`);
  await many(MANY);
  const end = await settled();
  const more = (end.kib - before.kib) / 1024;
  claim(`${MANY} connections later: ${more.toFixed(1)} MiB more, at most 16`, more <= 16);
  claim(`and ${end.fds} descriptors, as before`, end.fds <= before.fds);
} finally {
  child.kill("SIGTERM");
  await child.status;
  await log.cancel();
}
Deno.exit(failed ? 1 : 0);
