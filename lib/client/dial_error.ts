/**
 * What {@linkcode dial} tried, attempt by attempt, and the error that shows it all.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../addr.ts";

/** One attempt to connect, as it went. */
export interface DialAttempt {
  /** What was asked for. */
  readonly addr: TcpAddr;
  /** 1 for the first. */
  readonly number: number;
  /** When it started: milliseconds on the clock of the dial's `World`. */
  readonly started: number;
  /** When it ended, one way or the other, on the same clock. */
  readonly ended: number;
  /** Where it got connected to; missing if it failed. */
  readonly remoteAddr?: TcpAddr;
  /** Why it failed; missing if it got connected. */
  readonly error?: unknown;
}

/**
 * No attempt of a {@linkcode dial} got connected. The message lists them all; `cause`
 * is the error of the last one.
 */
export class DialError extends Error {
  /** What was asked for. */
  readonly addr: TcpAddr;
  /** Every attempt, in order. */
  readonly attempts: readonly DialAttempt[];
  /** The system's code of the last attempt's error, such as `"ECONNREFUSED"`, if it has one. */
  readonly code: string | undefined;

  /** Says what became of each attempt to reach `addr`. */
  constructor(addr: TcpAddr, attempts: readonly DialAttempt[]) {
    const cause = attempts.at(-1)?.error;
    const count = attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`;
    const told = attempts.map(tell).join("; ");
    super(`Cannot connect to ${formatAddr(addr)} in ${count}: ${told}`, { cause });
    this.name = "DialError";
    this.addr = addr;
    this.attempts = attempts;
    this.code = codeOf(cause);
  }
}

function tell({ number, started, ended, error }: DialAttempt): string {
  const why = error instanceof Error ? error.message : String(error);
  return `#${number} ${why} (after ${Math.round(ended - started)} ms)`;
}

/** A DOMException's `code` is a number from another list. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
