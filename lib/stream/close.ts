/**
 * Three ways to end a connection: politely, so that both ends have said all; lingering, so
 * that a peer who may go on for ever still gets our last bytes; and abruptly.
 *
 * | | the peer sees | it costs |
 * | --- | --- | --- |
 * | {@linkcode closeGracefully} | FIN, and we hear it out | up to `timeout`, then TIME_WAIT |
 * | {@linkcode closeLingering} | FIN, and all before it | as little waiting as protects that |
 * | {@linkcode closeAbruptly} | RST, where we can send one | bytes on their way, either way |
 *
 * @example The last bytes of an answer, kept safe
 * ```ts
 * import { closeGracefully, memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair();
 * await writeAll(client, Uint8Array.of(1, 2, 3)); // the server will not read this
 * await writeAll(server, new TextEncoder().encode("enough"));
 * const closing = closeGracefully(server);
 *
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "enough");
 * await client.closeWrite();
 *
 * assertEquals(await closing, { peerFinished: true, discarded: 3, reason: "fin" });
 * ```
 *
 * @module
 */

import { realWorld, type World } from "../world.ts";
import { type Duplex, isResettable } from "./conn.ts";

/** Options for {@linkcode closeGracefully}. */
export interface CloseGracefullyOptions {
  /**
   * Milliseconds for all of it; `Infinity` waits for as long as the peer likes.
   *
   * @default {5000}
   */
  timeout?: number;
  /** Closes at once. */
  signal?: AbortSignal | undefined;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** What became of a connection that was closed gracefully. */
export interface CloseReport {
  /** Whether the peer said FIN, and thus had all our bytes at hand before we left. */
  readonly peerFinished: boolean;
  /** Bytes that came and that nobody will read. */
  readonly discarded: number;
  /**
   * What ended it: the peer's FIN, its reset, our patience, the signal, or, as in `error`,
   * something else. Of a {@linkcode closeLingering} also `quiet`, when the peer had stopped
   * sending, and `flood`, when it sent more than we were ready to drop.
   */
  readonly reason: "fin" | "reset" | "timeout" | "aborted" | "error" | "quiet" | "flood";
  /** What was thrown, if something was. */
  readonly error?: Error;
}

/**
 * Says FIN, reads to the peer's FIN, then disposes `conn`, which happens in any case.
 *
 * Who just closes while bytes are unread makes the kernel send RST, which can take the
 * end of our own answer from the peer (RFC 2525, section 2.17). It never throws for what
 * a peer does.
 *
 * Writes that are waiting go out first; reads that are waiting get their bytes first.
 */
export function closeGracefully(
  conn: Duplex,
  options: CloseGracefullyOptions = {},
): Promise<CloseReport> {
  const { timeout = 5000, signal, world = realWorld } = options;
  return hearOut(conn, { timeout, quietTimeout: Infinity, maxBytes: Infinity, signal, world });
}

/** Options for {@linkcode closeLingering}. */
export interface CloseLingeringOptions extends CloseGracefullyOptions {
  /**
   * Milliseconds for all of it.
   *
   * @default {30000}
   */
  timeout?: number;
  /**
   * Milliseconds without a byte after which the peer counts as having stopped.
   *
   * @default {5000}
   */
  quietTimeout?: number;
  /**
   * The most bytes to read, and drop.
   *
   * @default {16777216} 16 MiB.
   */
  maxBytes?: number;
}

/**
 * Says FIN, and drops what still comes for no longer than our last bytes need: to the peer's
 * FIN, until it has been quiet for `quietTimeout`, or until `timeout` or `maxBytes` is reached.
 * For peers that send without having been asked to, such as an upload that was refused.
 *
 * After `fin` and `quiet` nothing is unread, so that the kernel goes on delivering what we
 * wrote, without us. After `timeout` and `flood` the peer still sends, and is answered by RST:
 * if it has not read our last words by then, it may have lost them.
 *
 * The default times are those of nginx's `lingering_time` and `lingering_timeout`.
 */
export function closeLingering(
  conn: Duplex,
  options: CloseLingeringOptions = {},
): Promise<CloseReport> {
  const {
    timeout = 30_000,
    quietTimeout = 5000,
    maxBytes = 16 * 1024 * 1024,
    signal,
    world = realWorld,
  } = options;
  return hearOut(conn, { timeout, quietTimeout, maxBytes, signal, world });
}

/**
 * Closes now, by RST if `conn` can be reset, and says which it was: `reset`, or `closed`.
 *
 * A `Deno.TcpConn` cannot be reset: its close says FIN first, whatever is unread or unsent, so
 * that the peer may take what it has for everything. RST follows only if bytes were unread. For
 * a real one, open with {@linkcode dialResettable} or accept from {@linkcode listenResettable}.
 */
export function closeAbruptly(conn: Duplex): "reset" | "closed" {
  const can = isResettable(conn);
  if (can) conn.reset();
  conn[Symbol.dispose]();
  return can ? "reset" : "closed";
}

async function hearOut(
  conn: Duplex,
  options: Required<Omit<CloseLingeringOptions, "signal">> & { signal: AbortSignal | undefined },
): Promise<CloseReport> {
  const { timeout, quietTimeout, maxBytes, signal, world } = options;
  const over = new AbortController();
  let peerFinished = false;
  let discarded = 0;
  let cut: "timeout" | "aborted" | "quiet" | "flood" | undefined;
  let error: Error | undefined;
  let heardAt = world.now();

  const cutShort = (why: "timeout" | "aborted" | "quiet") => {
    cut ??= why;
    conn[Symbol.dispose]();
  };
  const abort = () => cutShort("aborted");
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  world.sleep(timeout, { signal: over.signal }).then(() => cutShort("timeout"), () => {});
  const watch = async () => {
    await finishing; // while a write waits, it is the peer's turn to read
    heardAt = world.now();
    for (let left = quietTimeout; left > 0; left = heardAt + quietTimeout - world.now()) {
      await world.sleep(left, { signal: over.signal });
    }
    cutShort("quiet");
  };

  const finishing = conn.closeWrite().catch((reason) => error ??= reason);
  if (quietTimeout < Infinity) watch().catch(() => {});
  try {
    const buffer = new Uint8Array(16 * 1024);
    for (let n; cut === undefined && (n = await conn.read(buffer)) !== null;) {
      discarded += n;
      heardAt = world.now();
      if (discarded > maxBytes) cut ??= "flood";
    }
    peerFinished = cut === undefined;
    if (peerFinished) await finishing;
  } catch (reason) {
    error ??= reason as Error;
  }
  over.abort();
  signal?.removeEventListener("abort", abort);
  conn[Symbol.dispose]();
  await finishing;

  if (cut !== undefined) return { peerFinished, discarded, reason: cut };
  if (error === undefined) return { peerFinished, discarded, reason: "fin" };
  const reason = error instanceof Deno.errors.ConnectionReset ? "reset" : "error";
  return { peerFinished, discarded, reason, error };
}
