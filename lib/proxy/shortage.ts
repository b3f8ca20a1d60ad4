/** Failures that are this process's own, for which no server is to blame. */

import { DialError } from "../client/dial_error.ts";

const CODES: readonly unknown[] = ["EMFILE", "ENFILE"];

/** Whether there was no file descriptor left, here or in the whole system. */
export function isShortage(error: unknown): boolean {
  const cause = error instanceof DialError ? error.cause : error;
  return cause instanceof Error && "code" in cause && CODES.includes(cause.code);
}
