/**
 * Which server takes the next connection. It decides and counts; it opens nothing and waits
 * for nothing. Servers may be anything: addresses, pools, functions.
 *
 * @example A server that is down is passed over, and the decision says so
 * ```ts
 * import { Balancer } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const balancer = new Balancer<string>();
 * balancer.add("a", "10.0.0.1:80");
 * balancer.add("b", "10.0.0.2:80");
 * balancer.set("a", { up: false });
 *
 * const decision = balancer.pick();
 * assertEquals(decision.lease?.target, "10.0.0.2:80");
 * assertEquals(decision.explain.candidates, [
 *   { id: "a", verdict: "down" },
 *   { id: "b", verdict: "chosen", weight: 1, active: 0 },
 * ]);
 * decision.lease?.release(); // when the connection has ended
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { type Algorithm, chooser } from "./balance_algorithms.ts";
import type { Candidate, Chooser } from "./balance_chooser.ts";
import { Lease } from "./balance_lease.ts";
import { BalancedServer, type ServerSettings, type ServerStatus } from "./balance_server.ts";

/** Options for {@linkcode Balancer}. */
export interface BalancerOptions {
  /**
   * How to choose.
   *
   * @default {"round-robin"}
   */
  algorithm?: Algorithm;
  /**
   * The milliseconds in which a server that has come back grows from a hundredth of its
   * weight and of its limit to all of them, linearly. Only after a failure: never at first.
   *
   * @default {0}
   */
  slowStart?: number;
  /**
   * What becomes of a connection when no server is up: `"refuse"` places it nowhere, `"try"`
   * chooses among those that are down, since it may be the checks that are wrong. Who drains
   * or is under maintenance is never tried.
   *
   * @default {"refuse"}
   */
  whenAllDown?: "refuse" | "try";
  /**
   * The clock and the dice.
   *
   * @default {realWorld}
   */
  world?: Pick<World, "now" | "random">;
}

/** What is known of the connection to be placed. */
export interface PickRequest {
  /**
   * What it is recognized by: for `"source-hash"`, the client's address, without its port.
   *
   * @default {""}
   */
  key?: string;
  /**
   * The servers that were tried for it in vain, by name: they are passed over.
   *
   * @default {[]}
   */
  tried?: Iterable<string>;
}

/** What a decision says of one server. */
export interface CandidateReport {
  /** Its name. */
  readonly id: string;
  /**
   * `"chosen"`, `"passed over"` by the algorithm, or why it could not be chosen. Who is
   * `"backup"` was not needed.
   */
  readonly verdict:
    | "chosen"
    | "passed over"
    | "maintenance"
    | "draining"
    | "weight 0"
    | "down"
    | "tried"
    | "full"
    | "backup";
  /** Its weight at that moment, if it could be chosen. */
  readonly weight?: number;
  /** Its connections before, if it could be chosen. */
  readonly active?: number;
  /** Its limit at that moment, if that was why. */
  readonly limit?: number;
}

/** Why a decision is what it is. */
export interface Explained {
  /** How it was chosen. */
  readonly algorithm: Algorithm;
  /** Who was chosen from: all are `"none"` if nobody could be. */
  readonly tier: "primary" | "backup" | "down" | "none";
  /** Every server, in order. */
  readonly candidates: readonly CandidateReport[];
}

/**
 * Why no server was chosen: there are none, those that are not down were tried, those that
 * are left are full, all are down, or none takes connections, since some are down, and some drain,
 * are under maintenance or have weight 0.
 */
export type Refusal = "no servers" | "all tried" | "all full" | "all down" | "none ready";

/** A decision. */
export interface Decision<T> {
  /** The place on the server that was chosen; missing if none was. Release it. */
  readonly lease?: Lease<T>;
  /** Why there is none. */
  readonly refusal?: Refusal;
  /** How it came about. */
  readonly explain: Explained;
}

/** Knows the servers, and chooses among them. */
export class Balancer<T> {
  /** How it chooses. */
  readonly algorithm: Algorithm;
  readonly #slowStart: number;
  readonly #whenAllDown: "refuse" | "try";
  readonly #world: Pick<World, "now" | "random">;
  readonly #chooser: Chooser;
  readonly #servers = new Map<string, BalancedServer<T>>();
  readonly #listeners = new Set<() => void>();

  /**
   * Knows no server yet: see {@linkcode add}.
   *
   * @throws {RangeError} If `slowStart` is not >= 0.
   */
  constructor(options: BalancerOptions = {}) {
    const { algorithm = "round-robin", slowStart = 0, whenAllDown = "refuse" } = options;
    const { world = realWorld } = options;
    if (!(slowStart >= 0)) {
      throw new RangeError(
        `Cannot balance as 'slowStart' must be >= 0: current value is ${slowStart}`,
      );
    }
    this.algorithm = algorithm;
    this.#slowStart = slowStart;
    this.#whenAllDown = whenAllDown;
    this.#world = world;
    this.#chooser = chooser(algorithm);
  }

