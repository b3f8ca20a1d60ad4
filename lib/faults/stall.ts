import { checkInteger, checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/** Options for {@linkcode stall}. */
export interface StallOptions {
  /**
   * Milliseconds that it lasts.
   *
   * @default {Infinity}
   */
  ms?: number;
}

/**
 * Lets `bytes` bytes pass, counted from when it was added, and then holds all that follows, FIN
 * too, for a while, or until it is removed. Nothing is lost.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function stall(bytes = 0, options: StallOptions = {}): Fault {
  const { ms = Infinity } = options;
  checkInteger("stall", "bytes", bytes, 0);
  checkRange("stall", "ms", ms, 0);
  return async function* (chunks, world) {
    let left = Math.max(0, world.origin + bytes - world.offset);
    let due = true;
    const wait = async () => {
      due = false;
      world.note("stalled", world.origin + bytes);
      await world.sleep(ms);
    };
    if (left === 0) await wait();
    for await (const chunk of chunks) {
      if (!due || chunk.length < left) {
        left -= chunk.length;
        yield chunk;
        continue;
      }
      yield chunk.subarray(0, left);
      await wait();
      if (chunk.length > left) yield chunk.subarray(left);
    }
  };
}
