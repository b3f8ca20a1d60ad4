/**
 * Reads the PROXY protocol header of a connection that must begin with one.
 *
 * @example The addresses of the client, and what it said
 * ```ts
 * import { CidrList, encodeProxyHeader, proxyHeader, receiveProxyHeader } from "@tcplab/tcplab/proxy";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [proxy, server] = memoryPair();
 * const client = { hostname: "192.0.2.7", port: 51000 };
 * const header = proxyHeader(client, { hostname: "192.0.2.1", port: 443 });
 * await writeAll(proxy, encodeProxyHeader(header, { version: 1 }));
 * await writeAll(proxy, new TextEncoder().encode("hello"));
 * await proxy.closeWrite();
 *
 * const { source, conn } = await receiveProxyHeader(server);
 * assertEquals(source, client);
 * assertEquals(new TextDecoder().decode(await readToEnd(conn)), "hello");
 * ```
 *
 * @module
 */

import type { Duplex } from "../stream/conn.ts";
import { TimedReader } from "../stream/timed_reader.ts";
import { realWorld, type World } from "../world.ts";
import type { ProxyEnd, ReceivedProxyHeader } from "./proxy_header.ts";
import { ProxyProtocolDecoder, type ProxyProtocolOptions } from "./proxy_protocol.ts";

/** Options for {@linkcode receiveProxyHeader}. */
export interface ReceiveProxyHeaderOptions extends ProxyProtocolOptions {
  /**
   * The most milliseconds to wait for the whole header, a number > 0. The protocol asks for
   * 3 seconds at least, the time that one lost packet takes.
   *
   * @default {10000}
   */
  timeout?: number;
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** A connection whose header has been read. */
export interface ProxiedConn {
  /** What it said. */
  readonly header: ReceivedProxyHeader;
  /** Who connected; missing where the connection's own address counts. */
  readonly source: ProxyEnd | undefined;
  /** To whom; missing where the connection's own address counts. */
  readonly destination: ProxyEnd | undefined;
  /** The connection from the first byte behind the header on; use it instead of the other. */
  readonly conn: Duplex;
}

/**
 * Reads the header, and leaves every byte behind it to be read from the `conn` it resolves
 * with. It closes nothing: whoever opened `conn` disposes it, above all when this throws.
 *
 * Ask whom you talk to first: {@linkcode CidrList} knows who may send a header.
 *
 * @throws {FrameError} If the connection begins with something else, or ends before that.
 * @throws {DOMException} `"TimeoutError"` if the header is not whole in time, however busily
 * the peer sends.
 */
export async function receiveProxyHeader(
  conn: Duplex,
  options: ReceiveProxyHeaderOptions = {},
): Promise<ProxiedConn> {
  const { timeout = 10_000, signal, world = realWorld, ...rules } = options;
  const decoder = new ProxyProtocolDecoder(rules);
  const reader = new TimedReader(conn, { world });
  const deadline = world.now() + timeout;
  let left = timeout;
  while (true) {
    const bytes = new Uint8Array(1024);
    const n = await reader.read(bytes, { timeout: left, signal });
    if (n === null) decoder.end();
    else decoder.push(bytes.subarray(0, n));
    const header = decoder.next();
    if (header !== undefined) {
      const inet = header.family === "inet" || header.family === "inet6" ? header : undefined;
      return {
        header,
        source: inet?.source,
        destination: inet?.destination,
        // The last read is over, so that the connection can be read without its reader.
        conn: new Continued(conn, decoder.rest()),
      };
    }
    left = deadline - world.now();
    if (!(left > 0)) {
      throw new DOMException(
        `Cannot receive a PROXY header as it is not whole within ${timeout} ms`,
        "TimeoutError",
      );
    }
  }
}

/** A connection of which some bytes have been read already. */
class Continued implements Duplex {
  readonly #conn: Duplex;
  #ahead: Uint8Array;

  constructor(conn: Duplex, ahead: Uint8Array) {
    this.#conn = conn;
    this.#ahead = ahead;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#ahead.length === 0 || p.length === 0) return this.#conn.read(p);
    const part = this.#ahead.subarray(0, p.length);
    p.set(part);
    this.#ahead = this.#ahead.subarray(part.length);
    return Promise.resolve(part.length);
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  [Symbol.dispose](): void {
    this.#ahead = new Uint8Array(0);
    this.#conn[Symbol.dispose]();
  }
}
