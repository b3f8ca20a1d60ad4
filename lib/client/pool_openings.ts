/**
 * What a pool has asked for and does not have yet.
 *
 * @module
 */

import type { World } from "../world.ts";
import { backoffDelay } from "./backoff.ts";

/** Options for {@linkcode Openings}. */
export interface OpeningsOptions<Resource> {
  /** Opens one. */
  open: (info: { signal: AbortSignal }) => Resource | Promise<Resource>;
  /** The most milliseconds that one may take. */
  timeout: number;
  /** The clock and the dice. */
  world: World;
  /** One is open, and took so many milliseconds. */
  opened: (resource: Resource, took: number) => void;
  /** One is not. */
  failed: (error: unknown) => void;
  /** One is open that nobody counts on any more. */
  unwanted: (resource: Resource) => void;
}

/** One that is being opened. */
interface Opening {
  readonly started: number;
  readonly due: number;
  readonly cut: AbortController;
}

/** Openings on their way, and when the next one makes sense after some that failed. */
export class Openings<Resource> {
  /** No use to try before that, on the world's clock, unless somebody insists. */
  retryAt = -Infinity;
  /** No use to fill up to the minimum before that: what was opened for it died at once. */
  fillAt = -Infinity;
  /** What the last one threw, until one goes well. */
  lastFailure: unknown;
  /** Rounds that failed in a row. */
  #failures = 0;
  /** Rounds of such deaths in a row. */
  #deaths = 0;
  readonly #all = new Set<Opening>();
  readonly #options: OpeningsOptions<Resource>;

  /** Opens nothing yet. */
  constructor(options: OpeningsOptions<Resource>) {
    this.#options = options;
  }

  /** How many are on their way. */
  get size(): number {
    return this.#all.size;
  }

  /** Begins one. Whatever `open` does, it is told of later, never at once. */
  begin(now: number): void {
    const { open, timeout } = this.#options;
    const opening = { started: now, due: now + timeout, cut: new AbortController() };
    this.#all.add(opening);
    Promise.try(open, { signal: opening.cut.signal }).then(
      (resource) => this.#opened(opening, resource),
      (error) => this.#failed(opening, error),
    );
  }

  /** Gives up those that take too long; returns when the next one does. */
  giveUpLate(now: number): number {
    const { timeout } = this.#options;
    let due = Infinity;
    for (const opening of this.#all) {
      if (opening.due > now) {
        due = Math.min(due, opening.due);
        continue;
      }
      const late = new DOMException(`Cannot open within ${timeout} ms`, "TimeoutError");
      opening.cut.abort(late);
      this.#failed(opening, late);
    }
    return due;
  }

  /** Gives up all, and tells nobody. */
  abandon(reason: unknown): void {
    const all = [...this.#all];
    this.#all.clear();
    for (const { cut } of all) cut.abort(reason);
  }

  /**
   * One that was opened then died before anybody had it, as a server does it that accepts and
   * closes: what replaces it waits, longer each time, unless it has lived as long as that.
   * Whether it is to wait.
   */
  diedUnused(opened: number): boolean {
    const { world } = this.#options;
    const now = world.now();
    if (opened >= this.fillAt) {
      this.fillAt = opened + backoffDelay(++this.#deaths, world.random());
      if (this.fillAt <= now) this.#deaths = 0;
    }
    return this.fillAt > now;
  }

  #opened(opening: Opening, resource: Resource): void {
    const { world, opened, unwanted } = this.#options;
    if (!this.#all.delete(opening)) return unwanted(resource);
    this.#failures = 0;
    this.retryAt = -Infinity;
    this.lastFailure = undefined;
    opened(resource, world.now() - opening.started);
  }

  #failed(opening: Opening, error: unknown): void {
    if (!this.#all.delete(opening)) return;
    const { world, failed } = this.#options;
    this.lastFailure = error;
    // Fifty that were begun together and fail are one failure, not fifty in a row.
    if (opening.started >= this.retryAt) {
      this.retryAt = world.now() + backoffDelay(++this.#failures, world.random());
    }
    failed(error);
  }
}
