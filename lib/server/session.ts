/** One connection, from the server's hand into the handler's and back. */

import type { TcpAddr } from "../addr.ts";
import type { Linked } from "../_linked_list.ts";
import { isResettable } from "../stream/conn.ts";
import type { TcpStream } from "../stream/tcp.ts";
import type { ClosedEvent, CloseReason } from "./events.ts";

/** What a handler is told about its connection. */
export interface ConnInfo {
  /** The connection's number: 1, 2, 3, … in the order of being served. */
  readonly id: number;
  /** Our end. */
  readonly localAddr: TcpAddr;
  /** The client's end. */
  readonly remoteAddr: TcpAddr;
  /**
   * Aborts when the server drains, which asks the handler to come to an end, and when it
   * cuts this connection. Connections that a draining server still takes over from the
   * kernel's queue find it aborted.
   */
  readonly signal: AbortSignal;
}

/** Serves one connection; see {@linkcode serveTcp}. */
export type TcpHandler = (conn: TcpStream, info: ConnInfo) => void | Promise<void>;

/** Why the server itself ends a connection. */
export type CutReason = Extract<CloseReason, "idle" | "lingered" | "cut" | "aborted">;

/** What a handler threw, which may be `undefined`. */
export interface Thrown {
  readonly error: unknown;
}

/** How a session ended, and whether its handler is to blame. */
export interface Verdict extends Pick<ClosedEvent, "reason" | "by" | "error"> {
  readonly bug: boolean;
}

/** Where bytes go that come after the handler has returned; nobody looks at them. */
const DISCARD = new Uint8Array(16 * 1024);

/**
 * A connection being served. There may be many thousands, most of them idle, so this
 * holds few fields, and no timer, closure or signal until somebody asks for it.
 */
export class Session implements ConnInfo, Linked<Session> {
  /** Its neighbours among the server's. */
  before: Session | undefined;
  after: Session | undefined;
  readonly id: number;
  readonly conn: TcpStream;
  /** When it began, on the server's clock. */
  readonly since: number;
  #asked = false;
  #cutReason: CutReason | undefined;
  #aborter: AbortController | undefined;
  #lingerSince: number | undefined;
  /** Bytes moved in both directions when the sweeper last looked, and when that changed. */
  #moved = 0;
  #movedAt: number;

  constructor(id: number, conn: TcpStream, since: number) {
    this.id = id;
    this.conn = conn;
    this.since = since;
    this.#movedAt = since;
  }

  get localAddr(): TcpAddr {
    return this.conn.localAddr;
  }

  get remoteAddr(): TcpAddr {
    return this.conn.remoteAddr;
  }

  /** Made when first asked for: most handlers never do, and it costs more than the rest. */
  get signal(): AbortSignal {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController();
      if (this.#asked) this.ask();
    }
    return this.#aborter.signal;
  }

  /** Tells the handler to come to an end. */
  ask(): void {
    this.#asked = true;
    this.#aborter?.abort(new DOMException("The server is closing the connection", "AbortError"));
  }

  /** Closes the connection over the handler's head. */
  cut(reason: CutReason): void {
    if (!this.conn.closed) this.#cutReason = reason;
    this.conn[Symbol.dispose]();
    this.ask();
  }

  /** The same by RST, where the connection can say that. */
  abort(): "reset" | "closed" | undefined {
    const { conn } = this;
    const how = conn.closed ? undefined : isResettable(conn) ? "reset" : "closed";
    if (!conn.closed) this.#cutReason = "aborted";
    if (isResettable(conn)) conn.reset();
    this.cut("aborted");
    return how;
  }

  /** What cut it, if the server did. */
  get cutReason(): CutReason | undefined {
    return this.#cutReason;
  }

  /**
   * After the handler: sends FIN and reads until the peer's, so that no byte of ours is
   * lost. Closing with input unread makes the kernel send RST, and that destroys what the
   * peer has not read yet (RFC 1122, section 4.2.2.13; RFC 2525, section 2.17).
   */
  async linger(now: number): Promise<void> {
    this.#lingerSince = now;
    try {
      await this.conn.closeWrite();
      while (await this.conn.read(DISCARD) !== null) { /* nobody is left to read it */ }
    } catch {
      // The peer reset it, which conn.failure tells, or we cut it.
    }
  }

  /** Whether the handler left something for {@linkcode linger} to do. */
  get unfinished(): boolean {
    return !this.conn.closed && !this.conn.peerFinished;
  }

  /** Whether the handler has returned and the peer's FIN is awaited. */
  get lingering(): boolean {
    return this.#lingerSince !== undefined;
  }

  /** Why it should be cut at the time `now`, if it should. */
  overdue(
    now: number,
    limits: { idleTimeout: number; lingerTimeout: number },
  ): CutReason | undefined {
    if (this.#lingerSince !== undefined) {
      return now - this.#lingerSince >= limits.lingerTimeout ? "lingered" : undefined;
    }
    const moved = this.conn.bytesRead + this.conn.bytesWritten;
    if (moved !== this.#moved) {
      this.#moved = moved;
      this.#movedAt = now;
    }
    return now - this.#movedAt >= limits.idleTimeout ? "idle" : undefined;
  }

  /** Why and by whom it ended, now that the handler has returned or thrown. */
  verdict(thrown?: Thrown): Verdict {
    const theirs = thrown !== undefined && this.#isPeersDoing(thrown.error);
    const bug = thrown !== undefined && !theirs && !this.#isOurDoing(thrown.error);
    if (this.#cutReason !== undefined) {
      return { reason: this.#cutReason, by: "server", ...(bug ? thrown : {}), bug };
    }
    if (bug) return { reason: "error", by: "handler", ...thrown, bug };
    const failure = this.conn.failure ?? (theirs ? thrown.error : undefined);
    if (failure !== undefined) {
      return { reason: isReset(failure) ? "reset" : "broken", by: "peer", error: failure, bug };
    }
    const peerFirst = this.conn.peerFinished && !this.lingering;
    return { reason: "finished", by: peerFirst ? "peer" : "handler", bug };
  }

  #isPeersDoing(error: unknown): boolean {
    const { failure, refusal } = this.conn;
    return error !== undefined && (error === failure || error === refusal);
  }

  /** Whether it follows from our closing: what was pending then, or was begun after a cut. */
  #isOurDoing(error: unknown): boolean {
    if (this.#aborter?.signal.aborted && error === this.#aborter.signal.reason) return true;
    if (!this.conn.closed) return false;
    if (error instanceof Deno.errors.Interrupted) return true;
    return this.#asked && error instanceof Deno.errors.BadResource;
  }
}

/** A peer that was gone when we wrote to it has not heard us out, either. */
function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}
