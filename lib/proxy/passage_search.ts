/**
 * The search for a server, on behalf of one connection of a proxy.
 *
 * @module
 */

import type { ConnInfo } from "../server/session.ts";
import { type Waiting, type WaitLine, waitLine } from "../stream/_wait_line.ts";
import type { TcpStream } from "../stream/tcp.ts";
import type { World } from "../world.ts";

/** A reason to abort with: without one, each abort would cost an exception with its stack. */
export const OVER = "the wait is over";

/** The search for a server, and what ends it before it has found one. */
export class Search {
  /** Whether it goes on, why it was given up, or that it is over. */
  outcome: "open" | "late" | "lost" | "settled" = "open";
  readonly #cut = new AbortController();
  readonly #line: WaitLine;
  readonly #waiting: Waiting;
  /** Ends listening to a signal, if that was begun. */
  #deaf: AbortController | undefined;

  /** Is given up after `timeout` milliseconds. */
  constructor(timeout: number, world: World) {
    this.#line = waitLine(timeout, world);
    this.#waiting = this.#line.add(() => {
      this.giveUp("late", new DOMException(`No server within ${timeout} ms`, "TimeoutError"));
    });
  }

  /** Aborts when it is given up. */
  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  /** Gives it up, unless it is over. */
  giveUp(why: "late" | "lost", reason: unknown): void {
    if (this.outcome !== "open") return;
    this.outcome = why;
    this.#cut.abort(reason);
  }

  /** Gives up when `conn` is cut; that the proxy drains is no reason: who had come is served. */
  endWith(info: ConnInfo, conn: TcpStream): void {
    if (this.outcome !== "open") return;
    const { signal } = info; // which is made when it is first read
    const cut = () => conn.closed && this.giveUp("lost", signal.reason);
    if (signal.aborted) cut();
    else {
      this.#deaf = new AbortController();
      signal.addEventListener("abort", cut, { once: true, signal: this.#deaf.signal });
    }
  }

  /** It is over: whatever comes now changes nothing. */
  settle(): void {
    if (this.outcome === "open") this.outcome = "settled";
    this.#line.remove(this.#waiting);
    this.#deaf?.abort(OVER);
  }
}
