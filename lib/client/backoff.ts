/**
 * How long to wait before trying again: a pure schedule, which waits for nothing itself.
 *
 * @example The second failure doubles the wait, and the dice take up to half of it away
 * ```ts
 * import { backoffDelay } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(backoffDelay(1, 0), 50);
 * assertEquals(backoffDelay(2, 0), 100);
 * assertEquals(backoffDelay(2, 0.5), 150);
 * assertEquals(backoffDelay(1000, 0.5), 7_500);
 * ```
 *
 * @module
 */

/** Options for {@linkcode backoffDelay}. */
export interface BackoffOptions {
  /**
   * The longest wait after the first failure, in milliseconds. It doubles with each
   * further one.
   *
   * @default {100}
   */
  base?: number;
  /**
   * What no wait exceeds, in milliseconds.
   *
   * @default {10000}
   */
  cap?: number;
}

/**
 * The wait after `failures` failures in a row (1 or more), in milliseconds:
 * `(1 + random) / 2 × min(cap, base × 2 ** (failures - 1))`, with `random` from 0 up to 1.
 *
 * This is "equal jitter": between half of the step and all of it. "Full jitter"
 * (from 0) spreads a crowd a little better, but can roll low each time, and a client
 * with three attempts would have used them up before the server is back. Half a step
 * is a patience that can be counted on, and half a step still keeps a crowd that lost
 * its server in one instant from returning in one.
 */
export function backoffDelay(
  failures: number,
  random: number,
  options: BackoffOptions = {},
): number {
  const { base = 100, cap = 10_000 } = options;
  // 2 ** 1024 is Infinity, and a base of 0 must stay 0.
  const step = Math.min(cap, base * 2 ** Math.min(failures - 1, 64));
  return step * (1 + random) / 2;
}
