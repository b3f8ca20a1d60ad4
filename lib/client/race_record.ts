/**
 * What a race over the addresses of a name leaves behind. Times are milliseconds on the clock
 * of its `World`.
 *
 * @module
 */

import type { Family } from "./eyeballs_plan.ts";

/** One lookup, as it went. */
export interface LookupRecord {
  /** Which addresses were asked for: 6 is AAAA, 4 is A. */
  readonly family: Family;
  /** When it started. */
  readonly started: number;
  /** When it ended, or was no longer waited for. */
  readonly ended: number;
  /** `"dropped"`: the race was over before it had an answer. */
  readonly outcome: "answered" | "failed" | "dropped";
  /** What was found. */
  readonly addresses: readonly string[];
  /** Why it failed; missing if it did not. */
  readonly error?: unknown;
}

/** One attempt to connect to one address, as it went. */
export interface ConnectRecord {
  /** The address; or the name, where only the name may be connected to. */
  readonly hostname: string;
  /** When it started. */
  readonly started: number;
  /** When it ended. */
  readonly ended: number;
  /** `"dropped"`: another was faster, time ran out or the whole was aborted. */
  readonly outcome: "connected" | "failed" | "dropped";
  /** Why it failed; missing if it did not. */
  readonly error?: unknown;
}

/** What a race did, in the order in which it was started. */
export interface RaceRecord {
  /** Every lookup. */
  readonly lookups: readonly LookupRecord[];
  /** Every attempt to connect. */
  readonly connects: readonly ConnectRecord[];
}
