/** The end of a row of stages: writes to the connection, one item at a time. */

import { type Duplex, writeAll } from "../stream/conn.ts";
import { CLOSE, FIN, RST } from "./fault.ts";
import type { Item, Sink } from "./_stage.ts";

/** What may wait for a receiver that does not read, in bytes. */
const ROOM = 64 * 1024;

export interface OutletOptions {
  /** A fault wants both connections to end. */
  onEnd: (how: typeof RST | typeof CLOSE) => void;
  /** The connection takes no more. */
  onFailure: () => void;
  /** Nothing waits any more. */
  onIdle: () => void;
}

export class Outlet implements Sink {
  received = 0;
  /** Bytes that the connection has taken. */
  delivered = 0;
  /** Why the connection takes no more. */
  failure: unknown;
  /** Whether FIN was said, or is being said. */
  finished = false;
  /** Settles when FIN is out. */
  readonly fin: Promise<void>;
  readonly #conn: Duplex;
  readonly #options: OutletOptions;
  readonly #fin = Promise.withResolvers<void>();
  readonly #queue: Item[] = [];
  #queued = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #writing = false;
  #dead = false;

  constructor(conn: Duplex, options: OutletOptions) {
    this.#conn = conn;
    this.#options = options;
    this.fin = this.#fin.promise;
    this.fin.catch(() => {}); // of interest only if somebody waits
  }

  get idle(): boolean {
    return !this.#writing;
  }

  push(item: Item): Promise<void> | undefined {
    if (typeof item !== "symbol") this.received += item.length;
    if (this.#dead) return undefined;
    if (this.failure !== undefined) {
      if (isEnd(item)) this.#options.onEnd(item); // of which the other connection is to hear
      return undefined;
    }
    if (this.finished && typeof item !== "symbol") return undefined;
    this.#queue.push(item);
    if (typeof item !== "symbol") this.#queued += item.length;
    if (!this.#writing) this.#write();
    if (this.#queued < ROOM) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Says FIN after what waits. Again it does nothing. */
  finish(): Promise<void> {
    if (!this.finished) this.push(FIN);
    return this.fin;
  }

  /** The connection is closed, or about to be. */
  kill(): void {
    this.#dead = true;
    this.#queue.length = 0;
    this.#fin.reject(new Deno.errors.Interrupted("operation canceled"));
    this.#makeRoom();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      for (let item; (item = this.#queue.shift()) !== undefined;) {
        if (isEnd(item)) {
          this.#options.onEnd(item);
        } else if (item === FIN) {
          if (this.finished) continue;
          this.finished = true;
          await this.#conn.closeWrite();
          this.#fin.resolve();
        } else if (!this.finished) {
          await writeAll(this.#conn, item);
          this.delivered += item.length;
        }
        if (item instanceof Uint8Array) this.#queued -= item.length;
        if (this.#queued < ROOM) this.#makeRoom();
      }
    } catch (error) {
      this.failure = error;
      const ends = this.#queue.splice(0).filter(isEnd);
      this.#fin.reject(error);
      this.#makeRoom();
      for (const end of ends) this.#options.onEnd(end);
      this.#options.onFailure();
    }
    this.#writing = false;
    this.#options.onIdle();
  }

  #makeRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }
}

function isEnd(item: Item): item is typeof RST | typeof CLOSE {
  return item === RST || item === CLOSE;
}
