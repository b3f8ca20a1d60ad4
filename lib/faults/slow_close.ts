import { checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/**
 * Holds the end of this direction back for `ms` milliseconds, be it FIN or RST.
 *
 * @throws {RangeError} If `ms` is not >= 0.
 */
export function slowClose(ms: number): Fault {
  checkRange("slow_close", "delay", ms, 0);
  return async function* (chunks, world) {
    try {
      yield* chunks;
    } finally {
      await world.sleep(ms);
    }
  };
}
