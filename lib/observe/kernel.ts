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

import { formatAddr } from "../addr.ts";
import { parseNetstat } from "./_netstat.ts";
import { parseSs, stateFilter } from "./_ss.ts";
import { isEnd, type KernelSocket } from "./kernel_socket.ts";
import { TCP_STATES, type TcpState } from "./tcp_states.ts";

/** Which sockets are wanted: those that fit all that is given. */
export interface SocketFilter {
  /** The port of either end, or one of several. */
  port?: number | readonly number[];
  /** The two ends of a connection, either of which may be ours: both sockets are found. */
  between?: readonly [SocketEnd, SocketEnd];
  /** In these states. */
  states?: readonly TcpState[];
}

/** One end of a connection. */
export interface SocketEnd {
  /** Its address. */
  readonly hostname: string;
  /** Its port. */
  readonly port: number;
}

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

/** The kernel cannot be asked here. The message says why, and what to do about it. */
export class KernelUnavailableError extends Error {
  /** The tool that was to ask it. */
  readonly tool: string;
  /** It is not installed, may not be run, or failed. */
  readonly why: "missing" | "forbidden" | "failed";

  /** Says what `tool` lacks. */
  constructor(
    tool: string,
    why: "missing" | "forbidden" | "failed",
    text: string,
    cause?: unknown,
  ) {
    super(`Cannot ask the kernel: ${text}`, cause === undefined ? {} : { cause });
    this.name = "KernelUnavailableError";
    this.tool = tool;
    this.why = why;
  }
}

/**
 * The TCP sockets of this network namespace, of IPv4 and IPv6, listeners included.
 *
 * @throws {KernelUnavailableError} If the kernel cannot be asked.
 * @throws {RangeError} If a port is not 1 to 65535.
 */
export async function sockets(
  filter: SocketFilter = {},
  options: SocketsOptions = {},
): Promise<KernelSocket[]> {
  const ports = portsOf(filter);
  const fits = fitting(filter, ports);
  if (Deno.build.os === "darwin") {
    return parseNetstat(await output("netstat", ["-an", "-p", "tcp"], options.signal)).filter(fits);
  }
  const { states = TCP_STATES } = filter;
  const [only] = states.length === 1 ? states : [];
  const args = ["-tinaHo", ...options.processes ? ["-p"] : [], ...expression(states, ports)];
  const { sockets, unread } = parseSs(await output("ss", args, options.signal), only);
  if (unread.length > 0) {
    throw new KernelUnavailableError("ss", "failed", `ss printed ${JSON.stringify(unread[0])}`);
  }
  return sockets.filter(fits);
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
  const found = await sockets({ port, states: ["LISTEN"] }, options);
  const listener = found.find(({ local }) => local.port === port);
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
  const text = await output("nstat", ["-asz", ...names], options.signal);
  const found = text.matchAll(/^(\w+)\s+(\d+)\s/gm);
  return Object.fromEntries(
    Array.from(found, ([, name, count]) => [name, Number(count)]),
  ) as Partial<
    Record<Name, number>
  >;
}

function portsOf({ port, between }: SocketFilter): readonly number[] {
  const ports = port === undefined ? between?.map((end) => end.port) ?? [] : [port].flat();
  const wrong = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65535);
  if (wrong === undefined) return ports;
  throw new RangeError(
    `Cannot look for sockets as 'port' must be 1 to 65535: current value is ${wrong}`,
  );
}

function fitting({ states, between }: SocketFilter, ports: readonly number[]) {
  return (socket: KernelSocket): boolean => {
    const { state, local, peer } = socket;
    if (states !== undefined && !states.includes(state)) return false;
    if (between !== undefined) {
      const [a, b] = between;
      return isEnd(socket, a, b) || isEnd(socket, b, a);
    }
    return ports.length === 0 || ports.includes(local.port) || ports.includes(peer.port);
  };
}

/** In the filter language of `ss`, so that it need not print what nobody wants. */
function expression(states: readonly TcpState[], ports: readonly number[]): string[] {
  const wanted = states.length === TCP_STATES.length
    ? []
    : states.flatMap((state) => ["state", stateFilter(state)]);
  const either = ports.flatMap((port) => [`sport = :${port}`, `dport = :${port}`]);
  return either.length === 0 ? wanted : [...wanted, `( ${either.join(" or ")} )`];
}

const PACKAGES: Readonly<Record<string, string>> = { ss: "iproute2", nstat: "iproute2" };

async function output(
  tool: string,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string> {
  signal?.throwIfAborted();
  let result: Deno.CommandOutput;
  try {
    const command = new Deno.Command(tool, {
      args: [...args],
      stdin: "null",
      ...signal && { signal },
    });
    result = await command.output();
  } catch (error) {
    const from = PACKAGES[tool] === undefined
      ? ""
      : `: it comes with the package ${PACKAGES[tool]}`;
    if (error instanceof Deno.errors.NotFound) {
      throw new KernelUnavailableError(tool, "missing", `${tool} is not installed${from}`, error);
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new KernelUnavailableError(tool, "forbidden", `add --allow-run=${tool}`, error);
    }
    throw error;
  }
  signal?.throwIfAborted();
  if (result.success) return new TextDecoder().decode(result.stdout);
  const complaint = new TextDecoder().decode(result.stderr).trim().split("\n")[0];
  throw new KernelUnavailableError(
    tool,
    "failed",
    `${tool} ended with ${result.code}${complaint ? `: ${complaint}` : ""}`,
  );
}

/** Says which socket it is and how it is, in a line. */
export function socketText({ state, local, peer, recvQueue, sendQueue }: KernelSocket): string {
  return `${state} ${recvQueue}/${sendQueue} ${formatAddr(local)} ${formatAddr(peer)}`;
}
