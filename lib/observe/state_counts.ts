/**
 * How many sockets there are in each state: of all, of each port, of each process.
 *
 * @example
 * ```ts
 * import { countStates } from "@tcplab/tcplab/observe";
 * import { assertEquals } from "@std/assert";
 *
 * const counts = countStates([{ state: "LISTEN" }, { state: "ESTABLISHED" }, { state: "LISTEN" }]);
 * assertEquals([counts.LISTEN, counts.ESTABLISHED, counts["TIME-WAIT"]], [2, 1, 0]);
 * ```
 *
 * @module
 */

import type { KernelSocket } from "./kernel_socket.ts";
import { TCP_STATES, type TcpState } from "./tcp_states.ts";

/** A count for every state, also where it is 0, in the order of {@linkcode TCP_STATES}. */
export type StateCounts = Readonly<Record<TcpState, number>>;

/** Counts them. */
export function countStates(sockets: Iterable<Pick<KernelSocket, "state">>): StateCounts {
  const counts = Object.fromEntries(TCP_STATES.map((state) => [state, 0])) as Record<
    TcpState,
    number
  >;
  for (const { state } of sockets) counts[state]++;
  return counts;
}

/** How many there are in all states together. */
export function totalOf(counts: StateCounts): number {
  return TCP_STATES.reduce((sum, state) => sum + counts[state], 0);
}

/**
 * Counts the sockets of each group, the largest first, and of equals as their names sort. A
 * socket of several groups counts in each.
 */
export function countStatesBy<S extends Pick<KernelSocket, "state">>(
  sockets: Iterable<S>,
  groupsOf: (socket: S) => readonly string[],
): Map<string, StateCounts> {
  const groups = new Map<string, S[]>();
  for (const socket of sockets) {
    for (const name of groupsOf(socket)) {
      const group = groups.get(name);
      if (group === undefined) groups.set(name, [socket]);
      else group.push(socket);
    }
  }
  const largest = [...groups].sort(([a, one], [b, two]) => two.length - one.length || order(a, b));
  return new Map(largest.map(([name, group]) => [name, countStates(group)]));
}

/**
 * Groups by the port of the service: that of our end if somebody listens there, else that of the
 * peer. So both ends of a connection over loopback are in one group.
 */
export function byPort(
  sockets: Iterable<KernelSocket>,
): (socket: Pick<KernelSocket, "state" | "local" | "peer">) => readonly [string] {
  const listening = new Set<number>();
  for (const { state, local } of sockets) if (state === "LISTEN") listening.add(local.port);
  return ({ state, local, peer }) => {
    const ours = state === "LISTEN" || state === "CLOSED" || listening.has(local.port);
    return [`:${ours ? local.port : peer.port}`];
  };
}

/** Whom the kernel holds a socket for when no process does, or none that may be seen. */
export const NOBODY = "-";

/**
 * Groups by the processes that hold a socket, such as `"deno[4711]"`; {@linkcode NOBODY} holds
 * those in TIME-WAIT and SYN-RECEIVED, those not accepted yet, and those that a process left
 * behind when it closed them.
 */
export function byProcess({ processes = [] }: Pick<KernelSocket, "processes">): readonly string[] {
  // One process may hold a socket by several descriptors.
  const names = new Set(processes.map(({ name, pid }) => `${name}[${pid}]`));
  return names.size === 0 ? [NOBODY] : [...names];
}

function order(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
