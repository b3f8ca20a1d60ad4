/** A loop of reading and answering that knows when to come to an end. */

import type { Reader } from "../stream/conn.ts";
import type { World } from "../world.ts";

/** Smallest buffer, and how it grows when a read fills it: see docs/performance.md. */
const SMALLEST_BUFFER = 1024;
const GROWTH = 4;

/**
 * A pause is this many looks in a row, {@linkcode LOOK_EVERY} ms apart, at which nothing
 * had come. Several, and not one long one, since a busy event loop may fire a late timer
 * before it delivers what has arrived meanwhile. Guessed: longer than most round trips,
 * shorter than a person's patience.
 */
const LOOKS = 5;
const LOOK_EVERY = 20;

/** How long a peer that never pauses is answered after it was time to end. Guessed. */
const LONGEST_END = 1000;

/**
 * More than two kernels hold for one connection: of what had been sent by the time to end,
 * the rest is here after that many bytes. Linux: 6 MiB received, 4 MiB to be sent (tcp(7)).
 */
const KERNELS_HOLD = 16 * 1024 * 1024;

/** What {@linkcode converse} needs to know. */
export interface ConverseOptions {
  /** Aborts when it is time to come to an end. */
  signal: AbortSignal;
  /** The largest buffer to read into, in bytes. */
  largest: number;
  /** The clock. */
  world: World;
  /**
   * Answers what came, before more is read; `false` ends it. The bytes are valid until
   * then, as their buffer is read into again.
   */
  answer: (bytes: Uint8Array) => Promise<boolean | void>;
}

/**
 * Reads and answers until FIN, or until `answer` wants no more. Resolves with whether FIN
 * was read.
 *
 * After `signal` it goes on until the peer pauses. If that never pauses it has a second,
 * or longer if all that was on its way when the signal came is not answered by then,
 * since its answers are not read. A read may then be left pending: what it gets came
 * too late to be answered.
 */
export async function converse(from: Reader, options: ConverseOptions): Promise<boolean> {
  const { signal, world } = options;
  const talk: Talk = { listening: false, reads: 0, caughtUp: 0, bytes: 0, over: false };
  const loop = listen(from, talk, options);
  const { promise: paused, resolve: pause } = Promise.withResolvers<void>();
  let done: AbortController | undefined;
  const watch = () => {
    done = new AbortController();
    pauseOf(talk, world, done.signal).then(pause, () => {});
  };
  if (signal.aborted) watch();
  else signal.addEventListener("abort", watch, { once: true });
  try {
    await Promise.race([loop, paused]);
  } finally {
    signal.removeEventListener("abort", watch);
    done?.abort();
  }
  talk.over = true;
  // An answer in hand is finished: half of one would look like a fault.
  return talk.listening ? false : await loop;
}

/** How the loop fares, for those who watch it: fields, since a promise per read costs. */
interface Talk {
  /** Whether it waits for the peer. */
  listening: boolean;
  /** How many reads were begun. */
  reads: number;
  /** The last of them that got less than it could take: it left the kernel with nothing. */
  caughtUp: number;
  /** How much was read. */
  bytes: number;
  /** Whether to end before the next read. */
  over: boolean;
}

async function listen(from: Reader, talk: Talk, options: ConverseOptions): Promise<boolean> {
  const { largest, answer } = options;
  let buffer = new Uint8Array(SMALLEST_BUFFER);
  while (!talk.over) {
    talk.reads++;
    talk.listening = true;
    const n = await from.read(buffer);
    talk.listening = false;
    if (n === null) return true;
    talk.bytes += n;
    if (n < buffer.length) talk.caughtUp = talk.reads;
    if (talk.over || await answer(buffer.subarray(0, n)) === false) return false;
    if (n === buffer.length && n < largest) {
      buffer = new Uint8Array(Math.min(n * GROWTH, largest));
    }
  }
  return false;
}

/** Resolves when the peer pauses, or was given long enough. */
async function pauseOf(talk: Talk, world: World, signal: AbortSignal): Promise<void> {
  const { reads, bytes } = talk;
  let silent = 0;
  for (let waited = LOOK_EVERY; silent < LOOKS; waited += LOOK_EVERY) {
    const before = talk.reads;
    await world.sleep(LOOK_EVERY, { signal });
    silent = talk.listening && talk.reads === before ? silent + 1 : 0;
    const heardAll = talk.caughtUp > reads || talk.bytes - bytes >= KERNELS_HOLD;
    if (waited >= LONGEST_END && heardAll) return;
  }
}
