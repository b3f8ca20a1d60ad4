/**
 * The polite end of a connection.
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
import type { Duplex } from "./conn.ts";

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
   * something else.
   */
  readonly reason: "fin" | "reset" | "timeout" | "aborted" | "error";
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
export async function closeGracefully(
  conn: Duplex,
  options: CloseGracefullyOptions = {},
): Promise<CloseReport> {
  const { timeout = 5000, signal, world = realWorld } = options;
  const over = new AbortController();
  let peerFinished = false;
  let discarded = 0;
  let cut: "timeout" | "aborted" | undefined;
  let error: Error | undefined;

  const cutShort = (why: "timeout" | "aborted") => {
    cut ??= why;
    conn[Symbol.dispose]();
  };
  const abort = () => cutShort("aborted");
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  world.sleep(timeout, { signal: over.signal }).then(() => cutShort("timeout"), () => {});

  const finishing = conn.closeWrite().catch((reason) => error ??= reason);
  try {
    const buffer = new Uint8Array(16 * 1024);
    for (let n = await conn.read(buffer); n !== null; n = await conn.read(buffer)) discarded += n;
    peerFinished = true;
    await finishing;
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
