/** A loop of reading and answering that knows when to come to an end. */

import type { Reader } from "../stream/conn.ts";
import type { World } from "../world.ts";

/** First buffer, and how it grows when a read fills it. An idle connection costs little. */
const SMALLEST_BUFFER = 256;
const GROWTH = 4;

/**
 * A pause is this many looks in a row, {@linkcode LOOK_EVERY} ms apart, at which nothing
 * had come. Several, and not one long one, since a busy event loop may fire a late timer
 * before it delivers what has arrived meanwhile. Guessed: longer than most round trips,
 * shorter than a person's patience.
 */
const LOOKS = 5;
const LOOK_EVERY = 20;

/** How long a peer that never pauses is answered, if it got all its answers. Guessed. */
const LONGEST_END = 1000;

/** What {@linkcode converse} needs to know. */
export interface ConverseOptions {
  /** Aborts when it is time to come to an end. */
  signal: AbortSignal;
  /** The longest that the end may take, in milliseconds. */
  endTimeout: number;
  /** The largest buffer to read into, in bytes. */
  largest: number;
  /** The clock. */
  world: World;
  /**
   * Answers what came, before more is read; `false` ends it. The bytes are valid until
   * then, as their buffer is read into again.
   */
  answer: (bytes: Uint8Array) => Promise<boolean | void>;
  /** Answers FIN. */
  answerEnd?: () => Promise<void>;
}

/**
 * Reads and answers until FIN, or until `answer` wants no more.
 *
 * After `signal` it goes on until the peer pauses, or for a second if it never does, or
 * for `endTimeout` if by then not all is answered that was on its way at the signal. A
 * read may then be left pending: what it gets came too late to be answered.
 */
export function converse(from: Reader, options: ConverseOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    new Conversation(from, options, resolve).run().then(resolve, reject);
  });
}

/**
 * There is one for each connection, most of them idle: so it has fields instead of
 * promises and closures, one async function, and listens to the signal itself: that saves
 * 3 KiB each.
 */
class Conversation implements EventListenerObject {
  readonly #from: Reader;
  readonly #options: ConverseOptions;
  readonly #leave: () => void;
  /** Whether it waits for the peer. */
  #listening = false;
  /** How many reads were begun. */
  #reads = 0;
  /** The last of them that got less than it could take: it left the kernel with nothing. */
  #caughtUp = 0;
  /** Whether to end before the next read. */
  #over = false;
  #watching: AbortController | undefined;

  /** `leave` ends it although a read is pending, which nothing can end but its peer. */
  constructor(from: Reader, options: ConverseOptions, leave: () => void) {
    this.#from = from;
    this.#options = options;
    this.#leave = leave;
  }

  async run(): Promise<void> {
    const { signal, largest, answer, answerEnd } = this.#options;
    if (signal.aborted) this.handleEvent();
    else signal.addEventListener("abort", this);
    let buffer = new Uint8Array(SMALLEST_BUFFER);
    try {
      while (!this.#over) {
        this.#reads++;
        this.#listening = true;
        const n = await this.#from.read(buffer);
        this.#listening = false;
        if (this.#over) return;
        if (n === null) return await answerEnd?.();
        if (n < buffer.length) this.#caughtUp = this.#reads;
        if (await answer(buffer.subarray(0, n)) === false) return;
        if (n === buffer.length && n < largest) {
          buffer = new Uint8Array(Math.min(n * GROWTH, largest));
        }
      }
    } finally {
      signal.removeEventListener("abort", this);
      this.#watching?.abort();
    }
  }

  /** The signal has aborted. */
  handleEvent(): void {
    this.#watching = new AbortController();
    this.#pause(this.#watching.signal).then(() => {
      this.#over = true;
      // An answer in hand is finished first: half of one would look like a fault.
      if (this.#listening) this.#leave();
    }, () => {}); // it has ended
  }

  /** Resolves when the peer pauses, or was given long enough. */
  async #pause(ended: AbortSignal): Promise<void> {
    const { world, endTimeout } = this.#options;
    const reads = this.#reads;
    let silent = 0;
    for (let waited = 0; waited < endTimeout && silent < LOOKS;) {
      if (waited >= LONGEST_END && this.#caughtUp > reads) return;
      const before = this.#reads;
      await world.sleep(LOOK_EVERY, { signal: ended });
      waited += LOOK_EVERY;
      silent = this.#listening && this.#reads === before ? silent + 1 : 0;
    }
  }
}
