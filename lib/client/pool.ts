/**
 * A pool: what is costly to open is lent, given back, and lent again.
 *
 * @example Two tasks, one resource
 * ```ts
 * import { createPool } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * let opened = 0;
 * await using pool = createPool({
 *   max: 1,
 *   open: () => ({ number: ++opened, [Symbol.dispose]() {} }),
 * });
 *
 * const work = async () => {
 *   using lease = await pool.acquire(); // given back at the end of the block
 *   return lease.value.number;
 * };
 * assertEquals(await Promise.all([work(), work()]), [1, 1]);
 * assertEquals(await pool.use((it) => it.number), 1);
 * ```
 *
 * @module
 */

import { PoolCore } from "./pool_core.ts";
import type { Pool } from "./pool_handle.ts";
import { checkLimits, type PoolOptions } from "./pool_options.ts";

/**
 * Makes a pool of what `open` opens. Each one is closed by its `Symbol.dispose`.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 */
export function createPool<Resource extends Disposable, Lent = Resource>(
  options: PoolOptions<Resource, Lent>,
): Pool<Lent> {
  if (typeof options.open !== "function") {
    throw new TypeError(
      `Cannot pool as 'open' must be a function: current value is ${options.open}`,
    );
  }
  return new PoolCore(checkLimits(options), options);
}
