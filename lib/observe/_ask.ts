/**
 * What to ask a system for its sockets, and how to read the answer.
 *
 * @module
 */

import { parseNetstat } from "./_netstat.ts";
import { parseSs, stateFilter } from "./_ss.ts";
import type { RunTool } from "./_tool.ts";
import { KernelUnavailableError } from "./kernel_error.ts";
import { isEnd, type KernelSocket } from "./kernel_socket.ts";
import type { SocketFilter } from "./socket_filter.ts";
import { TCP_STATES, type TcpState } from "./tcp_states.ts";

/**
 * Asks the system `os`, by its name in `Deno.build.os`.
 *
 * @throws {KernelUnavailableError} If its tool prints what cannot be read.
 * @throws {RangeError} If a port is not 1 to 65535.
 */
export async function socketsOn(
  os: string,
  run: RunTool,
  filter: SocketFilter,
  processes: boolean,
): Promise<KernelSocket[]> {
  const ports = portsOf(filter);
  const states = [...new Set(filter.states ?? TCP_STATES)];
  if (ports?.length === 0 || states.length === 0) return [];
  const fits = fitting(filter, ports);
  if (os === "darwin") {
    const report = parseNetstat(await run("netstat", ["-anl", "-p", "tcp"]));
    return whole("netstat", report).filter(fits);
  }
  const [only] = states.length === 1 ? states : [];
  const args = ["-tinaHo", ...processes ? ["-p"] : [], ...expression(states, ports ?? [])];
  return whole("ss", parseSs(await run("ss", args), only)).filter(fits);
}

/** All sockets of a report, if it could be read as a whole. */
function whole(
  tool: string,
  { sockets, unread }: { sockets: KernelSocket[]; unread: readonly string[] },
): KernelSocket[] {
  if (unread.length === 0) return sockets;
  const printed = `${tool} printed ${JSON.stringify(unread[0])}`;
  throw new KernelUnavailableError(tool, "failed", printed);
}

/** Those of either end that are wanted; all, if it does not say. */
function portsOf({ port, between }: SocketFilter): readonly number[] | undefined {
  const ports = port === undefined ? between?.map((end) => end.port) : [port].flat();
  const wrong = ports?.find((port) => !Number.isInteger(port) || port < 1 || port > 65535);
  if (wrong === undefined) return ports;
  throw new RangeError(
    `Cannot look for sockets as 'port' must be 1 to 65535: current value is ${wrong}`,
  );
}

function fitting({ states, between }: SocketFilter, ports: readonly number[] | undefined) {
  return (socket: KernelSocket): boolean => {
    const { state, local, peer } = socket;
    if (states !== undefined && !states.includes(state)) return false;
    if (ports !== undefined && !ports.includes(local.port) && !ports.includes(peer.port)) {
      return false;
    }
    if (between === undefined) return true;
    const [a, b] = between;
    return isEnd(socket, a, b) || isEnd(socket, b, a);
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
