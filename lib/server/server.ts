/**
 * A TCP server, the sibling of `Deno.serve`.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import type { TcpSocket } from "../stream/tcp.ts";
import { Acceptor, type Listening } from "./accept.ts";
import { bindError } from "./bind_error.ts";
import { Door } from "./door.ts";
import { type AbortReport, DrainLog, type DrainReport, type ShutdownOptions } from "./drain.ts";
import type { ServerEvent, ServerStats } from "./events.ts";
import {
  type CheckedOptions,
  checkMaxConns,
  checkOptions,
  type ServeTcpOptions,
} from "./options.ts";
import type { Session, TcpHandler } from "./session.ts";
import { Sessions } from "./sessions.ts";

/** A running server; the TCP sibling of {@linkcode Deno.HttpServer}. */
export interface TcpServer extends AsyncDisposable {
  /** Where it listens, with the port that the system chose. */
  readonly addr: TcpAddr;
  /** Resolves when the last handler has returned and the port is free. It never rejects. */
  readonly finished: Promise<void>;
  /** Connections being served at this moment. */
  readonly conns: number;
  /** What was counted up to this moment. */
  readonly stats: ServerStats;
  /**
   * The most connections to serve at once. A new value counts from now on: nobody is cut
   * if it is smaller than {@linkcode conns}, those who wait are served if it is larger.
   *
   * @throws {RangeError} If it is set to less than 1.
   */
  maxConns: number;
  /**
   * Ends the server gently, and says how that went:
   *
   * 1. every handler's `info.signal` aborts, at once;
   * 2. connections that clients have already made are taken over from the kernel's queue
   *    and served, since closing the listener would reset them; then the port is freed;
   * 3. handlers have until `signal` aborts, or 10 seconds; then connections still open
   *    are cut. A handler that does not return within a second after that is left behind.
   *
   * Called again it returns the same promise; an earlier `signal` shortens the patience.
   */
  shutdown(options?: ShutdownOptions): Promise<DrainReport>;
  /**
   * Ends the server now, by RST: connections that can be reset are, those in the kernel's
   * queue in any case; others are closed, and the report says how many of each. The RSTs are
   * out when this returns. It resolves as {@linkcode finished} does, when the handlers have
   * noticed, a second later at most. Again it returns the same promise.
   *
   * Deno's own connections cannot be reset, so an emergency needs
   * `serveTcp({ listener: await listenResettable() }, …)`.
   */
  abort(): Promise<AbortReport>;
  /**
   * Serves no new connection until {@linkcode resume}: they wait in the kernel's queue,
   * all but one, which waits here. Those being served go on.
   */
  suspend(): void;
  /** Serves new connections again. */
  resume(): void;
  /** Lets the server keep the process alive, as it does at first. */
  ref(): void;
  /** Lets the process end although the server listens and its connections are open. */
  unref(): void;
  /** The same as {@linkcode shutdown} with default patience. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Listens, and runs `handler` once for each connection. When this returns, clients can
 * connect to `server.addr`.
 *
 * The connection is the handler's until it returns, and is closed then. Nothing it wrote
 * is lost by that: unless it disposed the connection or has read the peer's FIN, the server
 * sends FIN and reads, up to `lingerTimeout`, until the peer's FIN comes. If the handler
 * throws, the connection is closed at once, and all others go on.
 *
 * Nothing a client does ends the server, nor does running out of descriptors or memory: then
 * it tries again after 5 ms, doubling up to a second.
 *
 * @throws {TypeError} If an option has the wrong type.
 * @throws {RangeError} If a number is out of range.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 * @throws {Deno.errors.AddrNotAvailable} If this machine does not have the address.
 * @throws {Deno.errors.PermissionDenied} If the system reserves the port.
 * @throws {Deno.errors.NotCapable} If `--allow-net` does not cover the address.
 */
export function serveTcp(options: ServeTcpOptions, handler: TcpHandler): TcpServer {
  if (typeof handler !== "function") {
    throw new TypeError(
      `Cannot serve as 'handler' must be a function: current value is ${handler}`,
    );
  }
  const checked = checkOptions(options);
  return new Server(checked.listener ?? listen(checked), checked, handler);
}

function listen({ hostname, port, backlog, reusePort }: CheckedOptions): Deno.TcpListener {
  try {
    return Deno.listen({
      hostname,
      port,
      tcpBacklog: backlog,
      // Even `false` must not be mentioned: Deno ends the process where it is not allowed.
      ...(reusePort ? { reusePort } : {}),
    });
  } catch (error) {
    throw bindError(error, tcpAddr(hostname, port));
  }
}

/** Patience of a shutdown() that is not given any, in milliseconds. */
const PATIENCE = 10_000;

/** How long a handler may take to notice that its connection was cut, in milliseconds. */
const LAST_WORDS = 1000;

class Server implements TcpServer {
  readonly addr: TcpAddr;
  readonly finished: Promise<void>;
  readonly #options: CheckedOptions;
  readonly #listener: Listening;
  readonly #acceptor: Acceptor<TcpSocket>;
  readonly #door: Door;
  readonly #sessions: Sessions;
  /** Aborts at the very end: stops every timer, and listening to signals. */
  readonly #over = new AbortController();
  readonly #tell: ((event: ServerEvent) => void) | undefined;
  readonly #since: number;
  #acceptErrors = 0;
  #refed = true;
  #ended = false;
  #drainLog: DrainLog | undefined;
  #report: Promise<DrainReport> | undefined;
  #aborted: Promise<AbortReport> | undefined;

