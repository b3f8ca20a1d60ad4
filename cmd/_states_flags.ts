/**
 * What `states` takes to say which sockets are wanted, and what is alarming.
 *
 * @module
 */

import { ALARM_LIMITS, type AlarmLimit, type AlarmLimits } from "../lib/observe/alarms.ts";
import { TCP_STATES, type TcpState } from "../lib/observe/tcp_states.ts";
import type { Flag } from "./_flag.ts";

/** Some ports, separated by commas; none is every port. */
export function ports(): Flag<readonly number[]> {
  return {
    allowed: "ports from 1 to 65535, such as 80 or 80,443",
    read: (text) =>
      all(text, (word) => {
        const port = /^\d{1,5}$/.test(word) ? Number(word) : 0;
        return port >= 1 && port <= 65535 ? port : undefined;
      }),
    fallback: [],
  };
}

/** Some states by their names, in either case; none is every state. */
export function states(): Flag<readonly TcpState[]> {
  return {
    allowed: `some of ${TCP_STATES.join(", ")}, separated by commas`,
    read: (text) =>
      all(text, (word) => {
        // Others write them with underscores.
        const name = word.toUpperCase().replaceAll("_", "-");
        return TCP_STATES.find((state) => state === name);
      }),
    fallback: [],
  };
}

function all<T>(text: string, read: (word: string) => T | undefined): T[] | undefined {
  const values = text.split(",").map(read);
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** What is alarming: so many sockets, or percent of a queue; 0 for nothing that ever is. */
export interface Alarming {
  /** Sockets in SYN-RECEIVED. */
  readonly halfOpen: number;
  /** Sockets in CLOSE-WAIT. */
  readonly closeWait: number;
  /** Percent of an accept queue. */
  readonly queue: number;
}

/** The limits: quiet is half of what is alarming. */
export function limitsOf({ halfOpen, closeWait, queue }: Alarming): AlarmLimits {
  return {
    ...ALARM_LIMITS,
    "half-open": limit(halfOpen),
    "close-wait": limit(closeWait),
    "accept-queue": limit(queue),
  };
}

function limit(raise: number): AlarmLimit {
  return raise === 0 ? { raise: Infinity, clear: 0 } : { raise, clear: Math.floor(raise / 2) };
}
