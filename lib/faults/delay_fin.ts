import { checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/**
 * Holds FIN back for `ms` milliseconds, in this direction alone. A RST passes at once.
 *
 * @throws {RangeError} If `ms` is not >= 0.
 */
export function delayFin(ms: number): Fault {
  checkRange("delay_fin", "delay", ms, 0);
  return async function* (chunks, world) {
    yield* chunks;
    await world.sleep(ms);
  };
}
