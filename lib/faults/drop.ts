import { checkRange } from "./_check.ts";
import { checkUnit, messages, type Unit } from "./_messages.ts";
import type { Fault } from "./fault.ts";

/** Options for {@linkcode drop}, {@linkcode duplicate} and {@linkcode reorder}. */
export interface MessageFaultOptions {
  /**
   * What is a message.
   *
   * @default {"chunk"}
   */
  unit?: Unit;
}

/**
 * Drops each message with probability `rate`; the rest of the stream passes.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function drop(rate: number, options: MessageFaultOptions = {}): Fault {
  const { unit = "chunk" } = options;
  checkRange("drop", "rate", rate, 0, 1);
  checkUnit("drop", unit);
  return async function* (chunks, world) {
    for await (const { bytes, offset, whole } of messages(chunks, unit, world.offset)) {
      if (whole && world.randomAt(offset) < rate) world.note(`dropped ${bytes.length}`, offset);
      else yield bytes;
    }
  };
}
