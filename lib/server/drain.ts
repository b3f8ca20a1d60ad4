/** How a shutdown went: who held the server open, and for how long. */

import type { TcpAddr } from "../addr.ts";
import type { Session } from "./session.ts";

/** Options for {@linkcode TcpServer.shutdown}. */
export interface ShutdownOptions {
  /**
   * The caller's patience: when it aborts, whoever still holds the server open is cut.
   *
   * @default 10 seconds.
   */
  signal?: AbortSignal | undefined;
}

/** A connection that was open when the shutdown began, or was taken over after that. */
export interface HeldConn {
  /** Its number. */
  readonly id: number;
  /** The client's end. */
  readonly remoteAddr: TcpAddr;
  /** Milliseconds from the shutdown to its end. */
  readonly duration: number;
  /** Bytes read, since it began. */
  readonly bytesRead: number;
  /** Bytes written, since it began. */
  readonly bytesWritten: number;
  /** Whether it was cut since patience was over, or the server's `signal` aborted. */
  readonly cut: boolean;
  /** Whether its handler returned; if not, it may be running still, with nobody to wait for it. */
  readonly returned: boolean;
}

/** What {@linkcode TcpServer.shutdown} resolves with. */
export interface DrainReport {
  /** Milliseconds from the first call of `shutdown()` to the end of the server. */
  readonly duration: number;
  /** Connections that came to an end before patience did. */
  readonly finished: number;
  /** Connections that were cut. */
  readonly cut: number;
  /** Connections taken over from the kernel's queue that no place became free for. */
  readonly unserved: number;
  /** Every connection that was to end, in the order they did: who held it longest is last. */
  readonly held: readonly HeldConn[];
}

/** How many connections {@linkcode TcpServer.abort} ended, and how. */
export interface AbortReport {
  /** By RST: their clients know that something broke, and nothing of them is left in the kernel. */
  readonly reset: number;
  /**
   * By FIN, as Deno's own connections cannot say RST before it: a client may take what it got
   * for everything. TIME_WAIT stays, for a minute on Linux.
   */
  readonly closed: number;
}

/** Keeps the record of one shutdown. */
export class DrainLog {
  readonly #since: number;
  readonly #held: HeldConn[] = [];

  constructor(since: number) {
    this.#since = since;
  }

  /** Notes the end of a session; `returned` is whether its handler did. */
  left({ id, conn, cutReason }: Session, now: number, returned: boolean): void {
    const { remoteAddr, bytesRead, bytesWritten } = conn;
    const cut = cutReason === "cut" || cutReason === "aborted";
    const duration = now - this.#since;
    this.#held.push({ id, remoteAddr, duration, bytesRead, bytesWritten, cut, returned });
  }

  /** The report, once all have left. */
  report(now: number, unserved: number): DrainReport {
    const cut = this.#held.filter((conn) => conn.cut).length;
    return {
      duration: now - this.#since,
      finished: this.#held.length - cut,
      cut,
      unserved,
      held: this.#held,
    };
  }
}
