/**
 * The race of Happy Eyeballs (RFC 8305): connects to whichever address of a name answers
 * first, as an {@linkcode EyeballsPlan} says, and keeps a record.
 *
 * @module
 */

import type { World } from "../world.ts";
import { type EyeballsOptions, EyeballsPlan, type Family } from "./eyeballs_plan.ts";
import type { ConnectRecord, LookupRecord, RaceRecord } from "./race_record.ts";

/**
 * Finds the addresses of `family` that `hostname` has, in the order to try them. That there
 * are none may be said by an empty list or by an error with the code `"ENOTFOUND"`. It need
 * not heed `signal`: what comes later than anybody waits for it is ignored.
 */
export type Resolve = (
  hostname: string,
  family: Family,
  options: { signal: AbortSignal },
) => Promise<readonly string[]>;

/** What a race needs. */
export interface RaceOptions<Conn extends Disposable> extends EyeballsOptions {
  /** Finds addresses. It is called for both families at once, the preferred one first. */
  resolve: Resolve;
  /** Connects to an address. One that succeeds although its signal has aborted is closed. */
  connect: (address: string, signal: AbortSignal) => Promise<Conn>;
  /**
   * Whether to try an address that was found.
   *
   * @default {() => true}
   */
  admits?: (address: string) => boolean;
  /** Calls it off, with the signal's reason. */
  signal: AbortSignal;
  /** The clock. */
  world: World;
}

/** How a race ended. */
export type RaceResult<Conn> =
  & RaceRecord
  & ({ readonly conn: Conn } | { readonly conn?: undefined; readonly errors: readonly unknown[] });

/**
 * Races to the addresses of `hostname`. The result has the connection, which is the caller's,
 * or the errors of all that failed: of the attempts to connect or, without any, of the lookups.
 * It never rejects; that it was called off is an error like any other, and the only one.
 *
 * Losers are aborted when the race is over, and closed if they connect nevertheless.
 */
export function race<Conn extends Disposable>(
  hostname: string,
  options: RaceOptions<Conn>,
): Promise<RaceResult<Conn>> {
  return new Race(hostname, options).result;
}

/** A record that is still being written. */
type Draft<T> = { -readonly [Key in keyof T]: T[Key] };

/** A reason to abort with: without one, each abort would cost an exception with its stack. */
const OVER = "the race is over";

class Race<Conn extends Disposable> {
  readonly result: Promise<RaceResult<Conn>>;
  readonly #settle: (result: RaceResult<Conn>) => void;
  readonly #options: RaceOptions<Conn>;
  readonly #plan: EyeballsPlan;
  readonly #lookups: Draft<LookupRecord>[] = [];
  readonly #connects: Draft<ConnectRecord>[] = [];
  /** Aborts when the race is over: with it end the losers, the lookups and the timer. */
  readonly #over = new AbortController();
  /** When the timer will ring, and how to stop it. */
  #alarm: { readonly at: number; readonly off: AbortController } | undefined;

  constructor(hostname: string, options: RaceOptions<Conn>) {
    ({ promise: this.result, resolve: this.#settle } = Promise.withResolvers());
    this.#options = options;
    this.#plan = new EyeballsPlan(options);
    const { signal, prefer = 6 } = options;
    signal.addEventListener("abort", this.#calledOff);
    for (const family of prefer === 6 ? [6, 4] as const : [4, 6] as const) {
      void this.#lookUp(hostname, family);
    }
    if (signal.aborted) this.#calledOff();
  }

  async #lookUp(hostname: string, family: Family): Promise<void> {
    const { resolve, world, admits = () => true } = this.#options;
    const started = world.now();
    const known = { family, started, ended: started, addresses: [] };
    const draft: Draft<LookupRecord> = { ...known, outcome: "dropped" };
    this.#lookups.push(draft);
    let found: Pick<LookupRecord, "outcome" | "addresses" | "error">;
    try {
      const addresses = [...await resolve(hostname, family, { signal: this.#over.signal })];
      found = { outcome: "answered", addresses };
    } catch (error) {
      found = { outcome: "failed", addresses: [], error };
    }
    if (this.#over.signal.aborted) return;
    Object.assign(draft, found, { ended: world.now() });
    this.#plan.answered(family, found.addresses.filter(admits), draft.ended);
    this.#step();
  }

  async #connect(hostname: string): Promise<void> {
    const { connect, world } = this.#options;
    const started = world.now();
    const draft: Draft<ConnectRecord> = { hostname, started, ended: started, outcome: "dropped" };
    this.#connects.push(draft);
    try {
      const conn = await connect(hostname, this.#over.signal);
      if (this.#over.signal.aborted) return conn[Symbol.dispose](); // it came second
      Object.assign(draft, { outcome: "connected", ended: world.now() });
      this.#end({ conn }, draft.ended);
    } catch (error) {
      if (this.#over.signal.aborted) return;
      Object.assign(draft, { outcome: "failed", ended: world.now(), error });
      this.#plan.failed(draft.ended);
      this.#step();
    }
  }

  /** Does what the plan says until it says to wait. */
  #step(): void {
    while (!this.#over.signal.aborted) {
      const step = this.#plan.next(this.#options.world.now());
      if (step.do === "wait") return this.#ringAt(step.until);
      if (step.do === "give up") return this.#end({ errors: this.#errors() });
      void this.#connect(step.address);
    }
  }

  #errors(): unknown[] {
    const records = this.#connects.length > 0 ? this.#connects : this.#lookups;
    return records.filter(({ outcome }) => outcome === "failed").map(({ error }) => error);
  }

  #ringAt(at: number): void {
    if (this.#alarm?.at === at) return;
    this.#alarm?.off.abort(OVER);
    this.#alarm = undefined;
    if (at === Infinity) return;
    const off = new AbortController();
    this.#alarm = { at, off };
    const { world } = this.#options;
    world.sleep(at - world.now(), { signal: off.signal }).then(() => {
      this.#alarm = undefined;
      this.#step();
    }, () => {}); // another time was set, or the race is over
  }

  readonly #calledOff = (): void => {
    if (this.#over.signal.aborted) return;
    this.#end({ errors: [this.#options.signal.reason] });
  };

  #end(
    how: { conn: Conn } | { errors: readonly unknown[] },
    now = this.#options.world.now(),
  ): void {
    const { signal } = this.#options;
    signal.removeEventListener("abort", this.#calledOff);
    this.#alarm?.off.abort(OVER);
    this.#over.abort(OVER);
    const dropped = ({ outcome }: { outcome: string }) => outcome === "dropped";
    for (const draft of this.#lookups.filter(dropped)) draft.ended = now;
    for (const draft of this.#connects.filter(dropped)) draft.ended = now;
    this.#settle({ ...how, lookups: this.#lookups, connects: this.#connects });
  }
}
