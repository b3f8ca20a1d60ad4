/**
 * TLS and Unix connections as what {@linkcode TcpStream} stands upon.
 *
 * @module
 */

import type { Duplex } from "./conn.ts";
import type { TcpSocket } from "./tcp.ts";

/** A connection that lacks some of what a TCP socket can be told. */
export interface OtherSocket extends Duplex {
  /** Lets a pending operation keep the process alive; TLS connections have no say in that. */
  ref?(): void;
  /** Lets the process end although an operation is pending. */
  unref?(): void;
}

/** An end of a connection: for a Unix socket `unix:PATH`, and port 0. */
export type Addr = { readonly hostname: string; readonly port: number };

/**
 * `conn` with addresses, as a TCP socket that takes no options: what it is told of Nagle's
 * algorithm and of keep-alive is forgotten, since Deno cannot set it.
 */
export function addressed(conn: OtherSocket, localAddr: Addr, remoteAddr: Addr): TcpSocket {
  return {
    localAddr,
    remoteAddr,
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    setNoDelay() {},
    setKeepAlive() {},
    ref: () => conn.ref?.(),
    unref: () => conn.unref?.(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}
