/**
 * What a balancer knows of one server.
 *
 * @module
 */

import type { Candidate } from "./balance_chooser.ts";

/**
 * Whether a server takes connections: `"ready"` does; one that drains takes no new ones, and
 * keeps those it has; one under maintenance is not checked, either.
 */
export type ServerMode = "ready" | "drain" | "maintenance";

/** What can be set of a server; what is missing stays as it is. */
export interface ServerSettings {
  /**
   * How much of the traffic is its due, compared with the others; 0 takes no new connections.
   *
   * @default {1}
   */
  weight?: number;
  /**
   * Whether it serves only when no other one can.
   *
   * @default {false}
   */
  backup?: boolean;
  /**
   * The most connections it may have at once.
   *
   * @default {Infinity}
   */
  maxConns?: number;
  /**
   * What the operator wants of it.
   *
   * @default {"ready"}
   */
  mode?: ServerMode;
  /**
   * What the checks say of it.
   *
   * @default {true}
   */
  up?: boolean;
}

/** How a server is at a moment. */
export interface ServerStatus<T> extends Required<ServerSettings> {
  /** Its name. */
  readonly id: string;
  /** What it is. */
  readonly target: T;
  /** How many connections it has. */
  readonly active: number;
  /** Its weight now: less than all of it during a slow start. */
  readonly effectiveWeight: number;
  /** Its limit now. */
  readonly effectiveMaxConns: number;
}

/** Where a slow start begins: a guess. From 0 on, a server that is alone would never serve. */
const FIRST_STEP = 0.01;

/** One server. */
export class BalancedServer<T> {
  /** Its name. */
  readonly id: string;
  /** What it is. */
  readonly target: T;
  /** How many connections it has. */
  active = 0;
  /** Whether it serves only when no other one can. */
  backup = false;
  #weight = 1;
  #maxConns = Infinity;
  #mode: ServerMode = "ready";
  #up = true;
  #failed = false;
  /** When it came back; missing if it never failed, or was away by order only. */
  #back: number | undefined;
  readonly #slowStart: number;

  /** Is up and ready. */
  constructor(id: string, target: T, slowStart: number) {
    this.id = id;
    this.target = target;
    this.#slowStart = slowStart;
  }

  /** Changes it; says whether it has just come back from a failure. */
  set(settings: ServerSettings, now: number, when: "at first" | "later"): boolean {
    const { weight = this.#weight, maxConns = this.#maxConns } = settings;
    const { backup = this.backup, mode = this.#mode, up = this.#up } = settings;
    if (!(weight >= 0 && weight < Infinity)) {
      throw new RangeError(`Cannot balance as 'weight' must be >= 0: current value is ${weight}`);
    }
    if (!(maxConns >= 1)) {
      throw new RangeError(
        `Cannot balance as 'maxConns' must be >= 1: current value is ${maxConns}`,
      );
    }
    const back = up && !this.#up && this.#failed;
    if (back) this.#back = now;
    // One that begins down, until a check has seen it, has not failed.
    if (!up && this.#up) this.#failed = when === "later";
    this.#weight = weight;
    this.#maxConns = maxConns;
    this.backup = backup;
    this.#mode = mode;
    this.#up = up;
    return back;
  }

  /** Why it may not be chosen, whoever asks. */
  unusable(): "maintenance" | "draining" | "weight 0" | "down" | undefined {
    if (this.#mode === "maintenance") return "maintenance";
    if (this.#mode === "drain") return "draining";
    if (this.#weight === 0) return "weight 0";
    return this.#up ? undefined : "down";
  }

  /** How many connections it may have now: one at least. */
  limit(now: number): number {
    if (this.#maxConns === Infinity) return Infinity;
    return Math.max(1, Math.floor(this.#maxConns * this.#step(now)));
  }

  /** Whether it has as many as it may have. */
  full(now: number): boolean {
    return this.active >= this.limit(now);
  }

  /** What is looked at to choose it. */
  candidate(now: number): Candidate {
    return { id: this.id, weight: this.#weight * this.#step(now), active: this.active };
  }

  /** All of it. */
  status(now: number): ServerStatus<T> {
    return {
      id: this.id,
      target: this.target,
      weight: this.#weight,
      backup: this.backup,
      maxConns: this.#maxConns,
      mode: this.#mode,
      up: this.#up,
      active: this.active,
      effectiveWeight: this.#weight * this.#step(now),
      effectiveMaxConns: this.limit(now),
    };
  }

  /** How far its slow start has come, up to 1. */
  #step(now: number): number {
    if (this.#back === undefined || this.#slowStart === 0) return 1;
    return Math.min(1, Math.max(FIRST_STEP, (now - this.#back) / this.#slowStart));
  }
}
