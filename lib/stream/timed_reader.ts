/**
 * Reads with a deadline that lose nothing: what a read that gave up was waiting for
 * goes to the next one.
 *
 * @example A peer that thinks for a while
 * ```ts
 * import { memoryPair, TimedReader, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const [client, server] = memoryPair();
 * const reader = new TimedReader(client);
 * const buffer = new Uint8Array(16);
 *
 * await assertRejects(() => reader.read(buffer, { timeout: 1 }), DOMException);
 * await writeAll(server, new TextEncoder().encode("late"));
 *
 * assertEquals(await reader.read(buffer), 4);
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import type { Reader } from "./conn.ts";

/** Options for {@linkcode TimedReader}. */
export interface TimedReaderOptions {
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Options for {@linkcode TimedReader.read}. */
export interface TimedReadOptions {
  /**
   * Milliseconds to wait for bytes: a number > 0.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the wait: the read rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** A read of the source that may outlast those who wait for it, one after the other. */
interface Outstanding {
  readonly outcome: Promise<number | null>;
  settled: boolean;
  /** Wakes the one who waits now. */
  onSettled: () => void;
}

/**
 * A {@linkcode Reader} whose reads can be given up.
 *
 * A pending read of a `Deno.Conn` cannot be cancelled; raced against a timer, it stays
 * behind and swallows the next bytes. Here it stays behind as well, but what comes of it,
 * be it bytes, FIN or an error, is what the next read gets. From the first read on, read
 * the source through its one TimedReader only.
 */
export class TimedReader implements Reader {
  readonly #from: Reader;
  readonly #world: World;
  /** Where a read that may be given up puts its bytes; reused once they are handed out. */
  #buffer = new Uint8Array(0);
  /** A read of the source whose outcome nobody has got yet. */
  #outstanding: Outstanding | undefined;
  /** What it brought and the last buffer had no room for. */
  #rest = new Uint8Array(0);
  #busy = false;

  /** Reads from `from`, which stays the caller's to dispose. */
  constructor(from: Reader, options: TimedReaderOptions = {}) {
    const { world = realWorld } = options;
    this.#from = from;
    this.#world = world;
  }

  /**
   * Reads what is there, at most `p.length` bytes, or `null` after the peer's FIN.
   *
   * Without `timeout` and `signal` the bytes come straight into `p`. With them they are
   * copied there, as `p` is the caller's again after a read that was given up.
   *
   * @throws {DOMException} `TimeoutError` if nothing came within `timeout`.
   * @throws {Deno.errors.Busy} If another read is waiting.
   */
  async read(p: Uint8Array, options: TimedReadOptions = {}): Promise<number | null> {
    const { timeout = Infinity, signal } = options;
    if (!(timeout > 0)) {
      throw new RangeError(`Cannot read as 'timeout' must be > 0: current value is ${timeout}`);
    }
    if (this.#busy) throw new Deno.errors.Busy("Cannot read as another read is waiting");
    signal?.throwIfAborted();
    if (p.length === 0) return 0;
    if (this.#rest.length > 0) return this.#takeRest(p);
    this.#busy = true;
    try {
      const patient = timeout === Infinity && signal === undefined;
      if (patient && this.#outstanding === undefined) return await this.#from.read(p);
      const n = await this.#wait(this.#outstanding ??= this.#start(p.length), timeout, signal);
      if (n === null) return null;
      this.#rest = this.#buffer.subarray(0, n);
      return this.#takeRest(p);
    } finally {
      this.#busy = false;
    }
  }

  #start(size: number): Outstanding {
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size);
    const outcome = this.#from.read(this.#buffer.subarray(0, size));
    const read = { outcome, settled: false, onSettled: () => {} };
    const settle = () => {
      read.settled = true;
      read.onSettled();
    };
    // Once, and not for each wait: a pending promise forgets none of its reactions.
    outcome.then(settle, settle);
    return read;
  }

  /** Waits for `read`, which is over once its outcome is passed on, but not before. */
  async #wait(
    read: Outstanding,
    timeout: number,
    signal: AbortSignal | undefined,
  ): Promise<number | null> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const over = new AbortController();
    const abort = () => reject(signal?.reason);
    read.onSettled = resolve;
    if (read.settled) resolve();
    signal?.addEventListener("abort", abort, { once: true });
    if (timeout < Infinity) {
      this.#world.sleep(timeout, { signal: over.signal }).then(
        () =>
          reject(new DOMException(`No bytes came within ${Math.ceil(timeout)} ms`, "TimeoutError")),
        () => {},
      );
    }
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
      over.abort();
    }
    this.#outstanding = undefined;
    return await read.outcome;
  }

  #takeRest(p: Uint8Array): number {
    const part = this.#rest.subarray(0, p.length);
    p.set(part);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }
}
