/**
 * The error of a dial, which shows every attempt.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../addr.ts";
import { codeOf, type DialAttempt } from "./dial_attempt.ts";
import { dialWaterfall } from "./dial_waterfall.ts";
import type { WaterfallOptions } from "./waterfall.ts";

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

  /** Draws every lookup, address and attempt on one scale of time: see {@linkcode dialWaterfall}. */
  waterfall(options: WaterfallOptions = {}): string {
    return dialWaterfall(this.attempts, options);
  }
}

function tell({ number, addr, started, ended, error, connects }: DialAttempt): string {
  const told = `#${number} ${textOf(error)} (after ${Math.round(ended - started)} ms)`;
  const [one, ...others] = connects;
  if (one === undefined || (others.length === 0 && one.hostname === addr.hostname)) return told;
  const each = connects.map((connect) => `${connect.hostname} ${fate(connect)}`);
  return `${told}, of ${each.join(", ")}`;
}

function fate({ error }: { error?: unknown }): string {
  const code = codeOf(error);
  return error === undefined ? "without an answer" : code ?? textOf(error);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
