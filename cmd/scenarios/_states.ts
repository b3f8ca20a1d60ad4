/**
 * The kernel's states of both ends of a connection, asked for until they are what they must
 * become: a kernel is never done at the moment at which a call returns.
 *
 * @module
 */

import { formatAddr, type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { connName, type StateEvent } from "../../lib/observe/events.ts";
import { KernelUnavailableError, sockets } from "../../lib/observe/kernel.ts";
import { isEnd, type KernelSocket } from "../../lib/observe/kernel_socket.ts";
import type { TcpState } from "../../lib/observe/tcp_states.ts";
import type { Trace } from "../../lib/observe/trace.ts";
import type { World } from "../../lib/world.ts";
import { whoIs } from "./_who.ts";

/** The state of each end, by the name of its lifeline. */
export type States = Readonly<Record<string, TcpState>>;

/** What may become of each end: one state, or one of several; who is not named may be anything. */
export type Expected = Readonly<Record<string, TcpState | readonly TcpState[]>>;

/** A connection by its two ends, even when it is closed; or the address of a listener. */
export type Where =
  | {
    /** One end. */
    readonly localAddr: { readonly hostname: string; readonly port: number };
    /** The other one. */
    readonly remoteAddr: { readonly hostname: string; readonly port: number };
  }
  | TcpAddr;

/** Options for {@linkcode Kernel.states}. */
export interface StatesOptions {
  /**
   * Milliseconds to wait for what is expected.
   *
   * @default {3000}
   */
  timeout?: number;
  /**
   * Whether the queues and the timer go on the record as well.
   *
   * @default {false}
   */
  details?: boolean;
}

/** Milliseconds between two questions. */
const PAUSE = 5;

const TOOL = Deno.build.os === "darwin" ? "netstat" : "ss";

/** Asks the kernel, and puts what it says on the record. */
export class Kernel {
  /** Why it cannot be asked; missing as long as it can. */
  unseen: string | undefined;
  readonly #trace: Trace;
  readonly #world: Pick<World, "now" | "sleep">;
  readonly #signal: AbortSignal;

  /** Asks as long as `signal` lets it. */
  constructor(trace: Trace, world: Pick<World, "now" | "sleep">, signal: AbortSignal) {
    this.#trace = trace;
    this.#world = world;
    this.#signal = signal;
    // Before anything is started, so that nobody is asked for leave in the middle of a lesson.
    const { state } = Deno.permissions.querySync({ name: "run", command: TOOL });
    if (state !== "granted") this.unseen = `${TOOL} is missing, or --allow-run=${TOOL}`;
  }

  /**
   * The states at `where` once they are as expected, or when the time is over; nothing if the
   * kernel cannot be asked.
   */
  async states(
    where: Where,
    expected: Expected = {},
    options: StatesOptions = {},
  ): Promise<States | undefined> {
    const { timeout = 3000, details = false } = options;
    const until = this.#world.now() + timeout;
    while (true) {
      const found = await this.#look(where, details);
      if (found === undefined) return undefined;
      const states = Object.fromEntries(found.map(({ who, state }) => [who, state]));
      if (fits(states, expected) || this.#world.now() >= until) {
        const at = this.#trace.now();
        for (const event of found) this.#trace.add({ ...event, at });
        return states;
      }
      await this.#world.sleep(PAUSE, { signal: this.#signal });
    }
  }

  /** The sockets there, as the kernel's tool has them; nothing if it cannot be asked. */
  async sockets(where: Where): Promise<KernelSocket[] | undefined> {
    if (this.unseen !== undefined) return undefined;
    const options = { signal: this.#signal };
    try {
      if ("localAddr" in where) {
        return await sockets({ between: [where.localAddr, where.remoteAddr] }, options);
      }
      const found = await sockets({ port: where.port, states: ["LISTEN"] }, options);
      return found.filter(({ local }) => local.port === where.port);
    } catch (error) {
      if (!(error instanceof KernelUnavailableError)) throw error;
      this.unseen = error.message;
      return undefined;
    }
  }

  async #look(where: Where, details: boolean): Promise<Omit<StateEvent, "at">[] | undefined> {
    const found = await this.sockets(where);
    if (found === undefined) return undefined;
    return endsOf(where).map(([a, b]) => {
      const socket = found.find((it) =>
        b === undefined ? it.local.port === a.port : isEnd(it, a, b)
      );
      const [local, peer] = [formatAddr(a), b === undefined ? "" : formatAddr(b)];
      return {
        kind: "state",
        who: whoIs(this.#trace.events, local, peer),
        state: socket?.state ?? "CLOSED",
        ...b !== undefined && { conn: connName(local, peer) },
        ...details && socket && detailsOf(socket),
      };
    });
  }
}

function detailsOf({ recvQueue, sendQueue, timer }: KernelSocket) {
  return { recvQueue, sendQueue, ...timer && { timer } };
}

function endsOf(where: Where): [TcpAddr, TcpAddr | undefined][] {
  if (!("localAddr" in where)) return [[where, undefined]];
  const [a, b] = [where.localAddr, where.remoteAddr].map((it) => tcpAddr(it.hostname, it.port));
  return [[a!, b], [b!, a]];
}

/** Whether each end that is named is in one of its states. */
export function fits(states: States, expected: Expected): boolean {
  return Object.entries(expected).every(([who, wanted]) =>
    states[who] !== undefined && [wanted].flat().includes(states[who])
  );
}
