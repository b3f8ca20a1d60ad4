/**
 * Keeps asking servers whether they are well, and tells when one goes up or down.
 *
 * @example A server that never answers
 * ```ts
 * import { watchHealth } from "@tcplab/tcplab/proxy";
 * import { seededWorld } from "@tcplab/tcplab/world";
 * import { assertEquals } from "@std/assert";
 *
 * const world = seededWorld(1);
 * const changes: string[] = [];
 * const refused = { ok: false, status: "L4CON", detail: "refused", duration: 0 } as const;
 * await using watch = watchHealth([{ id: "a", target: "10.0.0.1:80" }], {
 *   probe: () => Promise.resolve(refused),
 *   initial: "fully-up",
 *   world,
 *   onChange: (id, { up, reason }) => changes.push(`${id} ${up ? "up" : "down"} ${reason}`),
 * });
 * await world.advance(10_000);
 * assertEquals(changes, ["a down 3/3 L4CON: refused"]);
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import {
  blameHealth,
  type CheckResult,
  firstHealth,
  type HealthPolicy,
  type HealthState,
  nextCheck,
  type OnError,
  stepHealth,
} from "./health_state.ts";

/** What a probe may use. */
export interface ProbeContext {
  /** The most milliseconds it may take. */
  readonly timeout: number;
  /** Aborts when that time is over, or nobody wants its result any more. */
  readonly signal: AbortSignal;
  /** The clock. */
  readonly world: World;
}

/**
 * Asks a server once, and resolves with what it found. It leaves nothing open, and should
 * not throw: that would be a fault of the check, `"SOCKERR"`.
 */
export type Probe<T> = (target: T, context: ProbeContext) => Promise<CheckResult>;

/** A server to be watched. */
export interface WatchedServer<T> {
  /** Its name. */
  readonly id: string;
  /** What the probe is given. */
  readonly target: T;
}

/** Options for {@linkcode watchHealth}. */
export interface WatchHealthOptions<T> extends HealthPolicy {
  /** How to ask. */
  probe: Probe<T>;
  /**
   * The most milliseconds that a check may take.
   *
   * @default {interval}
   */
  timeout?: number;
  /**
   * How many failures of real traffic in a row are too many: see
   * {@linkcode HealthWatch.report}.
   *
   * @default {10}
   */
  errorLimit?: number;
  /**
   * What comes of them. Whichever it is, the server is checked soon.
   *
   * @default {"fail-check"}
   */
  onError?: OnError;
  /** Told when a server goes up or down. */
  onChange?: (id: string, state: HealthState) => void;
  /** Told of every check. */
  onCheck?: (id: string, result: CheckResult, state: HealthState) => void;
  /** Ends it now. */
  signal?: AbortSignal | undefined;
  /**
   * The clock and the dice.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** A running watch. Disposing it ends it, and waits for checks under way. */
export interface HealthWatch<T> extends AsyncDisposable {
  /** Resolves when the last check is over, after the signal or being disposed. */
  readonly finished: Promise<void>;
  /** How a server is; `undefined` if there is none of that name. */
  state(id: string): HealthState | undefined;
  /** How all of them are. */
  readonly states: ReadonlyMap<string, HealthState>;
  /**
   * Adds a server, whose first check is at once.
   *
   * @throws {TypeError} If there is one of that name.
   */
  add(server: WatchedServer<T>): void;
  /** Removes a server; says whether there was one. */
  remove(id: string): boolean;
  /** Checks a server no more, as under maintenance, until it is resumed. */
  suspend(id: string): void;
  /** Checks it again, at once. */
  resume(id: string): void;
  /** Tells what became of real traffic: failures in a row count against a server. */
  report(id: string, ok: boolean, detail?: string): void;
}

/**
 * Checks each server again and again until it is disposed or `signal` aborts. The first checks
 * are spread over one interval.
 *
 * A check that does not end in time is cut off, and has failed with the layer it had come to,
 * if the probe says so, or else `"SOCKERR"`.
 *
 * @throws {RangeError} If an option is out of range.
 */
export function watchHealth<T>(
  servers: Iterable<WatchedServer<T>>,
  options: WatchHealthOptions<T>,
): HealthWatch<T> {
  return new Watch([...servers], options);
}

/** One server under watch. */
class Patient<T> {
  readonly target: T;
  state: HealthState;
  /** Failures of real traffic in a row. */
  errors = 0;
  suspended = false;
  /** Ends the wait for the next check. */
  wake: () => void = () => {};
  /** Ends it all. */
  readonly gone = new AbortController();

  constructor(target: T, state: HealthState) {
    this.target = target;
    this.state = state;
  }
}

class Watch<T> implements HealthWatch<T> {
  readonly finished: Promise<void>;
  readonly #options: WatchHealthOptions<T>;
  readonly #timeout: number;
  readonly #errorLimit: number;
  readonly #world: World;
  readonly #patients = new Map<string, Patient<T>>();
  readonly #running = new Set<Promise<void>>();
  readonly #over = Promise.withResolvers<void>();
  #ended = false;

