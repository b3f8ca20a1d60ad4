/**
 * Plays one side of a recorded connection, and compares what the other one says with what it
 * said then.
 *
 * @example The client of a recorded connection
 * ```ts
 * import { type Recorded, replay } from "@tcplab/tcplab/proxy";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * const recorded: Recorded[] = [
 *   { conn: 1, at: 0, way: "up", bytes: bytes("2 + 2") },
 *   { conn: 1, at: 0, way: "up", bytes: null },
 *   { conn: 1, at: 5, way: "down", bytes: bytes("4") },
 * ];
 * const [client, server] = memoryPair();
 * const replaying = replay(client, recorded, "client");
 * await readToEnd(server);
 * await writeAll(server, bytes("5"));
 * await server.closeWrite();
 * assertEquals(await replaying, { sent: 5, received: 1, recorded: 1, differsAt: 0 });
 * ```
 *
 * @module
 */

import type { Duplex } from "../stream/conn.ts";
import { writeAll } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import type { Recorded } from "./recording.ts";

/** Options for {@linkcode replay}. */
export interface ReplayOptions {
  /**
   * How much faster than it was, > 0; `Infinity` waits only for what the other side says.
   *
   * @default {1}
   */
  speed?: number;
  /**
   * The most milliseconds to wait for something that the other side said then, > 0.
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** How it went. */
export interface ReplayReport {
  /** Bytes that we sent. */
  readonly sent: number;
  /** Bytes that came. */
  readonly received: number;
  /** Bytes that had come when it was recorded. */
  readonly recorded: number;
  /** The first byte that is another one, or is missing, or too many; missing if none is. */
  readonly differsAt?: number;
  /** What ended it ahead of its end, such as a reset, or a wait that was too long. */
  readonly error?: Error;
}

/**
 * Plays `side` on `conn`, and disposes it in the end. Each of our own steps waits for as many
 * bytes of the other side's as had come before it, and then for as long as passed since the step
 * before. Then the other side is heard out, until its FIN.
 *
 * @throws {RangeError} If an option is out of range.
 */
export async function replay(
  conn: Duplex,
  events: readonly Recorded[],
  side: "client" | "server",
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const { speed = 1, timeout = 10_000, world = realWorld } = options;
  for (const [name, value] of Object.entries({ speed, timeout })) {
    if (!(value > 0)) {
      throw new RangeError(`Cannot replay as '${name}' must be > 0: current value is ${value}`);
    }
  }
  const own = side === "client" ? "up" : "down";
  const theirs = events.filter(({ way }) => way !== own).flatMap(({ bytes }) => bytes ?? []);
  const expected = concat(theirs);
  const hearing = new Hearing(conn, expected, { timeout, world });
  let sent = 0;
  let error: Error | undefined;
  try {
    let due = 0;
    let before = 0;
    for (const { at, way, bytes } of events) {
      const gap = (at - before) / speed;
      before = at;
      if (way !== own) {
        due += bytes?.length ?? 0;
        continue;
      }
      await hearing.reach(due);
      if (gap > 0) await world.sleep(gap);
      await hearing.within(bytes === null ? conn.closeWrite() : writeAll(conn, bytes));
      sent += bytes?.length ?? 0;
    }
    await hearing.within(conn.closeWrite());
    await hearing.reach(Infinity);
  } catch (reason) {
    error = reason as Error;
  }
  conn[Symbol.dispose]();
  await hearing.over;
  const { received, differsAt = received === expected.length ? undefined : received } = hearing;
  return {
    sent,
    received,
    recorded: expected.length,
    ...differsAt !== undefined && { differsAt },
    ...error !== undefined && { error },
  };
}

/** What the other side says, compared as it comes. */
class Hearing {
  received = 0;
  differsAt: number | undefined;
  readonly over: Promise<void>;
  readonly #limits: { timeout: number; world: World };
  #ended = false;
  #error: Error | undefined;
  #wake = () => {};

  constructor(conn: Duplex, expected: Uint8Array, limits: { timeout: number; world: World }) {
    this.#limits = limits;
    this.over = this.#hear(conn, expected);
  }

  async #hear(conn: Duplex, expected: Uint8Array): Promise<void> {
    const buffer = new Uint8Array(65536);
    try {
      for (let n; (n = await conn.read(buffer)) !== null; this.#wake()) {
        for (let i = 0; i < n && this.differsAt === undefined; i++) {
          if (buffer[i] !== expected[this.received + i]) this.differsAt = this.received + i;
        }
        this.received += n;
      }
    } catch (error) {
      this.#error = error as Error;
    }
    this.#ended = true;
    this.#wake();
  }

  /** Waits for something of ours, which the other side may hold up. */
  async within(step: Promise<void>): Promise<void> {
    const { timeout, world } = this.#limits;
    const done = new AbortController();
    const late = world.sleep(timeout, { signal: done.signal }).then(
      () => Promise.reject(new DOMException(`Nothing was taken for ${timeout} ms`, "TimeoutError")),
      () => {},
    );
    step.catch(() => {}); // if it comes too late, nobody waits for it any more
    await Promise.race([step, late]).finally(() => done.abort("done"));
  }

  /** Waits until so many bytes have come, or no more will. */
  async reach(count: number): Promise<void> {
    const { timeout, world } = this.#limits;
    while (this.received < count && !this.#ended) {
      const woken = new AbortController();
      this.#wake = () => woken.abort("something came");
      const late = await world.sleep(timeout, { signal: woken.signal }).then(
        () => true,
        () => false,
      );
      if (late) throw new DOMException(`Nothing came for ${timeout} ms`, "TimeoutError");
    }
    if (this.#error !== undefined) throw this.#error;
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
