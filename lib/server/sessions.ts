/** All the connections a server is serving. */

import { LinkedList } from "../_linked_list.ts";
import { type TcpSocket, tcpStream } from "../stream/tcp.ts";
import type { AbortReport } from "./drain.ts";
import type { ServerEvent, ServerStats } from "./events.ts";
import type { CheckedOptions } from "./options.ts";
import { type CutReason, Session, type TcpHandler, type Thrown } from "./session.ts";
import { Sweeper } from "./sweeper.ts";

/** What {@linkcode Sessions} needs of the server around it. */
export interface SessionsOptions {
  /** The server's options. */
  options: CheckedOptions;
  /** Serves each connection. */
  handler: TcpHandler;
  /** Ends the watch over idle connections. */
  signal: AbortSignal;
  /** Hears what happens. */
  tell: ((event: ServerEvent) => void) | undefined;
  /** Called when a session has left; `returned` is whether its handler did. */
  onLeft: (session: Session, returned: boolean) => void;
}

/** What is counted here. */
type Counts = Omit<ServerStats, "since" | "refused" | "acceptErrors">;

/** Runs the handler for each connection, and closes it when that has returned. */
export class Sessions {
  readonly #server: SessionsOptions;
  readonly #idleSweeper: Sweeper;
  readonly #lingerSweeper: Sweeper;
  readonly #all = new LinkedList<Session>();
  #asked = false;
  #accepted = 0;
  #peak = 0;
  #closed = 0;
  #handlerErrors = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(server: SessionsOptions) {
    const { idleTimeout, lingerTimeout } = server.options;
    this.#server = server;
    // One would have to go round as often as the shorter of the two wants, for all.
    this.#idleSweeper = this.#sweeper(idleTimeout, false);
    this.#lingerSweeper = this.#sweeper(lingerTimeout, true);
  }

  /** How many are being served. */
  get size(): number {
    return this.#all.size;
  }

  /** Serves `conn`, and closes it in the end. */
  begin(conn: TcpSocket): void {
    const { options, tell } = this.#server;
    const { idleTimeout, world } = options;
    configure(conn, options);
    const session = new Session(++this.#accepted, tcpStream(conn), world.now());
    if (this.#asked) session.ask();
    this.#all.add(session);
    this.#peak = Math.max(this.#peak, this.#all.size);
    tell?.({ type: "accepted", id: session.id, remoteAddr: session.remoteAddr });
    if (idleTimeout < Infinity) this.#idleSweeper.start();
    this.#serve(session);
  }

  async #serve(session: Session): Promise<void> {
    const { handler, options } = this.#server;
    let thrown: Thrown | undefined;
    try {
      await handler(session.conn, session);
    } catch (error) {
      thrown = { error };
    }
    if (thrown === undefined && session.unfinished) {
      this.#lingerSweeper.start();
      await session.linger(options.world.now());
    }
    this.#leave(session, thrown);
  }

  /** Asks every handler to come to an end, also those that begin later. */
  ask(): void {
    this.#asked = true;
    for (const session of this.#all.members()) session.ask();
  }

  /** Closes every connection; the handlers should notice, and return. */
  cut(reason: CutReason): void {
    for (const session of this.#all.members()) session.cut(reason);
  }

  /** Resets every connection that can be, and closes the others. */
  abort(): AbortReport {
    const hows = this.#all.members().map((session) => session.abort());
    const count = (of: string) => hows.filter((how) => how === of).length;
    return { reset: count("reset"), closed: count("closed") };
  }

  /** Waits no longer for the handlers that have not returned. */
  abandon(): void {
    for (const session of this.#all.members()) this.#leave(session, undefined, false);
  }

  /** Lets pending reads and writes keep the process alive, or not. */
  setRef(refed: boolean): void {
    for (const { conn } of this.#all.members()) refed ? conn.ref() : conn.unref();
  }

  /** What was counted up to this moment. */
  get counts(): Counts {
    let bytesRead = this.#bytesRead;
    let bytesWritten = this.#bytesWritten;
    for (const { conn } of this.#all.members()) {
      bytesRead += conn.bytesRead;
      bytesWritten += conn.bytesWritten;
    }
    return {
      accepted: this.#accepted,
      active: this.#all.size,
      peak: this.#peak,
      closed: this.#closed,
      handlerErrors: this.#handlerErrors,
      bytesRead,
      bytesWritten,
    };
  }

  #leave(session: Session, thrown: Thrown | undefined, returned = true): void {
    const { id, conn, since } = session;
    const { options, tell, onLeft } = this.#server;
    const { bug, ...ending } = session.verdict(thrown);
    conn[Symbol.dispose]();
    if (bug) this.#blame(session, thrown?.error);
    // It was abandoned, and its handler has returned after all.
    if (!this.#all.remove(session)) return;
    const { bytesRead, bytesWritten } = conn;
    this.#closed++;
    this.#bytesRead += bytesRead;
    this.#bytesWritten += bytesWritten;
    if (tell !== undefined) {
      const { remoteAddr } = session;
      const duration = options.world.now() - since;
      tell({ type: "closed", id, remoteAddr, ...ending, bytesRead, bytesWritten, duration });
    }
    onLeft(session, returned);
  }

  #blame(session: Session, error: unknown): void {
    const { onError } = this.#server.options;
    this.#handlerErrors++;
    try {
      onError(error, session);
    } catch (failed) {
      reportError(failed);
    }
  }

  #sweeper(timeout: number, lingering: boolean): Sweeper {
    const { options: { world }, signal } = this.#server;
    const sweep = (now: number) => this.#sweep(now, lingering);
    return new Sweeper({ every: timeout / 4, sweep, signal, world });
  }

  /** Cuts whoever has waited too long; says whether anybody may do so yet. */
  #sweep(now: number, lingering: boolean): boolean {
    let watched = false;
    for (const session of this.#all.members()) {
      if (session.lingering !== lingering) continue;
      const reason = session.overdue(now, this.#server.options);
      if (reason !== undefined) session.cut(reason);
      else watched = true;
    }
    return watched;
  }
}

function configure(conn: TcpSocket, { noDelay, keepAlive }: CheckedOptions): void {
  try {
    if (noDelay) conn.setNoDelay();
    if (keepAlive) conn.setKeepAlive();
  } catch {
    // The client has reset it already (EINVAL on some systems): the first read will say so.
  }
}