  /** How the servers are now, in order. */
  get servers(): ServerStatus<T>[] {
    const now = this.#world.now();
    return [...this.#servers.values()].map((server) => server.status(now));
  }

  /**
   * Adds a server, which is up and ready unless `settings` say otherwise.
   *
   * @throws {TypeError} If there is one of that name.
   * @throws {RangeError} As {@linkcode set} does.
   */
  add(id: string, target: T, settings: ServerSettings = {}): void {
    if (this.#servers.has(id)) {
      throw new TypeError(`Cannot add a server as its name must be new: current value is ${id}`);
    }
    const server = new BalancedServer(id, target, this.#slowStart);
    server.set(settings, this.#world.now(), "at first");
    this.#servers.set(id, server);
    this.#changed();
  }

  /**
   * Changes a server while it serves. Connections that it has are left alone.
   *
   * @throws {TypeError} If there is none of that name.
   * @throws {RangeError} If a weight is not >= 0, or a limit not >= 1. Nothing is changed then.
   */
  set(id: string, settings: ServerSettings): void {
    const server = this.#servers.get(id);
    if (server === undefined) {
      throw new TypeError(`Cannot set a server as there must be one: current value is ${id}`);
    }
    const back = server.set(settings, this.#world.now(), "later");
    if (back) this.#chooser.forget?.(id);
    this.#changed();
  }

  /** Removes a server; connections that it has are left alone. Says whether there was one. */
  remove(id: string): boolean {
    this.#chooser.forget?.(id);
    const removed = this.#servers.delete(id);
    if (removed) this.#changed();
    return removed;
  }

  /** Calls `listener` whenever a place may have become free. What it returns ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Chooses a server, and counts a connection to it until the lease is released.
   *
   * Backup servers are chosen from only when no other one is up, ready and untried; that all
   * others are full is no reason.
   */
  pick(request: PickRequest = {}): Decision<T> {
    const { key = "", tried = [] } = request;
    const now = this.#world.now();
    const avoided = new Set(tried);
    const { tier, usable } = this.#tier(avoided);
    const free = usable.filter((server) => !server.full(now));
    const candidates = free.map((server): Candidate => server.candidate(now));
    const chosen = candidates.length === 0
      ? undefined
      : this.#chooser.choose(candidates, { key, random: this.#world.random });
    const reports = [...this.#servers.values()].map((server): CandidateReport => {
      const { id } = server;
      const candidate = candidates.find((candidate) => candidate.id === id);
      if (candidate !== undefined) {
        return { verdict: candidate === chosen ? "chosen" : "passed over", ...candidate };
      }
      if (usable.includes(server)) return { id, verdict: "full", limit: server.limit(now) };
      return { id, verdict: server.unusable() ?? (avoided.has(id) ? "tried" : "backup") };
    });
    const explain = { algorithm: this.algorithm, tier, candidates: reports };
    if (chosen === undefined) return { refusal: this.#refusal(usable, avoided), explain };
    const server = this.#servers.get(chosen.id)!;
    server.active++;
    const lease = new Lease(chosen.id, server.target, () => {
      server.active--;
      this.#changed();
    });
    return { lease, explain };
  }

  /** Whom to choose from, be they full or not. */
  #tier(avoided: ReadonlySet<string>): { tier: Explained["tier"]; usable: BalancedServer<T>[] } {
    const all = [...this.#servers.values()].filter(({ id }) => !avoided.has(id));
    const up = all.filter((server) => server.unusable() === undefined);
    const primary = up.filter(({ backup }) => !backup);
    if (primary.length > 0) return { tier: "primary", usable: primary };
    if (up.length > 0) return { tier: "backup", usable: up };
    const anyUp = [...this.#servers.values()].some((server) => server.unusable() === undefined);
    if (this.#whenAllDown === "refuse" || anyUp) return { tier: "none", usable: [] };
    const down = all.filter((server) => server.unusable() === "down");
    return { tier: down.length > 0 ? "down" : "none", usable: down };
  }

  #refusal(usable: readonly BalancedServer<T>[], avoided: ReadonlySet<string>): Refusal {
    if (usable.length > 0) return "all full";
    if (this.#servers.size === 0) return "no servers";
    const all = [...this.#servers.values()];
    const left = all.some((server) => {
      const why = server.unusable();
      const eligible = why === undefined || (why === "down" && this.#whenAllDown === "try");
      return eligible && avoided.has(server.id);
    });
    if (left) return "all tried";
    return all.every((server) => server.unusable() === "down") ? "all down" : "none ready";
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
