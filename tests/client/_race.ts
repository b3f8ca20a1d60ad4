/** A scripted network for races: who answers what and when, and a log of what was done. */

import { race, type RaceResult } from "../../lib/client/eyeballs.ts";
import type { EyeballsOptions, Family } from "../../lib/client/eyeballs_plan.ts";
import { type SeededWorld, seededWorld } from "../../lib/world.ts";

/** How one lookup goes. */
export interface LookupScript {
  /** When it ends; `Infinity` is never. */
  at: number;
  /** What it finds; an error fails it. */
  gives: readonly string[] | Error;
}

/** How one address behaves. */
export interface HostScript {
  /** How long after the attempt has started; `Infinity` is never. */
  after: number;
  /** Whether it connects then, or fails. */
  connects: boolean;
  /** Whether it goes on when it is aborted, as a connection made in that moment does. */
  deaf?: boolean;
}

/** A whole network. */
export interface Script {
  lookups: Record<Family, LookupScript>;
  hosts: Record<string, HostScript>;
  options?: EyeballsOptions;
  /** When the race is called off. */
  abortAt?: number;
}

/** One thing that happened. */
export interface Happening {
  at: number;
  what: "lookup" | "start" | "connected" | "failed" | "closed" | "aborted";
  who: string;
}

/** What a race did. */
export interface Course {
  log: readonly Happening[];
  result: RaceResult<FakeConn>;
  /** When the result was there. */
  ended: number;
  world: SeededWorld;
}

/** A connection that knows whether it was closed. */
export class FakeConn implements Disposable {
  /** Whether it was disposed. */
  closed = false;
  readonly #onClose: () => void;

  /** Of `address`; `onClose` hears of its end. */
  constructor(readonly address: string, onClose: () => void) {
    this.#onClose = onClose;
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.#onClose();
  }
}

/** Runs the race of `script` until it and all that it started is over. */
export async function runRace(script: Script): Promise<Course> {
  const world = seededWorld(1);
  const log: Happening[] = [];
  const note = (what: Happening["what"], who: string) => log.push({ at: world.now(), what, who });
  const { lookups, hosts, options = {}, abortAt = Infinity } = script;
  const caller = new AbortController();
  void world.sleep(abortAt).then(() => {
    note("aborted", "caller");
    caller.abort(new Error("called off"));
  });
  let ended = NaN;
  const racing = race("name", {
    ...options,
    world,
    signal: caller.signal,
    resolve: async (_, family, { signal }) => {
      const { at, gives } = lookups[family];
      await world.sleep(at, { signal });
      note("lookup", String(family));
      if (gives instanceof Error) throw gives;
      return gives;
    },
    connect: async (address, signal) => {
      const { after, connects, deaf = false } = hosts[address]!;
      note("start", address);
      await world.sleep(after, { signal: deaf ? undefined : signal });
      note(connects ? "connected" : "failed", address);
      if (!connects) throw new Error(`${address} fails`);
      return new FakeConn(address, () => note("closed", address));
    },
  }).finally(() => ended = world.now());
  await world.advance(1_000_000);
  return { log, result: await racing, ended, world };
}

/** The starts of a course, as `time address`. */
export function starts({ log }: Course): string[] {
  return log.filter(({ what }) => what === "start").map(({ at, who }) => `${at} ${who}`);
}
