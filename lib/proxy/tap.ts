/**
 * Looking at what goes through a connection, without touching it.
 *
 * @module
 */

import { type Duplex, isResettable } from "../stream/conn.ts";
import type { TapWay } from "./recording.ts";

/**
 * Sees what is read, before it is passed on: bytes, which are only lent and must be copied to
 * be kept; or `null` for FIN. What it returns is waited for, so that a slow one holds the
 * connection back; what it throws breaks it off.
 */
export type Tap = (way: TapWay, bytes: Uint8Array | null) => void | Promise<void>;

/** The same connection, whose reads are shown to `tap`; it can be reset if it could before. */
export function tapped(conn: Duplex, way: TapWay, tap: Tap): Duplex {
  const seen = {
    async read(p: Uint8Array): Promise<number | null> {
      const n = await conn.read(p);
      await tap(way, n === null ? null : p.subarray(0, n));
      return n;
    },
    write: (p: Uint8Array) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
  return isResettable(conn) ? Object.assign(seen, { reset: () => conn.reset() }) : seen;
}