  constructor(servers: readonly WatchedServer<T>[], options: WatchHealthOptions<T>) {
    const { interval = 2000, timeout = interval, errorLimit = 10, signal } = options;
    this.#options = options;
    this.#timeout = timeout;
    this.#errorLimit = errorLimit;
    this.#world = options.world ?? realWorld;
    this.finished = this.#over.promise;
    firstHealth(options, 0); // before anything starts, a wrong policy throws
    if (!(timeout > 0)) throw wrong("timeout", "> 0", timeout);
    if (!(errorLimit >= 1)) throw wrong("errorLimit", ">= 1", errorLimit);
    for (const [i, server] of servers.entries()) {
      this.#start(server, interval * i / servers.length);
    }
    signal?.addEventListener("abort", () => this.#end(), { once: true });
    if (signal?.aborted) this.#end();
  }

  get states(): ReadonlyMap<string, HealthState> {
    return new Map([...this.#patients].map(([id, { state }]) => [id, state]));
  }

  state(id: string): HealthState | undefined {
    return this.#patients.get(id)?.state;
  }

  add(server: WatchedServer<T>): void {
    this.#start(server, 0);
  }

  remove(id: string): boolean {
    this.#patients.get(id)?.gone.abort();
    return this.#patients.delete(id);
  }

  suspend(id: string): void {
    const patient = this.#patients.get(id);
    if (patient !== undefined) patient.suspended = true;
  }

  resume(id: string): void {
    const patient = this.#patients.get(id);
    if (!patient?.suspended) return;
    patient.suspended = false;
    patient.wake();
  }

  report(id: string, ok: boolean, detail = "real traffic failed"): void {
    const patient = this.#patients.get(id);
    if (patient === undefined || this.#ended) return;
    patient.errors = ok ? 0 : patient.errors + 1;
    if (patient.errors < this.#errorLimit) return;
    const { onError = "fail-check" } = this.#options;
    const count = patient.errors === 1 ? "1 error" : `${patient.errors} errors`;
    const told = `${count} in a row, the last: ${detail}`;
    patient.errors = 0;
    this.#turn(id, patient, blameHealth(patient.state, onError, told, this.#world.now()));
    patient.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.finished;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const patient of this.#patients.values()) patient.gone.abort();
    Promise.all(this.#running).then(() => this.#over.resolve());
  }

  #start({ id, target }: WatchedServer<T>, delay: number): void {
    if (this.#patients.has(id)) {
      throw new TypeError(`Cannot watch a server as its name must be new: current value is ${id}`);
    }
    const patient = new Patient(target, firstHealth(this.#options, this.#world.now()));
    this.#patients.set(id, patient);
    if (this.#ended) return;
    const running = this.#watch(id, patient, delay).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** The life of one server under watch. */
  async #watch(id: string, patient: Patient<T>, delay: number): Promise<void> {
    const { signal } = patient.gone;
    await this.#rest(patient, delay);
    while (!signal.aborted) {
      if (patient.suspended) {
        await this.#rest(patient, Infinity);
        continue;
      }
      const started = this.#world.now();
      const result = await this.#check(patient);
      if (signal.aborted) return;
      // Maintenance began meanwhile: what the server does now means nothing.
      if (patient.suspended) continue;
      this.#turn(id, patient, stepHealth(patient.state, result, this.#world.now()), result);
      const due = started + nextCheck(patient.state, this.#world.random());
      await this.#rest(patient, Math.max(0, due - this.#world.now()));
    }
  }

  /** Waits, until somebody wakes it. */
  async #rest(patient: Patient<T>, ms: number): Promise<void> {
    const woken = new AbortController();
    patient.wake = () => woken.abort();
    const signal = AbortSignal.any([woken.signal, patient.gone.signal]);
    await this.#world.sleep(ms, { signal }).catch(() => {});
    patient.wake = () => {};
  }

  async #check({ target, gone }: Patient<T>): Promise<CheckResult> {
    const world = this.#world;
    const started = world.now();
    const cut = new AbortController();
    const settled = new AbortController();
    const signal = AbortSignal.any([gone.signal, cut.signal]);
    const timeout = this.#timeout;
    world.sleep(timeout, { signal: settled.signal }).then(
      () => cut.abort(new DOMException(`No result within ${timeout} ms`, "TimeoutError")),
      () => {},
    );
    try {
      return await this.#options.probe(target, { timeout, signal, world });
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return { ok: false, status: "SOCKERR", detail, duration: world.now() - started };
    } finally {
      settled.abort();
    }
  }

  #turn(id: string, patient: Patient<T>, next: HealthState, result?: CheckResult): void {
    const changed = next.up !== patient.state.up;
    patient.state = next;
    const { onCheck, onChange } = this.#options;
    if (result !== undefined) onCheck?.(id, result, next);
    if (changed) onChange?.(id, next);
  }
}

function wrong(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot watch as '${name}' must be ${rule}: current value is ${value}`);
}