  constructor(listener: Listening, options: CheckedOptions, handler: TcpHandler) {
    const { hostname, port } = listener.addr;
    const { signal, onListen, onEvent, world } = options;
    const tell = this.#tell = onEvent && guarded(onEvent);
    this.addr = tcpAddr(hostname, port);
    this.#options = options;
    this.#listener = listener;
    this.#since = world.now();
    this.#acceptor = new Acceptor(listener, {
      world,
      ref: () => this.#refed,
      onError: (error, retryIn) => {
        this.#acceptErrors++;
        tell?.({ type: "acceptError", error, retryIn });
      },
    });
    const sessions = this.#sessions = new Sessions({
      options,
      handler,
      tell,
      signal: this.#over.signal,
      onLeft: (session, returned) => this.#left(session, returned),
    });
    this.#door = new Door({ options, sessions, tell });
    this.#whenAborted(signal, "aborted");
    this.finished = this.#live();
    if (this.#ended) return;
    if (onListen) guarded(onListen)(this.addr);
    tell?.({ type: "listening", addr: this.addr });
  }

  async #live(): Promise<void> {
    for (let conn; (conn = await this.#acceptor.next()) !== undefined;) {
      while (this.#door.busy) await this.#door.change(); // this accept() was called before
      this.#door.admit(conn);
      while (this.#door.busy) await this.#door.change(); // the kernel queues those who come
    }
    while (this.conns > 0) await this.#door.change();
    this.#over.abort();
  }

  #left(session: Session, returned: boolean): void {
    this.#drainLog?.left(session, this.#options.world.now(), returned);
    this.#acceptor.retryNow(); // its descriptor is free
    this.#door.changed();
  }

  get conns(): number {
    return this.#sessions.size;
  }

  get stats(): ServerStats {
    return {
      since: this.#since,
      refused: this.#door.refused,
      acceptErrors: this.#acceptErrors,
      ...this.#sessions.counts,
    };
  }

  get maxConns(): number {
    return this.#door.maxConns;
  }

  set maxConns(maxConns: number) {
    checkMaxConns(maxConns);
    this.#door.maxConns = maxConns;
  }

  suspend(): void {
    this.#door.suspended = true;
  }

  resume(): void {
    this.#door.suspended = false;
  }

  shutdown({ signal }: ShutdownOptions = {}): Promise<DrainReport> {
    const first = this.#report === undefined;
    const report = this.#report ??= this.#drain();
    if (signal) this.#whenAborted(signal, "cut");
    else if (first) this.#after(PATIENCE, () => this.#end("cut"));
    return report;
  }

  #drain(): Promise<DrainReport> {
    const { promise, resolve } = Promise.withResolvers<DrainReport>();
    const { world } = this.#options;
    const log = this.#drainLog = new DrainLog(world.now());
    const { refused } = this.#door;
    // Before anybody hears of it, since they may shut down as well.
    this.#report = promise;
    if (!this.#ended) this.#tell?.({ type: "draining", conns: this.conns });
    this.#sessions.ask();
    this.#door.drain();
    this.#acceptor.closeWhenEmpty(this.#options.backlog + 1); // Linux queues one more than asked
    this.finished.then(() => resolve(log.report(world.now(), this.#door.refused - refused)));
    return promise;
  }

  abort(): Promise<AbortReport> {
    if (this.#aborted === undefined) {
      this.#stop(true);
      const report = this.#sessions.abort();
      this.#aborted = this.finished.then(() => report);
    }
    return this.#aborted;
  }

  /** Now: closes the listener and every connection. */
  #end(reason: "cut" | "aborted"): void {
    this.#stop(false);
    this.#sessions.cut(reason);
  }

  /** Nobody comes in any more, and handlers have little time left to notice. */
  #stop(resets: boolean): void {
    this.#ended = true;
    this.#acceptor.close();
    this.#door.close(resets);
    this.#after(LAST_WORDS, () => this.#sessions.abandon());
  }

  #whenAborted(signal: AbortSignal | undefined, reason: "cut" | "aborted"): void {
    if (signal?.aborted) return this.#end(reason);
    const once = { once: true, signal: this.#over.signal };
    signal?.addEventListener("abort", () => this.#end(reason), once);
  }

  /** Does it in `ms` milliseconds, unless all is over by then. */
  #after(ms: number, act: () => void): void {
    const { signal } = this.#over;
    this.#options.world.sleep(ms, { signal, ref: this.#refed }).then(act, () => {});
  }

  ref(): void {
    this.#setRef(true);
  }

  unref(): void {
    this.#setRef(false);
  }

  #setRef(refed: boolean): void {
    this.#refed = refed;
    refed ? this.#listener.ref() : this.#listener.unref();
    this.#acceptor.retryNow(); // or, if that fails again, to wait by a timer of the new kind
    this.#door.setRef(refed);
    this.#sessions.setRef(refed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/** A callback of the caller's, whose errors must not end the server. */
function guarded<T>(callback: (told: T) => void): (told: T) => void {
  return (told) => {
    try {
      callback(told);
    } catch (error) {
      reportError(error);
    }
  };
}
