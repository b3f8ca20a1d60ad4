import type { Fault } from "./fault.ts";

/**
 * Lets everything pass but FIN: the receiver never learns that this was all, as behind a
 * middlebox that lost its state. When it is removed, FIN goes on its way.
 */
export function swallowFin(): Fault {
  return async function* (chunks, world) {
    let at = world.offset;
    for await (const chunk of chunks) {
      at += chunk.length;
      yield chunk;
    }
    if (world.signal.aborted) return;
    world.note("swallowed FIN", at);
    await world.sleep(Infinity);
  };
}
