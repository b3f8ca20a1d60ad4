import { checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/**
 * Flips bits: each byte has one of its bits flipped with probability `rate`. Which ones depends on
 * the seed alone, not on the chunks in which the bytes come.
 *
 * @throws {RangeError} If `rate` is not from 0 to 1.
 */
export function corrupt(rate: number): Fault {
  checkRange("corrupt", "rate", rate, 0, 1);
  return async function* (chunks, world) {
    // How many bytes stay whole until the next one that does not: a geometric distribution.
    const gap = () => {
      if (rate === 0) return Infinity;
      return rate === 1 ? 0 : Math.floor(Math.log(1 - world.random()) / Math.log(1 - rate));
    };
    let at = world.offset;
    let next = at + gap();
    for await (const chunk of chunks) {
      const end = at + chunk.length;
      const changed = next < end ? chunk.slice() : chunk;
      for (; next < end; next += 1 + gap()) {
        const bit = Math.floor(world.random() * 8);
        changed[next - at]! ^= 1 << bit;
        world.note(`flipped bit ${bit}`, next);
      }
      at = end;
      yield changed;
    }
  };
}
