import { checkInteger, checkRange } from "./_check.ts";
import { type Fault, RST } from "./fault.ts";

/** Options for {@linkcode reset}. */
export interface ResetOptions {
  /**
   * Milliseconds from when the fault was added, or from when `bytes` have passed.
   *
   * @default {0}
   */
  timeout?: number;
  /**
   * How many bytes pass first, counted from when it was added: the RST comes during the data.
   *
   * @default {0}
   */
  bytes?: number;
  /**
   * Waits for FIN, and says RST in its place: the RST comes after the data.
   *
   * @default {false}
   */
  onFin?: boolean;
}

/**
 * Resets both connections, by a real RST: at once, after a while, after some bytes, or in place of
 * FIN. It does not wait for a byte to come, a receiver that does not read does not hold it up, and
 * it takes effect on connections that are open already. Until it is due, all bytes pass.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function reset(options: ResetOptions = {}): Fault {
  const { timeout = 0, bytes = 0, onFin = false } = options;
  checkRange("reset", "timeout", timeout, 0);
  checkInteger("reset", "bytes", bytes, 0);
  return async function* (chunks, world) {
    const end = world.origin + bytes;
    let at = world.offset;
    const later = async () => {
      await world.sleep(timeout);
      if (world.signal.aborted) return;
      world.note("RST", at);
      world.end(RST);
    };
    let armed = false;
    const arm = () => {
      armed = true;
      later();
    };
    if (!onFin && at >= end) {
      if (timeout === 0) world.note("RST", at);
      if (timeout === 0) return yield RST;
      arm();
    }
    for await (const chunk of chunks) {
      const left = end - at;
      if (!onFin && !armed && chunk.length >= left) {
        at = end;
        if (left > 0) yield chunk.subarray(0, left);
        if (timeout === 0) {
          world.note("RST", at);
          return yield RST;
        }
        arm();
        at += chunk.length - left;
        if (chunk.length > left) yield chunk.subarray(left);
      } else {
        at += chunk.length;
        yield chunk;
      }
    }
    if (!onFin) return;
    await world.sleep(timeout);
    if (world.signal.aborted) return;
    world.note("RST", at);
    yield RST;
  };
}
