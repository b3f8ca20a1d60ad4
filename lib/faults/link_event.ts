import type { Direction } from "./fault.ts";

/** One thing that happened on a link. */
export interface LinkEvent {
  /** When, in milliseconds on the link's clock. */
  readonly at: number;
  /** On which connection, from 1; 0 is the link as a whole. */
  readonly connection: number;
  /**
   * - `opened`: a client came, and the server was reached; `refused`: it was reset instead;
   *   `unreachable`: the server was not;
   * - `added`, `changed`, `removed`: a fault was, on this connection;
   * - `effect`: a fault did something to the stream;
   * - `fin`: an end said FIN; `direction` is which way it goes;
   * - `reset`, `closed`: a fault ended both connections;
   * - `error`: a fault threw, which is a mistake in it; it counts as a reset;
   * - `ended`: both connections are closed.
   */
  readonly type:
    | "opened"
    | "refused"
    | "unreachable"
    | "added"
    | "changed"
    | "removed"
    | "effect"
    | "fin"
    | "reset"
    | "closed"
    | "error"
    | "ended";
  /** Which way. */
  readonly direction?: Direction;
  /** Which fault, by its name. */
  readonly fault?: string;
  /** What it did. */
  readonly what?: string;
  /** Where in the stream. */
  readonly offset?: number;
  /** What was thrown. */
  readonly error?: unknown;
}

/** An event as a line of a log. */
export function eventLine(event: LinkEvent): string {
  const { at, connection, type, direction, fault, what, offset, error } = event;
  const where = [
    connection > 0 ? `#${connection}` : "all",
    ...direction ? [direction] : [],
    ...fault ? [fault] : [],
  ].join(" ");
  const at0 = offset === undefined ? "" : ` at byte ${offset}`;
  const told = [type, ...what ? [what] : [], ...error ? [String(error)] : []].join(" ");
  return `${at.toFixed(1).padStart(10)} ms  ${where}: ${told}${at0}`;
}
