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

/**
 * How the dice scatter a wait whose full step is `min(cap, base × 2 ** (failures - 1))`:
 *
 * - `"equal"`: from half of the step up to all of it. A patience that can be counted on, and
 *   half a step still keeps a crowd that lost its server in one instant from returning in one.
 * - `"full"`: from 0 up to the step. It spreads a crowd best, but can roll low each time, and a
 *   client with three attempts would have used them up before the server is back.
 * - `"decorrelated"`: from `base` up to three times the wait before, `cap` at most; the dice,
 *   not the count of failures, decide how it grows.
 * - `"none"`: the step itself. Right where nobody else waits for the same.
 *
 * The names are those of "Exponential Backoff And Jitter" (M. Brooker, 2015).
 */
export type Jitter = "equal" | "full" | "decorrelated" | "none";

/** Options for {@linkcode backoffDelay}. */
export interface BackoffOptions {
  /**
   * The longest wait after the first failure, in milliseconds (with `"decorrelated"`, the
   * shortest of all). It doubles with each further one.
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
  /**
   * How the dice scatter it.
   *
   * @default {"equal"}
   */
  jitter?: Jitter;
  /**
   * The wait before this one, in milliseconds, which only `"decorrelated"` asks for.
   *
   * @default {0}
   */
  previous?: number;
}

/**
 * The wait after `failures` failures in a row (1 or more), in milliseconds, with `random` from
 * 0 up to 1: see {@linkcode Jitter}.
 */
export function backoffDelay(
  failures: number,
  random: number,
  options: BackoffOptions = {},
): number {
  const { base = 100, cap = 10_000, jitter = "equal", previous = 0 } = options;
  // 2 ** 1024 is Infinity, and a base of 0 must stay 0.
  const step = Math.min(cap, base * 2 ** Math.min(failures - 1, 64));
  switch (jitter) {
    case "none":
      return step;
    case "full":
      return step * random;
    case "equal":
      return step * (1 + random) / 2;
    case "decorrelated": {
      const most = 3 * Math.max(base, previous);
      return Math.min(cap, base + (most - base) * random);
    }
  }
}
