/**
 * One look after the other at the kernel's sockets.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { ALARM_COUNTERS, type SocketSample } from "../lib/observe/alarms.ts";
import { counters, KernelUnavailableError, sockets } from "../lib/observe/kernel.ts";
import type { KernelSocket } from "../lib/observe/kernel_socket.ts";
import {
  byPort,
  byProcess,
  countStates,
  countStatesBy,
  type StateCounts,
} from "../lib/observe/state_counts.ts";
import type { TcpState } from "../lib/observe/tcp_states.ts";
import type { World } from "../lib/world.ts";
import { FailureError } from "./_cli.ts";
import { MissingPermissionError } from "./_permissions.ts";

/** What is to be seen. */
export interface Wanted {
  /** By what to count apart. */
  readonly by: "none" | "port" | "process";
  /** Only sockets with one of these ports; none of them is every port. */
  readonly port: readonly number[];
  /** Only sockets in one of these states; none of them is every state. */
  readonly state: readonly TcpState[];
  /** Only sockets that a program of this name holds; the empty name is everybody's. */
  readonly process: string;
}

/** What was seen at one time. */
export interface Look {
  /** When it was, for a person. */
  readonly time: Date;
  /** How many of the wanted sockets are in each state. */
  readonly counts: StateCounts;
  /** The same for each group, the largest first; empty if nothing is counted apart. */
  readonly groups: ReadonlyMap<string, StateCounts>;
  /** What alarms are to look at: all states, and whoever holds them. */
  readonly sample: SocketSample;
}

const TOOL = Deno.build.os === "darwin" ? "netstat" : "ss";

/** Asks the kernel. */
export class Looker {
  /** Why the kernel's counters are not seen; nothing if they are, or are not wanted. */
  blind: string | undefined;
  readonly #wanted: Wanted;
  readonly #world: Pick<World, "now">;
  readonly #signal: AbortSignal;

  /**
   * Asks until `signal` aborts.
   *
   * @throws {MissingPermissionError} If the kernel may not be asked.
   */
  constructor(wanted: Wanted, world: Pick<World, "now">, signal: AbortSignal) {
    this.#wanted = wanted;
    this.#world = world;
    this.#signal = signal;
    if (!mayRun(TOOL)) {
      // Deno cannot allow what it does not find, so it may be either.
      const found = TOOL === "ss"
        ? ", with ss on the PATH: it comes with the package iproute2"
        : "";
      throw new MissingPermissionError(`a permission is missing: add --allow-run=${TOOL}${found}`);
    }
    if (this.#counts && !mayRun("nstat")) this.blind = "nstat is missing, or --allow-run=nstat";
  }

  /**
   * Looks once.
   *
   * @throws {FailureError} If the kernel cannot be asked.
   */
  async look(): Promise<Look> {
    const { by, port, state, process } = this.#wanted;
    const at = this.#world.now();
    const time = new Date();
    const [found, counted] = await Promise.all([
      explained(sockets(port.length === 0 ? {} : { port }, {
        processes: by === "process" || process !== "",
        signal: this.#signal,
      })),
      this.#count(),
    ]);
    const wanted = found.filter((socket) =>
      (state.length === 0 || state.includes(socket.state)) &&
      (process === "" || socket.processes?.some(({ name }) => name === process))
    );
    return {
      time,
      counts: countStates(wanted),
      groups: by === "none"
        ? new Map()
        : countStatesBy(wanted, by === "port" ? byPort(found) : byProcess),
      sample: {
        at,
        counts: countStates(found),
        listeners: found.filter(({ state }) => state === "LISTEN").map(listener),
        ...counted && { counters: counted },
      },
    };
  }

  /** Whether to ask for the kernel's counters, which are of all ports together. */
  get #counts(): boolean {
    return this.#wanted.port.length === 0;
  }

  /** The kernel's counters; it goes without where they cannot be had. */
  async #count(): Promise<SocketSample["counters"] | undefined> {
    if (!this.#counts || this.blind !== undefined) return undefined;
    try {
      return await counters(ALARM_COUNTERS, { signal: this.#signal });
    } catch (error) {
      if (!(error instanceof KernelUnavailableError)) throw error;
      this.blind = error.message;
      return undefined;
    }
  }
}

function listener({ local, recvQueue, sendQueue }: KernelSocket) {
  return { name: formatAddr(local), length: recvQueue, backlog: sendQueue };
}

function mayRun(command: string): boolean {
  return Deno.permissions.querySync({ name: "run", command }).state === "granted";
}

async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof KernelUnavailableError)) throw error;
    throw new FailureError(error.message, { cause: error });
  }
}
