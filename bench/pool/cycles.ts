/**
 * Acquire and release, over and over, in a worker of its own for each pool.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import genericPool from "generic-pool";
import { Pool as TarnPool } from "tarn";
import { createPool } from "../../lib/client/pool.ts";

/** What is pooled where only the pool is measured. */
interface Nothing extends Disposable {
  uses: number;
}

/** What a borrower does: something asynchronous, as short as can be. */
async function work(it: Nothing): Promise<void> {
  it.uses++;
  await undefined;
}

const nothing = (): Nothing => ({ uses: 0, [Symbol.dispose]() {} });

/** So many tasks, each with so many cycles, on a pool of so many. */
type Cycling = (tasks: number, each: number, max: number) => Promise<void>;

/** So many at once. */
export function all(tasks: number, task: () => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: tasks }, task));
}

/** The pools. */
export const POOLS: Record<string, Cycling> = {
  "createPool": async (tasks, each, max) => {
    await using pool = createPool({ max, open: nothing });
    await all(tasks, async () => {
      for (let i = 0; i < each; i++) {
        const lease = await pool.acquire();
        await work(lease.value);
        lease.release();
      }
    });
  },
  "tarn": async (tasks, each, max) => {
    const pool = new TarnPool<Nothing>({
      min: 0,
      max,
      create: () => Promise.resolve(nothing()),
      destroy: () => {},
      validate: () => true,
    });
    await all(tasks, async () => {
      for (let i = 0; i < each; i++) {
        const it = await pool.acquire().promise;
        await work(it);
        pool.release(it);
      }
    });
    await pool.destroy();
  },
  "generic-pool": async (tasks, each, max) => {
    const pool = genericPool.createPool<Nothing>({
      create: () => Promise.resolve(nothing()),
      destroy: () => Promise.resolve(),
    }, { min: 0, max });
    await all(tasks, async () => {
      for (let i = 0; i < each; i++) {
        const it = await pool.acquire();
        await work(it);
        await pool.release(it);
      }
    });
    await pool.drain().then(() => pool.clear());
  },
};

/** A run that a worker is asked for. */
export interface Order {
  name: string;
  tasks: number;
  each: number;
  max: number;
}

/** What a worker is, in so far as this one uses it. */
interface WorkerScope {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(seconds: number): void;
}

if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = async ({ data: { name, tasks, each, max } }) => {
    // Nothing here waits for anything, so what it takes is the processor's time: of the whole
    // process, garbage collection included, while all others in it are idle.
    const start = cpuUsage();
    await POOLS[name]!(tasks, each, max);
    const { user, system } = cpuUsage(start);
    scope.postMessage((user + system) / 1e6);
  };
}
