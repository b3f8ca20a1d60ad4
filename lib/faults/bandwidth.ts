import { arrivals } from "./_arrivals.ts";
import { checkRange } from "./_check.ts";
import type { Fault } from "./fault.ts";

/** Milliseconds' worth of bytes that are passed on at a time. */
const SLICE = 10;

/** Milliseconds' worth of bytes that wait in front, so that no time is lost between two chunks. */
const QUEUE = 100;

/**
 * Lets `rate` kilobytes (of 1000 bytes) pass in a second, and no more; 0 lets nothing pass, not
 * even FIN, until it is removed.
 *
 * Bytes go by a schedule, not by sleeps added up, so that a timer that is late costs no rate.
 *
 * @throws {RangeError} If `rate` is not >= 0.
 */
export function bandwidth(rate: number): Fault {
  checkRange("bandwidth", "rate", rate, 0);
  return async function* (chunks, world) {
    if (rate === 0) await world.sleep(Infinity);
    const largest = Math.max(1, Math.floor(rate * SLICE));
    let free = world.now(); // when the line has sent all that it was given
    for await (const { bytes, at } of arrivals(chunks, world, Math.max(1, rate * QUEUE))) {
      if (bytes === undefined) return;
      for (let start = 0; start < bytes.length; start += largest) {
        const piece = bytes.subarray(start, start + largest);
        free = Math.max(free, at) + piece.length / rate;
        await world.sleep(free - world.now());
        yield piece;
      }
    }
  };
}
