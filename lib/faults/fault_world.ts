/** The world as a fault sees it: the link's clock, its own dice, and sleeps that end with it. */

import type { SleepOptions, World } from "../world.ts";
import type { FaultWorld, FaultWorldOptions } from "./fault.ts";
import { diceOf, randomAt } from "./seed.ts";

/**
 * Makes one, for a fault that is run by hand: `fault(chunks, faultWorld(seededWorld(7), { seed: 7 }))`.
 * A link makes its own.
 */
export function faultWorld(world: World, options: FaultWorldOptions): FaultWorld {
  const { seed, direction = "up", connection = 1 } = options;
  const { offset = 0, origin = offset, note = () => {}, end = () => {} } = options;
  const { signal = new AbortController().signal } = options;
  return {
    now: () => world.now(),
    async sleep(ms: number, { ref = true }: SleepOptions = {}): Promise<void> {
      if (!(ms > 0) || signal.aborted) return;
      // Infinity is until the fault is removed. A real world arms no timer for it.
      await world.sleep(ms, { signal, ref }).catch((reason) => {
        if (!signal.aborted) throw reason;
      });
    },
    random: diceOf(seed),
    randomAt: (offset) => randomAt(seed, offset),
    signal,
    direction,
    connection,
    offset,
    origin,
    end,
    note,
  };
}
