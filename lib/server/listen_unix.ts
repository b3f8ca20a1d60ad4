/**
 * Unix sockets: {@linkcode serveTcp} without TCP.
 *
 * @module
 */

import { addressed } from "../stream/addressed.ts";
import type { TcpSocket } from "../stream/tcp.ts";
import type { Listening } from "./accept.ts";

/**
 * Listens on a path: `serveTcp({ listener: listenUnix(path) }, …)`. Its addresses are `unix:PATH`,
 * and port 0. Closing it removes the file; one that is there already is an error, be it in use
 * or left behind.
 *
 * @throws {Deno.errors.AddrInUse} If there is a file of that name.
 * @throws {Deno.errors.NotCapable} Unless the path may be read, written and, as `unix:PATH`,
 * listened on.
 */
export function listenUnix(path: string): Listening {
  const listener = Deno.listen({ transport: "unix", path });
  const addr = { hostname: `unix:${path}`, port: 0 };
  return {
    addr,
    async accept(): Promise<TcpSocket> {
      return addressed(await listener.accept(), addr, { hostname: "unix:", port: 0 });
    },
    close: () => listener.close(),
    ref: () => listener.ref(),
    unref: () => listener.unref(),
  };
}
