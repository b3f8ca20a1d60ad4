/**
 * A connection that a pool keeps: while it is free, a read waits on it and hears what the peer
 * does; while it is lent, that read's bytes are the borrower's.
 *
 * @module
 */

import type { TcpStream } from "../stream/tcp.ts";
import type { PoolCloseReason } from "./pool_events.ts";

/** What one waiting read may bring to a borrower; a larger answer takes a second read. */
const WATCH_BUFFER = 4096;

/** What the waiting read brought. */
type Heard = { readonly n: number | null } | { readonly error: unknown };

/** A connection, watched while it is free. */
export class PooledConn implements Disposable {
  /** What is watched. */
  readonly conn: TcpStream;
  readonly #buffer = new Uint8Array(WATCH_BUFFER);
  /** Whom to tell, while it is free. */
  #gone: ((reason: PoolCloseReason, error?: unknown) => void) | undefined;
  /** The read that waits, or has brought something nobody has taken. */
  #waiting: Promise<void> | undefined;
  #heard: Heard | undefined;
  /** How much of it a borrower has taken. */
  #taken = 0;
  /** The borrower's last read, as long as one must wait for the other. */
  #last: Promise<unknown> | undefined;
  /** Reads whose turn has not come. */
  #queued = 0;

  /** Takes over `conn`: from now on, dispose this instead. */
  constructor(conn: TcpStream) {
    this.conn = conn;
  }

  /** Whether bytes have come that nobody has taken, or an end that nobody was told. */
  get unread(): boolean {
    return this.#heard !== undefined;
  }

  /** It is free: tells of whatever happens on it. It does not keep the process alive now. */
  watch(gone: (reason: PoolCloseReason, error?: unknown) => void): void {
    this.#gone = gone;
    this.conn.unref();
    this.#waiting ??= this.conn.read(this.#buffer).then(
      (n) => this.#hear({ n }),
      (error) => this.#hear({ error }),
    );
  }

  /** It is lent: from now on what comes is the borrower's. */
  unwatch(): void {
    this.#gone = undefined;
    this.conn.ref();
  }

  /** Reads what is there, first of all what the waiting read brings. */
  read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return Promise.resolve(0);
    if (this.#waiting === undefined && this.#queued === 0) return this.conn.read(p);
    this.#queued++;
    const before = this.#queued === 1 ? this.#waiting : this.#last;
    const mine = before!.then(() => this.#take(p));
    this.#last = mine.then(() => {}, () => {});
    return mine;
  }

  [Symbol.dispose](): void {
    this.#gone = undefined;
    this.conn[Symbol.dispose]();
  }

  #hear(heard: Heard): void {
    this.#heard = heard;
    if (this.#gone === undefined) return;
    if ("error" in heard) this.#gone(reasonOf(heard.error), heard.error);
    else this.#gone(heard.n === null ? "finished" : "unexpected");
  }

  /** What the waiting read brought, in as many reads as that takes; then the road is free. */
  #take(p: Uint8Array): Promise<number | null> | number | null {
    this.#queued--;
    const heard = this.#heard;
    if (heard === undefined) return this.conn.read(p); // the reads before took it all
    if ("error" in heard) {
      this.#clear();
      throw heard.error;
    }
    if (heard.n === null) {
      this.#clear();
      return null;
    }
    const part = this.#buffer.subarray(this.#taken, Math.min(heard.n, this.#taken + p.length));
    p.set(part);
    this.#taken += part.length;
    if (this.#taken === heard.n) this.#clear();
    return part.length;
  }

  #clear(): void {
    this.#heard = undefined;
    this.#waiting = undefined;
    this.#taken = 0;
  }
}

function reasonOf(error: unknown): PoolCloseReason {
  return error instanceof Deno.errors.ConnectionReset ? "reset" : "broken";
}
