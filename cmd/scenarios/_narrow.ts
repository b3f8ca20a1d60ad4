/**
 * The worst that a network may do to the boundaries of reads, on demand.
 *
 * @module
 */

import type { Duplex } from "../../lib/stream/conn.ts";

/** The same connection, which gives at most `most` bytes to each read. */
export function narrow(conn: Duplex, most: number): Duplex {
  return {
    read: (p) => conn.read(p.subarray(0, most)),
    write: (p) => conn.write(p),
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}
