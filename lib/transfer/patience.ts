/**
 * How long one end waits for the other: every wait of a transfer goes through here.
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { TransferError } from "./error.ts";

/** Options that both ends of a transfer share. */
export interface PatienceOptions {
  /**
   * How long the peer may take over one step, in milliseconds: to answer, to send
   * something more, or to take what we send. Where it must first hash or save a file,
   * it gets a millisecond more for each 20,000 bytes of it. `Infinity` waits forever.
   *
   * @default {30000}
   */
  timeout?: number;
  /** Calls the transfer off: the peer is told if it can be, and the part stays. */
  signal?: AbortSignal | undefined;
  /**
   * Clock and timers.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** A slow disk: 20 MB/s. */
const BYTES_PER_MS = 20_000;

/** Waits for the peer, up to a point. */
export class Patience {
  readonly #timeout: number;
  readonly #signal: AbortSignal | undefined;
  readonly #world: World;

  /** @throws {RangeError} If `timeout` is not > 0. */
  constructor(options: PatienceOptions) {
    const { timeout = 30_000, signal, world = realWorld } = options;
    if (!(timeout > 0)) {
      throw new RangeError(
        `Cannot transfer as 'timeout' must be > 0: current value is ${timeout}`,
      );
    }
    this.#timeout = timeout;
    this.#signal = signal;
    this.#world = world;
  }

  /**
   * Settles as `step` does, unless the patience is over first; the peer may have `bytes`
   * to hash or to save meanwhile.
   *
   * A step that was given up stays pending until the connection is disposed, so that
   * must follow; what becomes of it then is nobody's business any more.
   *
   * @throws {TransferError} With the fault `"timeout"` or `"aborted"`.
   */
  async within<T>(step: Promise<T>, what: string, bytes = 0): Promise<T> {
    const limit = this.#timeout + bytes / BYTES_PER_MS;
    const settled = new AbortController();
    const alarm = Promise.withResolvers<never>();
    const abort = () => alarm.reject(aborted(this.#signal?.reason));
    step.catch(() => {});
    this.#world.sleep(limit, { signal: settled.signal }).then(
      () => alarm.reject(overdue(what, limit)),
      () => {}, // settled in time
    );
    this.#signal?.addEventListener("abort", abort, { once: true });
    if (this.#signal?.aborted) abort();
    try {
      return await Promise.race([alarm.promise, step]);
    } finally {
      this.#signal?.removeEventListener("abort", abort);
      settled.abort();
    }
  }
}

function overdue(what: string, ms: number): TransferError {
  return new TransferError("timeout", `Cannot wait for ${what} as ${Math.round(ms)} ms are over`);
}

function aborted(reason: unknown): TransferError {
  return new TransferError("aborted", "Cannot go on as the transfer was called off", {
    cause: reason,
  });
}
