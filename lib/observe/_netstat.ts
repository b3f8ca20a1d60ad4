/**
 * What `netstat -anl -p tcp` prints on macOS, where there is no `ss`. Without the `l` it cuts
 * addresses of IPv6 off.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import type { KernelSocket } from "./kernel_socket.ts";
import { TCP_STATES, type TcpState } from "./tcp_states.ts";

/** The BSDs write states with underscores, and one of them in short. */
const STATES = new Map<string, TcpState>([
  ...TCP_STATES.map((state) => [state.replaceAll("-", "_"), state] as const),
  ["SYN_RCVD", "SYN-RECEIVED"],
]);

/** What was printed: the sockets, and the lines of TCP that are none. */
export interface NetstatReport {
  /** The sockets, in order. */
  readonly sockets: KernelSocket[];
  /** Lines that could not be read, so that nothing is left out in silence. */
  readonly unread: string[];
}

/** Reads all of it; what is not of TCP is passed over. */
export function parseNetstat(text: string): NetstatReport {
  const sockets: KernelSocket[] = [];
  const unread: string[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("tcp")) continue;
    const socket = parseLine(line);
    if (socket === undefined) unread.push(line.trim());
    else sockets.push(socket);
  }
  return { sockets, unread };
}

function parseLine(line: string): KernelSocket | undefined {
  const [, receive = "", send = "", local = "", peer = "", name = ""] = line.split(/\s+/);
  const state = STATES.get(name);
  const ends = [local, peer].map(parseEnd);
  if (state === undefined || !ends[0] || !ends[1]) return undefined;
  if (!/^\d+$/.test(receive) || !/^\d+$/.test(send)) return undefined;
  return {
    state,
    local: ends[0],
    peer: ends[1],
    recvQueue: Number(receive),
    sendQueue: Number(send),
    flags: [],
    info: {},
  };
}

/** `127.0.0.1.8080`, `::1.8080`, `*.*`. */
function parseEnd(text: string): TcpAddr | undefined {
  const dot = text.lastIndexOf(".");
  const port = text.slice(dot + 1);
  if (dot < 1 || !/^(\*|\d{1,5})$/.test(port) || Number(port) > 65535) return undefined;
  return tcpAddr(text.slice(0, dot), port === "*" ? 0 : Number(port));
}
