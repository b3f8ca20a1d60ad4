import { checkInteger } from "./_check.ts";
import type { Fault } from "./fault.ts";
import { limit } from "./limit.ts";

/**
 * Says FIN after `bytes` bytes, counted from when it was added, and drops what still comes: a
 * stream that is cut and looks whole. The other direction goes on.
 *
 * @throws {RangeError} If `bytes` is not an integer >= 0.
 */
export function finEarly(bytes = 0): Fault {
  checkInteger("fin_early", "bytes", bytes, 0);
  const limited = limit(bytes, { then: "fin" });
  return async function* (chunks, world) {
    if (world.offset >= world.origin + bytes) return world.note("fin", world.offset);
    yield* limited(chunks, world);
  };
}
