import { checkRange } from "./_check.ts";
import { type Fault, FIN, RST } from "./fault.ts";

/**
 * Lets FIN pass, and resets both connections `ms` milliseconds later: what a server sees of a
 * client that closes without waiting for the answer.
 *
 * @throws {RangeError} If `ms` is not >= 0.
 */
export function rstAfterFin(ms = 0): Fault {
  checkRange("rst_after_fin", "delay", ms, 0);
  return async function* (chunks, world) {
    let at = world.offset;
    for await (const chunk of chunks) {
      at += chunk.length;
      yield chunk;
    }
    if (world.signal.aborted) return;
    yield FIN;
    await world.sleep(ms);
    if (world.signal.aborted) return;
    world.note("RST", at);
    yield RST;
  };
}
