import { checkInteger, checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/** Options for {@linkcode slicer}. */
export interface SlicerOptions {
  /**
   * The most bytes that a piece is longer or shorter than the average, which must be larger.
   *
   * @default {0}
   */
  variation?: number;
  /**
   * Microseconds before each piece.
   *
   * @default {0}
   */
  delay?: number;
}

/**
 * Cuts the stream into pieces of about `average` bytes. Where it is cut depends on the seed alone,
 * not on the chunks in which the bytes come.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function slicer(average: number, options: SlicerOptions = {}): Fault {
  const { variation = 0, delay = 0 } = options;
  checkInteger("slicer", "average", average, 1);
  checkInteger("slicer", "variation", variation, 0);
  checkRange("slicer", "variation", variation, 0, average - 1);
  checkRange("slicer", "delay", delay, 0);
  return async function* (chunks, world) {
    const sizeAt = (offset: number) =>
      average + Math.round(variation * (2 * world.randomAt(offset) - 1));
    let at = world.offset;
    let cut = at + sizeAt(at);
    let due = world.now();
    for await (let rest of chunks) {
      while (rest.length > 0) {
        const piece = rest.subarray(0, cut - at);
        rest = rest.subarray(piece.length);
        at += piece.length;
        if (at === cut) cut += sizeAt(cut);
        // Timers know milliseconds only, so shorter delays are saved up until there is one.
        due = Math.max(due, world.now()) + delay / 1000;
        const left = due - world.now();
        if (left >= 1) await world.sleep(left);
        yield piece;
      }
    }
  };
}
