/**
 * What a fault is: a function from the bytes of one direction to what becomes of them.
 *
 * FIN is the end of the iterable, as everywhere in this house, so a fault that does nothing
 * special about it carries it across. RST is an error thrown. For what neither can say, a fault
 * yields a {@linkcode Mark}.
 *
 * @example A fault of one's own: every byte in upper case, a little late
 * ```ts
 * import { type Fault, memoryLink } from "@tcplab/tcplab/faults";
 * import { readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const shout: Fault = async function* (chunks, world) {
 *   for await (const chunk of chunks) {
 *     await world.sleep(5);
 *     yield chunk.map((byte) => byte >= 97 && byte <= 122 ? byte - 32 : byte);
 *   }
 * };
 *
 * await using link = memoryLink({ up: [shout] });
 * const { client, server } = link.connect();
 * await writeAll(client, new TextEncoder().encode("hello"));
 * await client.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(server)), "HELLO");
 * ```
 *
 * @module
 */

import type { World } from "../world.ts";

/** The ways a byte can go: from the client up to the server, or down from it. */
export type Direction = "up" | "down";

/**
 * What a fault can yield besides bytes:
 *
 * - `FIN`: no more bytes come, and whatever was still to come is dropped. The other direction
 *   goes on. The fault may go on as well, and yield `RST` or `CLOSE` later;
 * - `RST`: both connections are reset, in both directions;
 * - `CLOSE`: both connections are closed, in both directions, after the bytes that went before.
 */
export type Mark = typeof FIN | typeof RST | typeof CLOSE;

/** No more bytes come; see {@linkcode Mark}. */
export const FIN: unique symbol = Symbol("FIN");
/** Both connections are reset; see {@linkcode Mark}. */
export const RST: unique symbol = Symbol("RST");
/** Both connections are closed; see {@linkcode Mark}. */
export const CLOSE: unique symbol = Symbol("CLOSE");

/** What a fault knows and may use: time, chance, and where it stands. */
export interface FaultWorld extends World {
  /**
   * Waits, but no longer than the fault is there: when it is removed or changed, every sleep ends
   * at once, by resolving, so that what the fault holds back goes on its way.
   */
  sleep(ms: number): Promise<void>;
  /** The next number from 0 up to but not including 1, of dice that are this fault's alone. */
  random(): number;
  /** Such a number for a byte of the stream: the same however the bytes are cut into chunks. */
  randomAt(offset: number): number;
  /**
   * Aborts when the fault is removed or changed. Then `chunks` ends as well, which is not FIN:
   * yield what is held, and return.
   */
  readonly signal: AbortSignal;
  /** Which way the bytes go. */
  readonly direction: Direction;
  /** Which connection of its link this is; the first is 1. */
  readonly connection: number;
  /** How many bytes of this direction came before those that the fault is given. */
  readonly offset: number;
  /** The same, when the fault was added: less than `offset` after a change. */
  readonly origin: number;
  /** Ends both connections now, ahead of bytes that wait on their way. */
  end(how: typeof RST | typeof CLOSE): void;
  /** Tells the log what was done to the stream, and where in it. */
  note(what: string, offset: number): void;
}

/**
 * One thing that can go wrong on the way.
 *
 * It is called once for each connection and direction that it is for, with the bytes as they
 * arrive. A chunk is the fault's to keep or to change. When it returns, that is FIN, unless it
 * was removed: then what comes later passes by it.
 *
 * An error that it throws is RST, and if it is not a peer's own reset, the link is told.
 */
export type Fault = (
  chunks: AsyncIterable<Uint8Array>,
  world: FaultWorld,
) => AsyncIterable<Uint8Array | Mark>;

/** Options for {@linkcode faultWorld}. */
export interface FaultWorldOptions {
  /** Decides all chance: a number of which the integer part modulo 2^32 counts. */
  seed: number;
  /** Which way the bytes go. */
  direction?: Direction;
  /** Which connection of its link this is, from 1. */
  connection?: number;
  /** Bytes of this direction before those that the fault is given. */
  offset?: number;
  /** The same, when the fault was added. */
  origin?: number;
  /** Aborts when the fault is removed. */
  signal?: AbortSignal;
  /** Ends both connections. */
  end?: (how: typeof RST | typeof CLOSE) => void;
  /** Hears what the fault notes. */
  note?: (what: string, offset: number) => void;
}
