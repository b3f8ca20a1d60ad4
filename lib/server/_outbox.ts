/**
 * The way to one reader, who may be slow: whoever has something to tell does not wait.
 *
 * @module
 */

import { type Duplex, writeAll } from "../stream/conn.ts";
import type { World } from "../world.ts";
import { LineQueue } from "./_line_queue.ts";
import { Pressure } from "./_pressure.ts";

/** What to do about a reader whose queue is full; `ChatOptions.slow` says what each means. */
export type SlowPolicy = "buffer" | "drop" | "disconnect";

/** What an {@linkcode Outbox} needs to know. */
export interface OutboxOptions {
  /** What to do when the queue is full. */
  slow: SlowPolicy;
  /** The most bytes that may wait, those being written included. */
  queue: number;
  /** How long one write may take, in milliseconds. */
  stallTimeout: number;
  /** The clock. */
  world: World;
}

/** How long a reader who is sent away has to take that word, in milliseconds. Guessed. */
const LAST_WORDS = 1000;

const TOO_SLOW = "read too slowly";

const UTF8 = new TextEncoder();

/** Writes whole lines to one reader, in order, as fast as it reads. */
export class Outbox {
  readonly #conn: Duplex;
  readonly #options: OutboxOptions;
  readonly #queue: LineQueue;
  readonly #pressure: Pressure;
  readonly #over = Promise.withResolvers<string>();
  #closed = false;
  /** Ends when nothing waits any more; it does not reject. */
  #work: Promise<void> | undefined;

  /** Writes to `conn`, which nobody else does. */
  constructor(conn: Duplex, options: OutboxOptions) {
    const { slow, queue, world } = options;
    this.#conn = conn;
    this.#options = options;
    this.#queue = new LineQueue(queue, slow === "drop" ? "oldest" : "newest");
    this.#pressure = new Pressure(world);
  }

  /** Bytes that wait, and those being written. */
  get held(): number {
    return this.#queue.held;
  }

  /** Resolves when there is room again, or the reader is known to be slow. */
  get pressed(): Promise<void> | undefined {
    return this.#pressure.relief;
  }

  /** Resolves with the reason when the reader is given up; rejects when a write fails. */
  get over(): Promise<string> {
    return this.#over.promise;
  }

  /** Takes a line with its newline, to be written as soon as the reader lets it. */
  tell(line: Uint8Array): void {
    if (this.#closed) return;
    const { slow, queue } = this.#options;
    if (!this.#queue.push(line) && slow === "disconnect") return this.#sendAway();
    this.#work ??= this.#write();
    if (this.held > queue / 2) this.#pressure.rise();
  }

  /** Takes a short line of the room's own, which finds room in a full queue as well. */
  insist(line: string): void {
    if (this.#closed) return;
    this.#queue.force(UTF8.encode(`${line}\n`));
    this.#work ??= this.#write();
  }

  /** Takes no more, and resolves when all is written, or could not be within `patience` ms. */
  async finish(patience: number, why = "did not read to the end"): Promise<void> {
    this.#closed = true;
    this.#pressure.end();
    if (this.#work) await this.#cutAfter(patience, why, this.#work);
  }

  async #write(): Promise<void> {
    const { queue, stallTimeout } = this.#options;
    try {
      for (let bytes; (bytes = this.#queue.take()) !== undefined;) {
        this.#pressure.begin();
        await this.#cutAfter(stallTimeout, "did not read", writeAll(this.#conn, bytes));
        this.#queue.done();
        this.#pressure.fall(this.held, queue);
      }
    } catch (error) {
      this.#pressure.end();
      this.#over.reject(error);
    }
    this.#work = undefined;
  }

  /** Says why, after the write under way and instead of all that waits. */
  #sendAway(): void {
    this.#queue.clear();
    this.insist("* you read too slowly for this room. Goodbye!");
    this.finish(LAST_WORDS, TOO_SLOW).then(() => this.#over.resolve(TOO_SLOW));
  }

  /** Waits for `work`, and cuts the connection if that takes longer. */
  async #cutAfter(ms: number, why: string, work: Promise<void>): Promise<void> {
    const { world } = this.#options;
    const done = new AbortController();
    world.sleep(ms, { signal: done.signal }).then(() => {
      // First, since all that is pending on it fails by this, and that is not the reason.
      this.#over.resolve(why);
      this.#conn[Symbol.dispose]();
    }, () => {});
    try {
      await work;
    } finally {
      done.abort();
    }
  }
}
