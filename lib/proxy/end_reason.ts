/**
 * Why a connection through a proxy ended, in two letters that a log can be searched for, and in
 * words. They are those of HAProxy's session states (its configuration manual, section 8.5),
 * where they fit.
 *
 * The first letter says whose doing it was:
 *
 * | | |
 * | --- | --- |
 * | `-` | nobody's: both ends said FIN |
 * | `C` | the client's: it left, or reset the connection |
 * | `S` | the server's: it refused, reset, or was not there |
 * | `c` | the client's, by doing nothing for too long |
 * | `s` | the server's, by doing nothing for too long |
 * | `P` | the proxy's: a rule, or a limit of time, said so |
 * | `R` | the proxy's: places, descriptors or ports were used up |
 * | `K` | the operator's: the proxy was shut down |
 * | `I` | a fault of the proxy's, or of how it was set up |
 *
 * The second one says how far it had come:
 *
 * | | |
 * | --- | --- |
 * | `R` | the client was not let in yet: rules, limits, its PROXY header |
 * | `Q` | it waited for a place on a server |
 * | `C` | a server was being connected to |
 * | `D` | bytes went both ways |
 * | `L` | one end had said FIN, and the last bytes went the other way |
 * | `-` | all was said |
 *
 * @example
 * ```ts
 * import { endOfRelay } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const end = endOfRelay({ forward: 5, backward: 0, reason: "half-closed", by: "b" }, true);
 * assertEquals(end, { code: "sL", why: "the server said nothing for too long after FIN" });
 * ```
 *
 * @module
 */

import { explain } from "../errors.ts";
import type { TcpAddr } from "../addr.ts";

/** Whose doing an end was. */
export type EndBy = "-" | "C" | "S" | "c" | "s" | "P" | "R" | "K" | "I";

/** How far a connection had come. */
export type EndPhase = "R" | "Q" | "C" | "D" | "L" | "-";

/** Why a connection ended. */
export interface End {
  /** Both letters. */
  readonly code: `${EndBy}${EndPhase}`;
  /** The same in words. */
  readonly why: string;
}

/** What a relay says of its end: `a` is the client, `b` the server. */
export interface RelayEnd {
  /** See {@linkcode RelayReport}. */
  readonly reason: "finished" | "reset" | "error" | "idle" | "half-closed" | "aborted";
  /** Whose doing that was. */
  readonly by: "a" | "b" | "relay" | "caller";
  /** What was thrown, if something was. */
  readonly error?: Error;
}

/** Makes an end. */
export function end(by: EndBy, phase: EndPhase, why: string): End {
  return { code: `${by}${phase}`, why };
}

/** Why a connection ended that was passed on; `halfClosed` is whether an end had said FIN. */
export function endOfRelay(
  { reason, by, error }: RelayEnd & Record<string, unknown>,
  halfClosed: boolean,
): End {
  const phase = halfClosed ? "L" : "D";
  const who = by === "a" ? "client" : "server";
  const active = by === "a" ? "C" : "S";
  const passive = by === "a" ? "c" : "s";
  switch (reason) {
    case "finished":
      return end("-", "-", `the ${by === "a" ? "server" : "client"} said FIN, then the ${who}`);
    case "reset":
      return end(active, phase, `the ${who} reset the connection`);
    case "error":
      return end(active, phase, `the ${who} broke off: ${explain(error).what}`);
    case "half-closed":
      return end(passive, "L", `the ${who} said nothing for too long after FIN`);
    case "idle":
      return by === "relay"
        ? end("P", phase, "neither end said anything for too long")
        : end(passive, phase, `the ${who} read nothing for too long`);
    case "aborted":
      return end("K", phase, "the proxy was shut down");
  }
}

/** Why there is no server for a client: `error` is what a {@linkcode ConnectUpstream} threw. */
export function endOfConnect(error: unknown, phase: "Q" | "C", addr?: TcpAddr): End {
  const { name, reason, cause } = error as { name?: string; reason?: string; cause?: unknown };
  if (name === "DispatchError") {
    const { failures } = error as { failures: readonly { id: string; error: unknown }[] };
    const last = failures.at(-1);
    // That all were tried says less than why the last one did not work.
    const tried = (cause as { reason?: string } | undefined)?.reason === "all tried";
    if (last === undefined || (cause !== last.error && !tried)) return endOfConnect(cause, phase);
    const { code, why } = endOfConnect(last.error, "C");
    return { code, why: `${last.id}: ${why}` };
  }
  if (name === "NoServerError") {
    if (reason === "queue timeout") return end("s", "Q", "no server had a place in time");
    if (reason === "queue full") return end("R", "Q", "all servers and the queue are full");
    if (reason === "none ready") {
      return end("S", phase, `no server takes connections: ${verdicts(error as NoServer)}`);
    }
    return end("S", phase, `no server: ${reason}`);
  }
  if (name === "NoRouteError") return end("P", "R", (error as Error).message);
  const known = addr ?? (error as { addr?: TcpAddr }).addr;
  const { what, whose } = explain(error, { op: "connect", addr: known });
  const deepest = name === "DialError" ? cause : error;
  if (isTimeout(deepest)) return end("s", phase, what);
  if (whose === "kernel") return end("R", phase, what);
  return end(whose === "peer" || whose === "network" ? "S" : "I", phase, what);
}

/** What speaks against all servers. */
interface NoServer {
  readonly decision: { explain: { candidates: readonly { id: string; verdict: string }[] } };
}

/** How many servers are down, draining, and so on, such as `1 down, 2 draining`. */
function verdicts({ decision: { explain: { candidates } } }: NoServer): string {
  const counts = Map.groupBy(candidates, ({ verdict }) => verdict);
  return [...counts].map(([verdict, { length }]) => `${length} ${verdict}`).join(", ");
}

/** Why a client's PROXY header was not taken: `error` is what {@linkcode receiveProxyHeader} threw. */
export function endOfHeader(error: unknown): End {
  if (isTimeout(error)) return end("c", "R", "its PROXY header did not come in time");
  const { code } = error as { code?: string };
  if ((error as Error).name === "FrameError" && code !== "truncated") {
    return end("P", "R", `its PROXY header is wrong: ${(error as Error).message}`);
  }
  return end("C", "R", `it left before its PROXY header was whole: ${explain(error).what}`);
}

function isTimeout(error: unknown): boolean {
  const { name, code } = error as { name?: string; code?: unknown };
  return name === "TimeoutError" || name === "TimedOut" || code === "ETIMEDOUT";
}
