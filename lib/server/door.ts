/** Who comes in, who waits, and who is sent away. */

import { tcpAddr } from "../addr.ts";
import { isResettable } from "../stream/conn.ts";
import type { TcpSocket } from "../stream/tcp.ts";
import { realWorld } from "../world.ts";
import type { ServerEvent } from "./events.ts";
import type { CheckedOptions } from "./options.ts";
import type { Sessions } from "./sessions.ts";

/** What {@linkcode Door} needs of the server around it. */
export interface DoorOptions {
  /** The server's options. */
  options: CheckedOptions;
  /** Who is inside. */
  sessions: Sessions;
  /** Hears who is sent away. */
  tell: ((event: ServerEvent) => void) | undefined;
}

/** What a timer can hold: some 25 days, and then it is set again. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Stands between accepting a connection and serving it. */
export class Door {
  /** Connections closed without being served. */
  refused = 0;
  readonly #sessions: Sessions;
  readonly #whenFull: CheckedOptions["whenFull"];
  readonly #tell: DoorOptions["tell"];
  /** Taken over from the kernel's queue by a shutdown, until a place becomes free. */
  readonly #waiting: TcpSocket[] = [];
  #maxConns: number;
  #suspended = false;
  #state: "open" | "draining" | "closed" = "open";
  #resets = false;
  #refed = true;
  #notice: (() => void) | undefined;

  /** Opens the door. */
  constructor({ options, sessions, tell }: DoorOptions) {
    this.#sessions = sessions;
    this.#whenFull = options.whenFull;
    this.#maxConns = options.maxConns;
    this.#tell = tell;
  }

  /** The most to serve at once. */
  get maxConns(): number {
    return this.#maxConns;
  }

  set maxConns(maxConns: number) {
    this.#maxConns = maxConns;
    this.changed();
  }

  /** Whether nobody is let in for now. */
  set suspended(suspended: boolean) {
    this.#suspended = suspended;
    this.changed();
  }

  /** Whether no connection should be accepted now, so that the kernel queues it. */
  get busy(): boolean {
    if (this.#state !== "open") return false;
    return this.#suspended || (this.#full && this.#whenFull === "wait");
  }

  get #full(): boolean {
    return this.#sessions.size >= this.#maxConns;
  }

  /** Waits until something has changed, and keeps the process alive as accept() would. */
  async change(): Promise<void> {
    const noticed = new AbortController();
    this.#notice = () => noticed.abort();
    const longest = { signal: noticed.signal, ref: this.#refed };
    await realWorld.sleep(LONGEST_TIMER, longest).catch(() => {});
  }

  /** There may be a place, or a reason not to wait for one. */
  changed(): void {
    while (!this.#full && this.#waiting.length > 0) this.#begin(this.#waiting.shift()!);
    this.#notice?.();
  }

  /** Serves a connection now, or when there is a place, or never. */
  admit(conn: TcpSocket): void {
    if (this.#state === "closed") this.#refuse(conn, "ended");
    else if (!this.#full) this.#begin(conn);
    else if (this.#whenFull === "refuse") this.#refuse(conn, "full");
    else this.#waiting.push(conn); // as in a shutdown, when the kernel's queue is about to go
  }

  /** From now on nobody waits in the kernel's queue, but here. */
  drain(): void {
    if (this.#state === "open") this.#state = "draining";
    this.changed();
  }

  /** From now on nobody comes in, and who waits is sent away; by RST, if it `resets`. */
  close(resets = false): void {
    this.#state = "closed";
    this.#resets ||= resets;
    for (const conn of this.#waiting.splice(0)) this.#refuse(conn, "ended");
    this.changed();
  }

  /** Lets waiting keep the process alive, or not. */
  setRef(refed: boolean): void {
    this.#refed = refed;
    this.changed(); // to wait by a timer of the new kind
  }

  #begin(conn: TcpSocket): void {
    if (!this.#refed) conn.unref();
    this.#sessions.begin(conn);
  }

  #refuse(conn: TcpSocket, reason: "full" | "ended"): void {
    const { hostname, port } = conn.remoteAddr;
    if (this.#resets && isResettable(conn)) conn.reset();
    conn[Symbol.dispose]();
    this.refused++;
    this.#tell?.({ type: "refused", remoteAddr: tcpAddr(hostname, port), reason });
  }
}
