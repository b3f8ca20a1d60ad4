/**
 * The kernel's own view of its sockets: states, queues, timers. It is asked through `ss`,
 * since Deno lets nobody read /proc/net without every permission there is.
 *
 * Needs `--allow-run=ss`; on macOS `--allow-run=netstat`, which knows less.
 *
 * @example The state of both ends
 * ```ts ignore
 * import { sockets } from "@tcplab/tcplab/observe";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const found = await sockets({ port: listener.addr.port });
 * console.log(found.map(({ state }) => state)); // [ "LISTEN" ]
 * ```
 *
 * @module
 */

import { socketsOn } from "./_ask.ts";
import { toolRunner } from "./_tool.ts";
import type { KernelSocket } from "./kernel_socket.ts";
import type { SocketFilter } from "./socket_filter.ts";

export { KernelUnavailableError } from "./kernel_error.ts";

/** Options for {@linkcode sockets}. */
export interface SocketsOptions {
  /**
   * Whether to say which processes hold them, which takes longer, and of other users' needs root.
   *
   * @default {false}
   */
  processes?: boolean;
  /** Ends the question: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * The TCP sockets of this network namespace, of IPv4 and IPv6, listeners included. CLOSED is no
 * connection at all: who is in it has a port, and neither listens nor dials. Linux shows those
 * from 6.8 on, if `ss` is as new.
 *
 * @throws {KernelUnavailableError} If the kernel cannot be asked.
 * @throws {RangeError} If a port is not 1 to 65535.
 */
export async function sockets(
  filter: SocketFilter = {},
  options: SocketsOptions = {},
): Promise<KernelSocket[]> {
  const { processes = false, signal } = options;
  return await socketsOn(Deno.build.os, toolRunner(signal), filter, processes);
}

/** The queue of connections that a listener has not accepted yet. */
export interface ListenQueue {
  /** How many wait in it. */
  readonly length: number;
  /** How many may: on Linux one more than that is let in. */
  readonly backlog: number;
}

/**
 * The accept queue of the listener on this port; nothing if nobody listens there.
 *
 * @throws {KernelUnavailableError} If the kernel cannot be asked.
 */
export async function listenQueue(
  port: number,
  options: SocketsOptions = {},
): Promise<ListenQueue | undefined> {
  // A listener has no peer, so that its own port is the one that was found.
  const [listener] = await sockets({ port, states: ["LISTEN"] }, options);
  return listener && { length: listener.recvQueue, backlog: listener.sendQueue };
}

/**
 * The kernel's counters whose names are asked for, such as `TcpExtListenOverflows`, counted
 * since it started. Names that it does not know are left out. Needs `--allow-run=nstat`.
 *
 * @throws {KernelUnavailableError} If the kernel cannot be asked.
 */
export async function counters<Name extends string>(
  names: readonly Name[],
  options: Pick<SocketsOptions, "signal"> = {},
): Promise<Partial<Record<Name, number>>> {
  // Absolute values, also zeros, and without the history that nstat keeps in a file.
  const text = await toolRunner(options.signal)("nstat", ["-asz", ...names]);
  const found = text.matchAll(/^(\w+)\s+(\d+)\s/gm);
  const counts = Array.from(found, ([, name, count]) => [name, Number(count)]);
  return Object.fromEntries(counts) as Partial<Record<Name, number>>;
}
