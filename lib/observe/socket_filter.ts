/**
 * Which of the kernel's sockets are wanted.
 *
 * @module
 */

import type { TcpState } from "./tcp_states.ts";

/** Which sockets are wanted: those that fit all that is given. */
export interface SocketFilter {
  /** The port of either end, or one of several; of no ports there is no socket. */
  port?: number | readonly number[];
  /** The two ends of a connection, either of which may be ours: both sockets are found. */
  between?: readonly [SocketEnd, SocketEnd];
  /** In these states. */
  states?: readonly TcpState[];
}

/** One end of a connection. */
export interface SocketEnd {
  /** Its address, as the kernel has it: IPv4 or IPv6, and no name. */
  readonly hostname: string;
  /** Its port. */
  readonly port: number;
}
