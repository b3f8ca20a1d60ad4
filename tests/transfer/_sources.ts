/** Sources, streams and clocks that misbehave on purpose. */

import type { Duplex } from "../../lib/stream/conn.ts";
import type { Incoming } from "../../lib/transfer/incoming.ts";
import type { FileSource } from "../../lib/transfer/source.ts";
import type { Store } from "../../lib/transfer/store.ts";
import { realWorld, type World } from "../../lib/world.ts";

/** A source without a file; `before` is waited for ahead of each read. */
export function memorySource(
  name: string,
  bytes: Uint8Array,
  before: (at: number) => void | Promise<void> = () => {},
): FileSource {
  let at = 0;
  return {
    head: { name, size: bytes.length, mode: 0o644, mtime: 0 },
    async read(p) {
      await before(at);
      const piece = bytes.subarray(at, at + p.length);
      p.set(piece);
      at += piece.length;
      return piece.length === 0 ? null : piece.length;
    },
    rewind() {
      at = 0;
      return Promise.resolve();
    },
    unchanged: () => Promise.resolve(true),
    [Symbol.dispose]() {},
  };
}

/** A store whose disk fails with `error` once it took `room` bytes of a file. */
export function failingStore(store: Store, room: number, error: unknown): Store {
  return {
    async open(wish) {
      const incoming = await store.open(wish);
      let left = room;
      return new Proxy(incoming, {
        get(target, key: keyof Incoming) {
          if (key !== "write") {
            const value = target[key];
            return typeof value === "function" ? value.bind(target) : value;
          }
          return async (bytes: Uint8Array) => {
            await target.write(bytes.subarray(0, left));
            if (bytes.length > left) throw error;
            left -= bytes.length;
          };
        },
      });
    },
  };
}

/** `conn`, with the byte at `index` of what is written turned into another. */
export function corrupting(conn: Duplex, index: number): Duplex {
  let at = 0;
  return {
    read: (p) => conn.read(p),
    async write(p) {
      const bytes = p.slice();
      if (index >= at && index < at + p.length) bytes[index - at]! ^= 0x80;
      const n = await conn.write(bytes);
      at += n;
      return n;
    },
    closeWrite: () => conn.closeWrite(),
    [Symbol.dispose]: () => conn[Symbol.dispose](),
  };
}

/** A world where the waits that `over` names are over at once, and no other ever is. */
export function worldWhere(over: (ms: number) => boolean): World {
  return {
    ...realWorld,
    sleep: (ms, { signal } = {}) =>
      over(ms) ? Promise.resolve() : new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      }),
  };
}
