/** An end of a connection that dies at a chosen byte. */

import type { Duplex, Resettable } from "../../lib/stream/conn.ts";

/** How it dies: a process that ends says FIN, a machine that reboots answers with RST. */
export type Death = "fin" | "reset";

/** When it dies: after so many bytes in one direction. */
export interface Fate {
  death: Death;
  /** How many bytes it still reads. */
  reads?: number;
  /** How many bytes it still writes. */
  writes?: number;
}

/** `conn`, but it dies as `fate` has it. */
export function dying(
  conn: Resettable,
  { death, reads = Infinity, writes = Infinity }: Fate,
): Duplex {
  const die = () => death === "fin" ? conn[Symbol.dispose]() : conn.reset();
  const step = async (
    p: Uint8Array,
    left: number,
    act: (p: Uint8Array) => Promise<number | null>,
  ): Promise<number | null> => {
    if (left === 0) die();
    return await act(p.subarray(0, Math.max(left, 1)));
  };
  return {
    async read(p) {
      const n = await step(p, reads, (p) => conn.read(p));
      reads -= n ?? 0;
      return n;
    },
    async write(p) {
      const n = await step(p, writes, (p) => conn.write(p)) ?? 0;
      writes -= n;
      return n;
    },
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}
