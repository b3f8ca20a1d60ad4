/**
 * What one attempt of a dial did: its lookups, its race over the addresses, its end.
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";
import type { RaceRecord } from "./race_record.ts";

/** One attempt to connect, as it went. Times are milliseconds on the clock of the dial's `World`. */
export interface DialAttempt extends RaceRecord {
  /** What was asked for. */
  readonly addr: TcpAddr;
  /** 1 for the first. */
  readonly number: number;
  /** When it started. */
  readonly started: number;
  /** When it ended, one way or the other. */
  readonly ended: number;
  /** Where it got connected to; missing if it failed. */
  readonly remoteAddr?: TcpAddr;
  /**
   * Why it failed; missing if it got connected. Of several addresses that failed in several
   * ways it is what says most: see {@linkcode mostTelling}.
   */
  readonly error?: unknown;
}

/** How long the parts of an attempt took, in milliseconds. */
export interface DialTimes {
  /** Until there was an address to connect to, Resolution Delay included; 0 if one was given. */
  readonly resolve: number;
  /** The winner's handshake alone; `undefined` if there is no winner. */
  readonly connect: number | undefined;
  /** All of it; what is above the sum of the others was spent on addresses that did not win. */
  readonly total: number;
}

/** Takes an attempt's times apart. */
export function dialTimes(attempt: DialAttempt): DialTimes {
  const { started, ended, connects } = attempt;
  const winner = connects.find(({ outcome }) => outcome === "connected");
  return {
    resolve: (connects[0]?.started ?? ended) - started,
    connect: winner && winner.ended - winner.started,
    total: ended - started,
  };
}

/**
 * Codes from what says least about a peer to what says most: what this machine lacks, what
 * lies between, then the peer's own word. A machine without IPv6 says so of every AAAA, and
 * would hide that the peer refuses over IPv4.
 */
const TELLING: readonly (string | undefined)[] = [
  ...["EAFNOSUPPORT", "EADDRNOTAVAIL", "ENETUNREACH", "ENOTFOUND", "EAI_FAIL", "EAI_AGAIN"],
  ...["EHOSTUNREACH", "ETIMEDOUT", undefined, "ECONNREFUSED", "ECONNRESET"],
];

/**
 * The error that says most, of those of several addresses or lookups: the peer's word counts
 * more than silence, silence more than the lack of a way or of an address. Of equals the first.
 */
export function mostTelling(errors: readonly unknown[]): unknown {
  const weight = (error: unknown) => {
    const at = TELLING.indexOf(codeOf(error));
    return at < 0 ? TELLING.indexOf(undefined) : at;
  };
  let [most] = errors;
  for (const error of errors) if (weight(error) > weight(most)) most = error;
  return most;
}

/** The system's code. A DOMException's `code` is a number from another list. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
