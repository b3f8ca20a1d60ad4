#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-read
// deno-lint-ignore-file no-console
/**
 * Our pool beside `tarn` and `generic-pool`, and a pooled request beside one on a fresh
 * connection, in one run.
 *
 * All pools hold the same kind of resource, which costs nothing to open, and do the same: acquire,
 * let others run once, release. They take turns, round after round, and what is printed is the
 * median of the rounds: on a shared machine only a ratio within one run means something. Cycles of
 * acquire and release are measured in seconds of CPU, which other load disturbs least; requests, in
 * which kernel and server take part, in seconds.
 *
 * Usage: `deno task bench:pool [ROUNDS]`
 *
 * @module
 */

import Table from "cli-table3";
import { tcpPool, type TcpPoolOptions } from "../lib/client/pool_tcp.ts";
import { dial } from "../lib/client/dial.ts";
import { rawEcho } from "../lib/server/echo.ts";
import { serveTcp } from "../lib/server/server.ts";
import { type Duplex, readExact, writeAll } from "../lib/stream/conn.ts";
import { all, type Order, POOLS } from "./pool/cycles.ts";

/** One piece of work, and those who do it; the first one is ours. */
interface Contest {
  work: string;
  /** How many cycles one call makes, which returns the seconds it took. */
  cycles: number;
  entries: Record<string, () => Promise<number>>;
  /** What ours must reach: so many times as fast as another one. */
  targets: { than: string; least: number }[];
}

/**
 * Each pool has a worker of its own, as a program has one pool: what tarn leaves behind, its
 * timers above all, would otherwise be paid for by whoever comes next.
 */
class Stable implements Disposable {
  readonly #workers = new Map<string, Worker>();

  /** Has it done; resolves with the seconds that took. */
  run(order: Order): Promise<number> {
    const worker = this.#workers.get(order.name) ??
      new Worker(import.meta.resolve("./pool/cycles.ts"), { type: "module", name: order.name });
    this.#workers.set(order.name, worker);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(order);
    return promise;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.values()) worker.terminate();
  }
}

/** So many tasks on a pool of so many. */
function cycles(stable: Stable, tasks: number, max: number): Contest {
  const each = Math.floor(200_000 / tasks);
  return {
    work: `acquire, release: ${tasks} ${tasks === 1 ? "task" : "tasks"} on ${max}`,
    cycles: each * tasks,
    entries: Object.fromEntries(
      Object.keys(POOLS).map((name) => [name, () => stable.run({ name, tasks, each, max })]),
    ),
    targets: [{ than: "tarn", least: 2 }, { than: "generic-pool", least: 2 }],
  };
}

/** A request of 64 bytes and its answer, over and over. */
function requests(tasks: number, addr: { hostname: string; port: number }): Contest {
  const each = Math.floor(4_000 / tasks);
  const request = new Uint8Array(64).fill(7);
  const ask = async (conn: Duplex) => {
    await writeAll(conn, request);
    await readExact(conn, request.length);
  };
  const often = (once: () => Promise<void>, times = each) =>
    all(tasks, async () => {
      for (let i = 0; i < times; i++) await once();
    });
  const pooled = async (options: TcpPoolOptions, times = each) => {
    await using pool = tcpPool(addr, { max: 16, ...options });
    await often(async () => {
      using lease = await pool.acquire();
      await ask(lease.value);
    }, times);
  };
  // Slow as it is, a part of it tells enough.
  const some = Math.ceil(each / 20);
  return {
    work: `request of 64 B: ${tasks} ${tasks === 1 ? "task" : "tasks"}`,
    cycles: each * tasks,
    entries: {
      "tcpPool": () => timed(() => pooled({})),
      "tcpPool, turns by timer": async () =>
        await timed(() => pooled({ turnBy: "timer" }, some)) * each / some,
      "a fresh connection each": () =>
        timed(async () => {
          await often(async () => {
            using conn = await dial(addr);
            await ask(conn);
            await conn.closeWrite();
            await conn.read(request); // FIN
          });
        }),
      "one connection, kept": () =>
        timed(async () => {
          const kept = await Promise.all(Array.from({ length: tasks }, () => dial(addr)));
          let next = 0;
          await Promise.all(kept.map(async () => {
            using conn = kept[next++]!;
            for (let i = 0; i < each; i++) await ask(conn);
          }));
        }),
    },
    targets: [{ than: "a fresh connection each", least: 3 }],
  };
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}

/** Median seconds of each entry, over all rounds but the first. */
async function hold(contest: Contest, rounds: number): Promise<Map<string, number>> {
  const seconds = new Map<string, number[]>();
  const names = Object.keys(contest.entries);
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const took = await contest.entries[name]!();
      if (round > 0) seconds.set(name, [...seconds.get(name) ?? [], took]);
    }
  }
  return new Map(names.map((name) => [name, median(seconds.get(name)!)]));
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.main) {
  const rounds = Number(Deno.args[0] ?? 7);
  await using server = serveTcp({}, rawEcho);
  using stable = new Stable();
  const table = new Table({
    style: { head: [], border: [], compact: true },
    head: ["work", "by", "cycles/s", "µs each", "×", "target"],
  });
  const contests = [
    cycles(stable, 1, 16),
    cycles(stable, 32, 16),
    cycles(stable, 2, 1),
    requests(1, server.addr),
    requests(32, server.addr),
  ];
  for (const contest of contests) {
    const seconds = await hold(contest, rounds);
    const ours = seconds.values().next().value!;
    const verdicts = contest.targets.map(({ than, least }) => {
      const reached = seconds.get(than)! / ours;
      return `${reached < least ? "NOT REACHED: " : ""}${
        reached.toFixed(2)
      } × ${than}, target ${least}`;
    });
    for (const [i, [who, took]] of [...seconds].entries()) {
      table.push([
        i === 0 ? contest.work : "",
        who,
        (contest.cycles / took).toFixed(0),
        (took / contest.cycles * 1e6).toFixed(2),
        (ours / took).toFixed(2),
        i === 0 ? verdicts.join("\n") : "",
      ]);
    }
  }
  console.log(
    `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores, ${rounds} rounds`,
  );
  console.log(table.toString());
}
