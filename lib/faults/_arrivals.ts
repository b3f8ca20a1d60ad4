/** Reads ahead, so that what waits for its time does not keep the next bytes from arriving. */

import type { World } from "../world.ts";

/** Bytes, or the end (`undefined`), with the time at which they came. */
export interface Arrival {
  readonly bytes: Uint8Array | undefined;
  readonly at: number;
  /** How many bytes came before. */
  readonly offset: number;
}

/**
 * Each chunk as it comes, then the end, which is an arrival as well. Up to `maxBytes` may wait
 * here; then nothing more is read until some are taken. An error comes in its turn.
 */
export async function* arrivals(
  chunks: AsyncIterable<Uint8Array>,
  world: Pick<World, "now">,
  maxBytes: number,
): AsyncGenerator<Arrival, void, void> {
  const waiting: Arrival[] = [];
  let held = 0;
  let failure: { error: unknown } | undefined;
  let over = false;
  let arrived = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  const read = async () => {
    let offset = 0;
    try {
      for await (const bytes of chunks) {
        waiting.push({ bytes, at: world.now(), offset });
        held += bytes.length;
        offset += bytes.length;
        arrived.resolve();
        while (held >= maxBytes && !over) {
          taken = Promise.withResolvers();
          await taken.promise;
        }
        if (over) return;
      }
      waiting.push({ bytes: undefined, at: world.now(), offset });
    } catch (error) {
      failure = { error };
    }
    arrived.resolve();
  };
  const reading = read();
  try {
    while (true) {
      const next = waiting.shift();
      if (next !== undefined) {
        held -= next.bytes?.length ?? 0;
        taken.resolve();
        yield next;
        if (next.bytes === undefined) break;
      } else if (failure !== undefined) {
        throw failure.error;
      } else {
        arrived = Promise.withResolvers();
        await arrived.promise;
      }
    }
  } finally {
    over = true;
    taken.resolve();
  }
  await reading;
}
