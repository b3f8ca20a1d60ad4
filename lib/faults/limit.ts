import { checkInteger } from "./_check.ts";
import { CLOSE, type Fault, FIN, type Mark, RST } from "./fault.ts";

/** Options for {@linkcode limit}. */
export interface LimitOptions {
  /**
   * What then happens: both connections are closed, or reset, or this direction alone ends.
   *
   * @default {"close"}
   */
  then?: "close" | "fin" | "rst";
}

const MARKS: Record<string, Mark> = { close: CLOSE, fin: FIN, rst: RST };

/**
 * Lets `bytes` bytes pass, counted from when it was added, and ends the connection as soon as the
 * last of them has; with 0, that is when the first byte comes.
 *
 * @throws {RangeError} If `bytes` is not an integer >= 0, or `then` is none of its values.
 */
export function limit(bytes: number, options: LimitOptions = {}): Fault {
  const { then = "close" } = options;
  checkInteger("limit", "bytes", bytes, 0);
  const mark = MARKS[then];
  if (mark === undefined) {
    throw new RangeError(
      `Cannot make fault 'limit' as 'then' must be close, fin or rst: current value is ${then}`,
    );
  }
  return async function* (chunks, world) {
    const end = world.origin + bytes;
    let at = world.offset;
    for await (const chunk of chunks) {
      const left = end - at;
      at += chunk.length;
      if (left > 0) yield chunk.subarray(0, left);
      if (at >= end) {
        world.note(then, end);
        yield mark;
        return;
      }
    }
  };
}
