/**
 * The options of {@linkcode dial}, and what they may be.
 *
 * @module
 */

import { parseAddr, type TcpAddr, tcpAddr } from "../addr.ts";
import type { World } from "../world.ts";
import type { DialAttempt } from "./dial_attempt.ts";
import type { RetryOptions } from "./dial_retry.ts";
import type { Resolve } from "./eyeballs.ts";
import { checkEyeballs, type EyeballsOptions } from "./eyeballs_plan.ts";

/** Options for {@linkcode dial}. Times are milliseconds. */
export interface DialOptions extends RetryOptions, EyeballsOptions {
  /**
   * The most that one attempt may take, name resolution and every address included.
   * `Infinity` leaves it to the kernel, which on Linux gives an address up after about
   * two minutes (tcp(7), tcp_syn_retries).
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * The most that all attempts and the waits between them may take. No wait is begun that
   * would end after it.
   *
   * @default {Infinity}
   */
  budget?: number;
  /**
   * Ends the whole dial, also while it waits for the next attempt: it rejects with
   * the signal's reason. Once connected, the signal means nothing any more.
   */
  signal?: AbortSignal | undefined;
  /**
   * How often to try; `Infinity` is until `signal` or `budget`. A name is resolved anew each time.
   *
   * @default {1}
   */
  attempts?: number;
  /**
   * Whether trying again makes sense after this error.
   *
   * @default {() => true} but false for what time does not heal: `NotCapable`,
   * `PermissionDenied`, `TypeError`, `RangeError`, `URIError`.
   */
  shouldRetry?: (error: unknown) => boolean;
  /** Told of every attempt as it ends, the successful one included. */
  onAttempt?: (attempt: DialAttempt) => void;
  /**
   * Finds the addresses of a name, instead of the system. With it, leave to connect to the
   * addresses is needed; see {@linkcode dial} for what is done without.
   *
   * @default {systemResolve}
   */
  resolve?: Resolve;
  /**
   * Whether small writes go out at once (TCP_NODELAY).
   *
   * @default {true}
   */
  noDelay?: boolean;
  /**
   * Whether the kernel probes an idle peer (SO_KEEPALIVE).
   *
   * @default {false}
   */
  keepAlive?: boolean;
  /**
   * The clock that bounds and spaces the attempts, and the dice that scatter them.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Whom to dial, if that is somebody. */
export function checkTarget(addr: string | { hostname: string; port: number }): TcpAddr {
  const { hostname, port } = typeof addr === "string" ? parseAddr(addr) : addr;
  if (typeof hostname !== "string" || hostname === "") {
    throw new TypeError(
      `Cannot dial as 'hostname' must be a name or an IP address: current value is ${
        JSON.stringify(hostname)
      }`,
    );
  }
  if (!Number.isInteger(port)) {
    throw new TypeError(`Cannot dial as 'port' must be an integer: current value is ${port}`);
  }
  if (port < 1 || port > 65535) throw outOfRange("port", "1 to 65535", port);
  return tcpAddr(hostname, port);
}

const JITTERS: readonly unknown[] = ["equal", "full", "decorrelated", "none", undefined];

/** Throws if a number is out of its range. */
export function checkOptions(options: DialOptions): void {
  const { timeout = 1, budget = 1, attempts = 1, jitter } = options;
  const { backoff = 0, maxBackoff = 0, turnAround = 0 } = options;
  if (!(Number.isInteger(attempts) ? attempts >= 1 : attempts === Infinity)) {
    throw outOfRange("attempts", "an integer >= 1, or Infinity", attempts);
  }
  if (!(timeout > 0)) throw outOfRange("timeout", "> 0", timeout);
  if (!(budget > 0)) throw outOfRange("budget", "> 0", budget);
  if (!(backoff >= 0)) throw outOfRange("backoff", ">= 0", backoff);
  if (!(maxBackoff >= 0)) throw outOfRange("maxBackoff", ">= 0", maxBackoff);
  if (!(turnAround >= 0)) throw outOfRange("turnAround", ">= 0", turnAround);
  if (!JITTERS.includes(jitter)) {
    throw new TypeError(
      `Cannot dial as 'jitter' must be equal, full, decorrelated or none: current value is ${jitter}`,
    );
  }
  checkEyeballs(options);
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot dial as '${name}' must be ${rule}: current value is ${value}`);
}
