import { checkRange } from "./_check.ts";
import { checkUnit, messages } from "./_messages.ts";
import type { MessageFaultOptions } from "./drop.ts";
import type { Fault } from "./fault.ts";

/**
 * Sends each message twice with probability `rate`.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function duplicate(rate: number, options: MessageFaultOptions = {}): Fault {
  const { unit = "chunk" } = options;
  checkRange("duplicate", "rate", rate, 0, 1);
  checkUnit("duplicate", unit);
  return async function* (chunks, world) {
    for await (const { bytes, offset, whole } of messages(chunks, unit, world.offset)) {
      yield bytes;
      if (!whole || world.randomAt(offset) >= rate) continue;
      world.note(`duplicated ${bytes.length}`, offset);
      yield bytes.slice();
    }
  };
}
