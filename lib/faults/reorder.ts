import { checkRange } from "./_check.ts";
import { checkUnit, messages } from "./_messages.ts";
import type { MessageFaultOptions } from "./drop.ts";
import type { Fault } from "./fault.ts";

/** Options for {@linkcode reorder}. */
export interface ReorderOptions extends MessageFaultOptions {
  /**
   * The most milliseconds that a message waits to be overtaken by the next.
   *
   * @default {100}
   */
  hold?: number;
}

/**
 * Lets each message be overtaken by the next one with probability `rate`.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function reorder(rate: number, options: ReorderOptions = {}): Fault {
  const { unit = "chunk", hold = 100 } = options;
  checkRange("reorder", "rate", rate, 0, 1);
  checkRange("reorder", "hold", hold, 0);
  checkUnit("reorder", unit);
  return async function* (chunks, world) {
    const coming = messages(chunks, unit, world.offset);
    let next = coming.next();
    while (true) {
      const { value: message, done } = await next;
      if (done) return;
      next = coming.next();
      next.catch(() => {}); // told when it is awaited
      if (!message.whole || world.randomAt(message.offset) >= rate) {
        yield message.bytes;
        continue;
      }
      const overtaking = await Promise.race([next, world.sleep(hold)]);
      if (overtaking?.done === false) {
        world.note(`overtook ${message.bytes.length}`, message.offset);
        yield overtaking.value.bytes;
        next = coming.next();
        next.catch(() => {});
      }
      yield message.bytes;
    }
  };
}
