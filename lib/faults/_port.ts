/**
 * Where a link listens and what it dials with: connections of `node:net`, which can say RST, or
 * Deno's own, which are faster and can not.
 */

import type { TcpAddr } from "../addr.ts";
import { dial } from "../client/dial.ts";
import { serveTcp } from "../server/server.ts";
import type { Duplex, Resettable } from "../stream/conn.ts";
import { dialResettable, listenResettable, type ResettableConn } from "../stream/resettable.ts";
import type { World } from "../world.ts";

/** A port that is open. */
export interface Port {
  readonly addr: TcpAddr;
  /** Lets nobody in any more; resolves when every `onConn` has returned. */
  close(): Promise<void>;
}

/** Listens, and hands each connection to `onConn`, whose it is. */
export async function openPort(
  addr: { hostname: string; port: number },
  resets: boolean,
  onConn: (conn: Resettable) => Promise<void>,
): Promise<Port> {
  if (!resets) {
    const server = serveTcp({ ...addr }, (conn) => onConn(withoutReset(conn)));
    return {
      addr: server.addr,
      // Whoever calls this ends the connections, so that there is nobody to wait for.
      close: async () => void await server.shutdown(),
    };
  }
  const listener = await listenResettable(addr);
  const tasks = new Set<Promise<void>>();
  const accept = async () => {
    while (true) {
      let conn: ResettableConn;
      try {
        conn = await listener.accept();
      } catch {
        return; // it was closed
      }
      const task = onConn(conn).finally(() => tasks.delete(task));
      tasks.add(task);
    }
  };
  const accepting = accept();
  return {
    addr: listener.addr,
    async close() {
      listener[Symbol.dispose]();
      await accepting;
      await Promise.all(tasks);
    },
  };
}

/** Connects to `target`. */
export async function dialPort(
  target: { hostname: string; port: number },
  resets: boolean,
  options: { timeout: number; signal: AbortSignal; world: World },
): Promise<Resettable> {
  return resets ? await dialResettable(target, options) : withoutReset(await dial(target, options));
}

/** A connection whose RST is a close. */
function withoutReset(conn: Duplex): Resettable {
  return {
    read: (p) => conn.read(p),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    reset: () => conn[Symbol.dispose](),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}
