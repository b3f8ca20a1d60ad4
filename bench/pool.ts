#!/usr/bin/env -S deno run --allow-net=127.0.0.1
// deno-lint-ignore-file no-console
/**
 * Our pool beside `tarn` and `generic-pool`, and a pooled request beside one on a fresh
 * connection, in one run.
 *
 * All pools hold the same kind of resource, which costs nothing to open, and do the same: acquire,
 * let others run once, release. They take turns, round after round, and what is printed is the
 * median of the rounds: on a shared machine only a ratio within one run means something.
 *
 * Usage: `deno task bench:pool [ROUNDS]`
 *
 * @module
 */

import Table from "cli-table3";
import genericPool from "generic-pool";
import { Pool as TarnPool } from "tarn";
import { createPool } from "../lib/client/pool.ts";
import { tcpPool, type TcpPoolOptions } from "../lib/client/pool_tcp.ts";
import { dial } from "../lib/client/dial.ts";
import { rawEcho } from "../lib/server/echo.ts";
import { serveTcp } from "../lib/server/server.ts";
import { type Duplex, readExact, writeAll } from "../lib/stream/conn.ts";

/** What is pooled where only the pool is measured. */
interface Nothing extends Disposable {
  uses: number;
}

/** One piece of work, and those who do it; the first one is ours. */
interface Contest {
  work: string;
  /** How many cycles one call makes. */
  cycles: number;
  entries: Record<string, () => Promise<void>>;
  /** What ours must reach: so many times as fast as another one. */
  targets: { than: string; least: number }[];
}

/** The least that the pools have in common. */
interface Cycle extends AsyncDisposable {
  (): Promise<void>;
}

function cycle(once: () => Promise<void>, end: () => Promise<unknown>): Cycle {
  return Object.assign(once, { [Symbol.asyncDispose]: async () => void await end() });
}

/** What a borrower does: something asynchronous, as short as can be. */
async function work(it: Nothing): Promise<void> {
  it.uses++;
  await undefined;
}

const nothing = (): Nothing => ({ uses: 0, [Symbol.dispose]() {} });

const POOLS: Record<string, (max: number) => Cycle> = {
  "createPool": (max) => {
    const pool = createPool({ max, open: nothing });
    return cycle(async () => {
      const lease = await pool.acquire();
      await work(lease.value);
      lease.release();
    }, () => pool.shutdown());
  },
  "tarn": (max) => {
    const pool = new TarnPool<Nothing>({
      min: 0,
      max,
      create: () => Promise.resolve(nothing()),
      destroy: () => {},
      validate: () => true,
    });
    return cycle(async () => {
      const it = await pool.acquire().promise;
      await work(it);
      pool.release(it);
    }, () => pool.destroy());
  },
  "generic-pool": (max) => {
    const pool = genericPool.createPool<Nothing>({
      create: () => Promise.resolve(nothing()),
      destroy: () => Promise.resolve(),
    }, { min: 0, max });
    return cycle(async () => {
      const it = await pool.acquire();
      await work(it);
      await pool.release(it);
    }, () => pool.drain().then(() => pool.clear()));
  },
};

/** So many tasks, each with its share of the cycles, on a pool of so many. */
function cycles(tasks: number, max: number): Contest {
  const each = Math.floor(100_000 / tasks);
  const run = async (make: (max: number) => Cycle) => {
    await using once = make(max);
    await Promise.all(Array.from({ length: tasks }, async () => {
      for (let i = 0; i < each; i++) await once();
    }));
  };
  return {
    work: `acquire, release: ${tasks} ${tasks === 1 ? "task" : "tasks"} on ${max}`,
    cycles: each * tasks,
    entries: Object.fromEntries(
      Object.entries(POOLS).map(([name, make]) => [name, () => run(make)]),
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
  const all = (once: () => Promise<void>) =>
    Promise.all(Array.from({ length: tasks }, async () => {
      for (let i = 0; i < each; i++) await once();
    }));
  const pooled = async (options: TcpPoolOptions) => {
    await using pool = tcpPool(addr, { max: 16, ...options });
    await all(async () => {
      using lease = await pool.acquire();
      await ask(lease.value);
    });
  };
  return {
    work: `request of 64 B: ${tasks} ${tasks === 1 ? "task" : "tasks"}`,
    cycles: each * tasks,
    entries: {
      "tcpPool": () => pooled({}),
      "tcpPool, turns by timer": () => pooled({ turnBy: "timer" }),
      "a fresh connection each": async () => {
        await all(async () => {
          using conn = await dial(addr);
          await ask(conn);
          await conn.closeWrite();
          await conn.read(request); // FIN
        });
      },
      "one connection, kept": async () => {
        const kept = await Promise.all(Array.from({ length: tasks }, () => dial(addr)));
        let next = 0;
        await Promise.all(kept.map(async () => {
          using conn = kept[next++]!;
          for (let i = 0; i < each; i++) await ask(conn);
        }));
      },
    },
    targets: [{ than: "a fresh connection each", least: 3 }],
  };
}

/** Median seconds of each entry, over all rounds but the first. */
async function hold(contest: Contest, rounds: number): Promise<Map<string, number>> {
  const seconds = new Map<string, number[]>();
  const names = Object.keys(contest.entries);
  for (let round = 0; round <= rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const start = performance.now();
      await contest.entries[name]!();
      const took = (performance.now() - start) / 1000;
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
  const table = new Table({
    style: { head: [], border: [], compact: true },
    head: ["work", "by", "cycles/s", "µs each", "×", "target"],
  });
  const contests = [
    cycles(1, 16),
    cycles(32, 16),
    cycles(2, 1),
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
