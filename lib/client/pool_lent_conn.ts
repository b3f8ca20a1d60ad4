/**
 * A pooled connection in a borrower's hands.
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";
import type { Duplex } from "../stream/conn.ts";
import type { PooledConn } from "./pool_conn.ts";
import { LeaseReleasedError } from "./pool_errors.ts";

/**
 * A connection for as long as it is lent. Once it is given back every use of it is refused,
 * also by code that has kept it: the next borrower's bytes are not for it.
 */
export class LentConn implements Duplex {
  readonly #watched: PooledConn;
  readonly #lease: { readonly released: boolean };
  #busy = 0;
  /** Bytes of the last write that it did not take. */
  #short = 0;
  /** Whether something was written since the last bytes came. */
  #asked = false;

  /** Lends `watched` until `lease` is released. */
  constructor(watched: PooledConn, lease: { readonly released: boolean }) {
    this.#watched = watched;
    this.#lease = lease;
  }

  /** Our end. */
  get localAddr(): TcpAddr {
    return this.#watched.conn.localAddr;
  }

  /** The peer's end. */
  get remoteAddr(): TcpAddr {
    return this.#watched.conn.remoteAddr;
  }

  /** Reads what is there, at most `p.length` bytes, or `null` after the peer's FIN. */
  read(p: Uint8Array): Promise<number | null> {
    if (this.#lease.released) return Promise.reject(new LeaseReleasedError("read"));
    this.#busy++;
    return this.#watched.read(p).then((n) => {
      this.#busy--;
      if (n !== null && n > 0) this.#asked = false;
      return n;
    }, this.#failed);
  }

  /** Writes from the front of `p`; resolves with the number of bytes taken. */
  write(p: Uint8Array): Promise<number> {
    if (this.#lease.released) return Promise.reject(new LeaseReleasedError("write"));
    this.#busy++;
    this.#asked = true;
    return this.#watched.conn.write(p).then((n) => {
      this.#busy--;
      this.#short = p.length - n;
      return n;
    }, this.#failed);
  }

  /** Sends FIN after all that was written. The connection is not lent again then. */
  closeWrite(): Promise<void> {
    if (this.#lease.released) return Promise.reject(new LeaseReleasedError("closeWrite"));
    return this.#watched.conn.closeWrite();
  }

  /** Closes it, so that it is not lent again. Once it was given back, this does nothing. */
  [Symbol.dispose](): void {
    if (!this.#lease.released) this.#watched[Symbol.dispose]();
  }

  /**
   * Whether nothing is left half done: no operation waits, no bytes were left unwritten or unread,
   * neither end has finished or failed; and, if everything is `answered`, an answer came after
   * the last write.
   */
  isClean(answered: boolean): boolean {
    const { closed, writeClosed, peerFinished, failure, refusal } = this.#watched.conn;
    if (closed || writeClosed || peerFinished || failure || refusal) return false;
    if (this.#busy > 0 || this.#short > 0 || this.#watched.unread) return false;
    return !(answered && this.#asked);
  }

  #failed = (error: unknown): never => {
    this.#busy--;
    throw error;
  };
}
