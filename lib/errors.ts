/**
 * What an error of TCP means: what happened, whose doing it is, what to try.
 *
 * @example A port where nobody listens
 * ```ts
 * import { explain } from "@tcplab/tcplab/errors";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const addr = listener.addr as Deno.NetAddr;
 * try {
 *   Deno.listen({ hostname: "127.0.0.1", port: addr.port });
 * } catch (error) {
 *   const { whose, code, tryThis } = explain(error, { op: "listen", addr });
 *   assertEquals([whose, code], ["kernel", "EADDRINUSE"]);
 *   assertStringIncludes(tryThis, `ss -ltnp 'sport = :${addr.port}'`);
 * }
 * ```
 *
 * @module
 */

import { formatAddr } from "./addr.ts";
import { type ExplainContext, type Row, ROWS, type Whose } from "./errors_table.ts";

export type { ExplainContext, Op, Whose } from "./errors_table.ts";

/** An error, told to a person. */
export interface Explanation {
  /** What happened, and to which address if that is known. */
  readonly what: string;
  /**
   * Whose doing it is: `"ours"` (this program's: an argument, an order of calls, our
   * own closing), `"peer"` (the other end's), `"kernel"` (this machine's state, limits
   * and rules), `"permission"` (Deno's flags or the user's rights), `"network"` (what
   * lies between: names, routes, silence), or `"unknown"`.
   */
  readonly whose: Whose;
  /** What to do next, as concrete as can be. */
  readonly tryThis: string;
  /** The error's own code, such as `"ECONNREFUSED"`, if it has one. */
  readonly code: string | undefined;
}

/**
 * Explains an error, by its code, then its class. A {@linkcode DialError} is explained
 * by its last attempt, and an error that is not in the table by its `cause`.
 *
 * It never throws: of an unknown error, or a value that is no error, it says so.
 */
export function explain(error: unknown, context: ExplainContext = {}): Explanation {
  return explainOnce(error, context, new Set());
}

/** The same in one line, for a script's standard error. */
export function explainLine(error: unknown, context: ExplainContext = {}): string {
  const { what, whose, tryThis, code } = explain(error, context);
  const by = code === undefined ? whose : `${whose}, ${code}`;
  // A peer may have a say in an error's text: no control character gets to the terminal.
  return `${what} (${by}); try: ${tryThis}`.replaceAll(/[\s\p{Cc}]+/gu, " ");
}

/** Causes may go in circles: `seen` are those already looked at. */
function explainOnce(error: unknown, context: ExplainContext, seen: Set<unknown>): Explanation {
  if (!(error instanceof Error)) {
    return unknown(`something that is no Error was thrown: ${Deno.inspect(error)}`);
  }
  seen.add(error);
  const dialed = error.name === "DialError";
  const row = dialed ? undefined : findRow(error, context);
  if (row !== undefined) {
    const say = speaker(error, context);
    const { whose } = row;
    return { what: say(row.what), whose, tryThis: say(row.tryThis), code: codeOf(error) };
  }
  if (error.cause !== undefined && !seen.has(error.cause)) {
    const { addr } = error as { addr?: ExplainContext["addr"] };
    return explainOnce(error.cause, dialed ? { op: "connect", addr } : context, seen);
  }
  return unknown(`${error.name}: ${error.message}`, codeOf(error));
}

/** The first row that fits, sought by the error's code, then its name, then its classes. */
function findRow(error: Error, context: ExplainContext): Row | undefined {
  const fits = ({ on = context.op, when }: Row) =>
    on === context.op && (when === undefined || when(context, error));
  return [codeOf(error), error.name, ...classes(error)]
    .map((key) => ROWS.find((row) => row.is === key && fits(row)))
    .find((row) => row !== undefined);
}

/** The system's code. A DOMException's `code` is a number from another list. */
function codeOf(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

/** The codes of errors made without one, as by `new Deno.errors.TimedOut()`. */
const CODES: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  BrokenPipe: "EPIPE",
  ConnectionAborted: "ECONNABORTED",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  Interrupted: "EINTR",
  NetworkUnreachable: "ENETUNREACH",
  NotConnected: "ENOTCONN",
  TimedOut: "ETIMEDOUT",
};

/** An error's classes from its own up, as the table knows them. */
function* classes(error: Error): Generator<string> {
  if (isLookupFailure(error)) yield "ENOTFOUND";
  let kind = Object.getPrototypeOf(error);
  for (; kind !== null; kind = Object.getPrototypeOf(kind)) {
    const name = kind.constructor?.name;
    yield CODES[name] ?? name;
  }
}

/**
 * The one error that must be known by its text: of a name that does not resolve, Deno
 * says so by a plain `Error` with nothing else to go by. This much of it is Rust's;
 * what follows is the C library's, and may be in any language.
 */
function isLookupFailure(error: Error): boolean {
  return error.message.startsWith("failed to lookup address information:");
}

/** Puts what is known in the place of `{addr}` and the others. */
function speaker(error: Error, { op, addr }: ExplainContext): (text: string) => string {
  const words: Record<string, string> = {
    addr: op === "listen" ? "the address" : "the peer",
    host: op === "listen" ? "the address" : "the peer",
    port: "PORT",
    message: error.message,
  };
  if (addr !== undefined) {
    words.addr = words.net = formatAddr(addr);
    words.host = addr.hostname;
    words.port = String(addr.port);
    // Leave to listen on port 0 is none to connect to the port that the system chooses.
    if (addr.port === 0) words.net = words.addr.slice(0, -":0".length);
  }
  return (text) => text.replaceAll(/\{(\w+)\}/g, (_, word) => words[word] ?? "");
}

function unknown(what: string, code?: string): Explanation {
  return { what, whose: "unknown", tryThis: "read its message and its stack", code };
}
