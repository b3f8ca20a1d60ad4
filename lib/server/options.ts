/** What can be asked of a server. */

import type { TcpAddr } from "../addr.ts";
import { explain } from "../errors.ts";
import { realWorld, type World } from "../world.ts";
import type { Listening } from "./accept.ts";
import type { ServerEvent } from "./events.ts";
import type { ConnInfo } from "./session.ts";

/** Options for {@linkcode serveTcp}. */
export interface ServeTcpOptions {
  /**
   * The address to listen on: one of this machine's, or a name that means one.
   * `"0.0.0.0"` is all of IPv4, `"::"` all of IPv4 and IPv6.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /**
   * The port to listen on; 0 lets the system choose a free one.
   *
   * @default {0}
   */
  port?: number;
  /**
   * Serves a listener that is open already, in place of one that `hostname`, `port`, `backlog`
   * and `reusePort` describe. With `await listenResettable()` the server's connections can be
   * reset, by a handler, and all at once by {@linkcode TcpServer.abort}.
   *
   * @default A listener of the server's own, whose connections cannot say RST.
   */
  listener?: Listening | undefined;
  /**
   * How many connections the kernel may hold that are not accepted yet. It takes the
   * smaller of this and its own limit, which on Linux is `net.core.somaxconn`.
   *
   * @default {65535}
   */
  backlog?: number;
  /**
   * Ends the server now when it aborts, or at once if it has: the port is freed and every
   * connection cut. For a gentler end there is {@linkcode TcpServer.shutdown}.
   */
  signal?: AbortSignal | undefined;
  /**
   * The most connections to serve at once; {@linkcode TcpServer.maxConns} changes it later.
   *
   * @default {Infinity}
   */
  maxConns?: number;
  /**
   * What becomes of a client who comes when `maxConns` are being served: `"wait"` leaves
   * it in the kernel's queue, connected but unanswered; `"refuse"` accepts and closes it.
   *
   * @default {"wait"}
   */
  whenFull?: "wait" | "refuse";
  /**
   * Closes a connection on which no byte came or went for this many milliseconds, or up
   * to a quarter longer; also when a write waits that long for a peer who does not read.
   * 0 and `Infinity` mean never.
   *
   * @default {0}
   */
  idleTimeout?: number;
  /**
   * How many milliseconds, or up to a quarter more, the peer has to say FIN after the
   * handler returned. See {@linkcode serveTcp}.
   *
   * @default {5000}
   */
  lingerTimeout?: number;
  /**
   * Whether small writes go out at once (TCP_NODELAY) instead of waiting for the ACK of
   * those before (Nagle's algorithm, RFC 896).
   *
   * @default {true}
   */
  noDelay?: boolean;
  /**
   * Whether the kernel probes silent peers: on Linux first after two hours (tcp(7)),
   * which Deno cannot change, so `idleTimeout` is the better guard.
   *
   * @default {false}
   */
  keepAlive?: boolean;
  /**
   * Whether other sockets may listen on the same port, with the kernel sharing out the
   * clients (SO_REUSEPORT, Linux). Deno calls it unstable: without `--unstable-net` this
   * ends the process, with exit code 70 and no exception.
   *
   * @default {false}
   */
  reusePort?: boolean;
  /** Called once the server listens, before {@linkcode serveTcp} returns. */
  onListen?: (addr: TcpAddr) => void;
  /** Hears all that happens, as it happens. What it throws goes to `reportError`. */
  onEvent?: (event: ServerEvent) => void;
  /**
   * Hears of every error that a handler throws or rejects with, unless that is the
   * peer's reset or follows from our own closing, which are only told in the `"closed"`
   * event.
   *
   * By default what {@linkcode explain} calls the doing of the peer, the network or the kernel,
   * such as a `FrameError`, is told there alone as well: no client may end the process. Anything
   * else goes to `reportError`, which ends a process that does not listen to `"error"` events: a
   * bug must not vanish.
   */
  onError?: (error: unknown, info: ConnInfo) => void;
  /** The clock. */
  world?: World;
}

/**
 * As large as can be, after trio's `open_tcp_listeners`: a queue that is too short drops
 * clients for a second or more (a lost SYN is sent again after 1 s), while the memory of
 * one that is too long is used only when needed, and the kernel clips it to what the
 * administrator allows (`net.core.somaxconn`, 4096 since Linux 5.4). Not larger, since
 * kernels before 4.1 kept 16 bits of it. Deno's own default is 511.
 */
const LARGEST_BACKLOG = 65535;

/** The options with their defaults, once they are known to make sense. */
export type CheckedOptions = ReturnType<typeof checkOptions>;

/**
 * Fills in the defaults.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 */
export function checkOptions(options: ServeTcpOptions) {
  const {
    hostname = "127.0.0.1",
    port = 0,
    listener,
    backlog = LARGEST_BACKLOG,
    signal,
    maxConns = Infinity,
    whenFull = "wait",
    idleTimeout = 0,
    lingerTimeout = 5000,
    noDelay = true,
    keepAlive = false,
    reusePort = false,
    onListen,
    onEvent,
    onError = reportBug,
    world = realWorld,
  } = options;
  if (typeof hostname !== "string") {
    throw new TypeError(
      `Cannot serve as 'hostname' must be a string: current value is ${hostname}`,
    );
  }
  checkInteger("port", port, 65535);
  checkInteger("backlog", backlog, 2 ** 31 - 1);
  checkMaxConns(maxConns);
  if (whenFull !== "wait" && whenFull !== "refuse") {
    throw new TypeError(
      `Cannot serve as 'whenFull' must be "wait" or "refuse": current value is ${whenFull}`,
    );
  }
  checkDuration("idleTimeout", idleTimeout);
  checkDuration("lingerTimeout", lingerTimeout);
  return {
    hostname,
    port,
    listener,
    backlog,
    signal,
    maxConns,
    whenFull,
    idleTimeout: idleTimeout === 0 ? Infinity : idleTimeout,
    lingerTimeout,
    noDelay,
    keepAlive,
    reusePort,
    onListen,
    onEvent,
    onError,
    world,
  };
}

function reportBug(error: unknown): void {
  if (!["peer", "network", "kernel"].includes(explain(error).whose)) reportError(error);
}

/** Checks a number of connections, now or when it is changed. */
export function checkMaxConns(maxConns: number): void {
  checkNumber("maxConns", maxConns);
  if (maxConns < 1 || (maxConns !== Infinity && !Number.isInteger(maxConns))) {
    throw new RangeError(
      `Cannot serve as 'maxConns' must be an integer >= 1 or Infinity: current value is ${maxConns}`,
    );
  }
}

function checkInteger(name: string, value: number, largest: number): void {
  checkNumber(name, value);
  if (!Number.isInteger(value) || value < 0 || value > largest) {
    throw new RangeError(
      `Cannot serve as '${name}' must be an integer from 0 to ${largest}: current value is ${value}`,
    );
  }
}

function checkDuration(name: string, value: number): void {
  checkNumber(name, value);
  if (!(value >= 0)) {
    throw new RangeError(`Cannot serve as '${name}' must be >= 0: current value is ${value}`);
  }
}

function checkNumber(name: string, value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot serve as '${name}' must be a number: current value is ${value}`);
  }
}
