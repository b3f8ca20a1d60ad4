import { checkRange } from "./_check.ts";
import { CLOSE, type Fault } from "./fault.ts";

/**
 * Drops all bytes, and closes both connections after `ms` milliseconds; with 0 it does not.
 *
 * FIN passes. When it is removed after bytes were dropped, both connections are closed, since
 * what follows would not fit what went before.
 *
 * @throws {RangeError} If `ms` is not >= 0.
 */
export function timeout(ms = 0): Fault {
  checkRange("timeout", "timeout", ms, 0);
  return async function* (chunks, world) {
    let dropped = 0;
    const drop = async () => {
      for await (const chunk of chunks) dropped += chunk.length;
    };
    const ended = drop().then(() => true);
    ended.catch(() => {});
    const due = world.sleep(ms === 0 ? Infinity : ms).then(() => false);
    const finished = await Promise.race([ended, due]);
    if (dropped > 0) world.note(`dropped ${dropped}`, world.offset);
    if (world.signal.aborted ? dropped > 0 : !finished) yield CLOSE;
  };
}

/**
 * Lets nothing pass, neither bytes nor FIN nor RST, and tells nobody: a cable that is cut.
 *
 * When it is removed after bytes were dropped, both connections are closed, since what follows
 * would not fit what went before.
 */
export function blackhole(): Fault {
  return async function* (chunks, world) {
    let dropped = 0;
    let failure: { error: unknown } | undefined;
    try {
      for await (const chunk of chunks) dropped += chunk.length;
    } catch (error) {
      failure = { error };
    }
    await world.sleep(Infinity);
    if (dropped > 0) {
      world.note(`dropped ${dropped}`, world.offset);
      yield CLOSE;
    } else if (failure) throw failure.error;
  };
}
