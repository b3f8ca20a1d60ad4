/**
 * What `netstat -an -p tcp` prints on macOS, where there is no `ss`.
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

/** Reads all of it; what is no socket of TCP is passed over. */
export function parseNetstat(text: string): KernelSocket[] {
  return text.split("\n").flatMap((line) => {
    const [family = "", receive, send, local = "", peer = "", name = ""] = line.trim().split(/\s+/);
    const state = STATES.get(name);
    const ends = [local, peer].map(parseEnd);
    if (!family.startsWith("tcp") || state === undefined || !ends[0] || !ends[1]) return [];
    return [{
      state,
      local: ends[0],
      peer: ends[1],
      recvQueue: Number(receive),
      sendQueue: Number(send),
      flags: [],
      info: {},
    }];
  });
}

/** `127.0.0.1.8080`, `::1.8080`, `*.*`. */
function parseEnd(text: string): TcpAddr | undefined {
  const dot = text.lastIndexOf(".");
  const port = text.slice(dot + 1);
  if (dot < 1 || !/^(\*|\d{1,5})$/.test(port)) return undefined;
  return tcpAddr(text.slice(0, dot), port === "*" ? 0 : Number(port));
}
