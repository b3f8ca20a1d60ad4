/**
 * One end of a TCP connection, or a listener, as the kernel sees it.
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";
import type { TcpState } from "./tcp_states.ts";

/** What the kernel waits for. */
export interface SocketTimer {
  /** `on` to send again, `keepalive`, `timewait`, `persist` to ask for a window, or another. */
  readonly kind: string;
  /** Milliseconds until then, as exact as the kernel's tool is. */
  readonly left: number;
  /** How often it has been in vain. */
  readonly retransmits: number;
}

/** A process that holds a socket open. */
export interface SocketProcess {
  /** The program's name. */
  readonly name: string;
  /** Its process. */
  readonly pid: number;
  /** Its descriptor. */
  readonly fd: number;
}

/** A socket. */
export interface KernelSocket {
  /** Its state. */
  readonly state: TcpState;
  /** Our end; `*` as a host name is every address of both families, and port 0 any. */
  readonly local: TcpAddr;
  /** The peer's end; a listener has none, which is port 0. */
  readonly peer: TcpAddr;
  /**
   * Bytes that came and that the program has not read; of a listener, the connections that
   * wait to be accepted. A FIN counts as one.
   */
  readonly recvQueue: number;
  /**
   * Bytes that the peer has not acknowledged; of a listener, the longest that its queue may
   * become: the backlog. A FIN counts as one.
   */
  readonly sendQueue: number;
  /** The timer that runs; a socket that waits for nothing has none. */
  readonly timer?: SocketTimer;
  /** Who holds it, if that was asked for; what the program may not see is missing. */
  readonly processes?: readonly SocketProcess[];
  /** Words of the kernel's tool that stand alone, such as `ts`, `sack` and `app_limited`. */
  readonly flags: readonly string[];
  /** What else it says, by name, as text: `rtt`, `cwnd`, `unacked`, `retrans`, `bytes_acked`, … */
  readonly info: Readonly<Record<string, string>>;
}

/** A number of {@linkcode KernelSocket.info}; of several, such as `rtt:0.02/0.01`, the first. */
export function infoNumber({ info }: Pick<KernelSocket, "info">, name: string): number | undefined {
  const value = Number.parseFloat(info[name] ?? "");
  return Number.isNaN(value) ? undefined : value;
}

/** An address as both families have it: an IPv4 address that an IPv6 socket reports is IPv4. */
export function plainHost(hostname: string): string {
  return hostname.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
}

/** Whether a socket is the `local` end of a connection with `peer`. */
export function isEnd(
  socket: Pick<KernelSocket, "local" | "peer">,
  local: { hostname: string; port: number },
  peer: { hostname: string; port: number },
): boolean {
  const same = (a: { hostname: string; port: number }, b: { hostname: string; port: number }) =>
    a.port === b.port && plainHost(a.hostname) === plainHost(b.hostname);
  return same(socket.local, local) && same(socket.peer, peer);
}
