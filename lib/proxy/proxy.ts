/**
 * A TCP proxy: whoever connects is connected to a server, and cannot tell.
 *
 * @example A question goes through, FIN after it, and the answer comes back
 * ```ts
 * import { type ProxyRecord, serveProxy, toServer } from "@tcplab/tcplab/proxy";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using origin = serveTcp({}, async (conn) => {
 *   const asked = await readToEnd(conn); // until FIN
 *   await writeAll(conn, new TextEncoder().encode(`got ${asked.length} bytes`));
 * });
 * const records: ProxyRecord[] = [];
 * await using proxy = serveProxy({
 *   connect: toServer(origin.addr),
 *   onConn: (record) => records.push(record),
 * });
 *
 * using client = await Deno.connect(proxy.addr);
 * await writeAll(client, Uint8Array.of(1, 2, 3));
 * await client.closeWrite();
 * assertEquals(new TextDecoder().decode(await readToEnd(client)), "got 3 bytes");
 * await proxy.shutdown();
 * assertEquals([records[0]?.bytesUp, records[0]?.end.code], [3, "--"]);
 * ```
 *
 * @module
 */

import type { ServeTcpOptions } from "../server/options.ts";
import { serveTcp, type TcpServer } from "../server/server.ts";
import { realWorld } from "../world.ts";
import type { CidrList } from "./cidr.ts";
import { ClientLimit } from "./client_limit.ts";
import { pass, type PassageRules } from "./passage.ts";
import type { ProxyRecord } from "./proxy_record.ts";
import type { Tap } from "./tap.ts";
import type { ConnectUpstream, ProxyClient } from "./upstream.ts";

/** Who begins with a PROXY header, and must. */
export interface AcceptProxyOptions {
  /** Those proxies: what anybody else claims is not to be believed. */
  trusted: CidrList;
  /**
   * What they speak.
   *
   * @default {"either"}
   */
  version?: 1 | 2 | "either";
  /**
   * The most milliseconds to wait for the whole header.
   *
   * @default {10000}
   */
  timeout?: number;
  /**
   * What becomes of others: they are closed, or are clients like any other, whose bytes are
   * passed on as they are. `"direct"` is safe only where the server takes no PROXY header of
   * its own accord, or is sent one by `sendProxy`.
   *
   * @default {"refuse"}
   */
  others?: "refuse" | "direct";
}

/** Options for {@linkcode serveProxy}: those of {@linkcode serveTcp}, and more. */
export interface ServeProxyOptions extends Omit<ServeTcpOptions, "idleTimeout"> {
  /** Finds each client a server: {@linkcode toServer}, {@linkcode toBalanced}, or another way. */
  connect: ConnectUpstream;
  /**
   * The most milliseconds for that, > 0: waiting for a place, and all attempts.
   *
   * @default {10000}
   */
  connectTimeout?: number;
  /**
   * Milliseconds without a byte in either direction after which a connection is ended, > 0.
   *
   * @default {600000}
   */
  idleTimeout?: number;
  /**
   * The same, once one end has said FIN, in place of `idleTimeout`.
   *
   * @default {30000}
   */
  halfClosedTimeout?: number;
  /**
   * The most milliseconds that a connection may live, > 0; `Infinity` for no limit.
   *
   * @default {Infinity}
   */
  maxLife?: number;
  /**
   * The most connections that one client's address may have at once, >= 1; more are closed.
   *
   * @default {Infinity}
   */
  maxConnsPerClient?: number;
  /**
   * Only clients from here are served; all are, if it is missing.
   *
   * @default {undefined}
   */
  allow?: CidrList | undefined;
  /**
   * But none from here.
   *
   * @default {undefined}
   */
  deny?: CidrList | undefined;
  /**
   * Who begins with a PROXY header, which says who the client is.
   *
   * @default {undefined}, nobody.
   */
  acceptProxy?: AcceptProxyOptions | undefined;
  /**
   * The version of the PROXY header by which servers are told who the client is.
   *
   * @default {undefined}, none is sent.
   */
  sendProxy?: 1 | 2 | undefined;
  /** Makes, for a client that has got a server, who looks at its bytes. */
  tap?: (client: ProxyClient) => Tap | undefined;
  /** Told of every connection that was accepted, once it has ended. */
  onConn?: (record: ProxyRecord) => void;
}

/**
 * Listens, and connects each client to a server. When this returns, clients can connect.
 *
 * - FIN is carried across, each way by itself: an end that has said all still hears the other.
 * - Servers are sought outside of the accept loop, so that a slow one holds nobody else up.
 *   What the client says meanwhile is kept; if it resets the connection, the search is over. Of a
 *   client that has said FIN, or more than 16 KiB, nothing is read meanwhile, and a reset is noticed
 *   only when a server is found or `connectTimeout` is over.
 * - When there is no server for a client, it gets FIN at once, and has `lingerTimeout` to answer.
 * - What one end does not read is not read from the other either: beyond a buffer of 256 KiB
 *   each way, memory does not grow.
 * - RST is carried across where a connection can say it: with `listener: await
 *   listenResettable()`, and an `open` that dials by `dialResettable`. Otherwise the record's
 *   `disguised` tells who saw FIN instead.
 *
 * What shutdown, abort and limits do is as in {@linkcode serveTcp}; a shutdown lets
 * connections go on until they end, or its patience does.
 *
 * @throws {TypeError | RangeError} If an option is wrong.
 * @throws {Deno.errors.AddrInUse} If the port is taken; and more, as {@linkcode serveTcp} does.
 */
export function serveProxy(options: ServeProxyOptions): TcpServer {
  const { rules, onConn, server } = checkProxyOptions(options);
  const tell = (record: ProxyRecord) => {
    try {
      onConn?.(record);
    } catch (error) {
      reportError(error); // what the caller does with it must not end the connection otherwise
    }
  };
  return serveTcp(server, (conn, info) => pass(conn, info, rules).then(tell));
}

function checkProxyOptions(options: ServeProxyOptions) {
  const { connect, connectTimeout = 10_000, idleTimeout = 600_000, onConn, tap } = options;
  const { halfClosedTimeout = 30_000, maxLife = Infinity, acceptProxy, sendProxy } = options;
  const { maxConnsPerClient = Infinity, allow, deny, world = realWorld, ...server } = options;
  if (typeof connect !== "function") {
    throw new TypeError(
      `Cannot proxy as 'connect' must be a function: current value is ${connect}`,
    );
  }
  const times = { connectTimeout, idleTimeout, halfClosedTimeout, maxLife };
  for (const [name, value] of Object.entries(times)) {
    if (!(value > 0)) {
      throw new RangeError(`Cannot proxy as '${name}' must be > 0: current value is ${value}`);
    }
  }
  if (sendProxy !== undefined && sendProxy !== 1 && sendProxy !== 2) {
    throw new TypeError(
      `Cannot proxy as 'sendProxy' must be 1 or 2: current value is ${sendProxy}`,
    );
  }
  const { lingerTimeout: farewell = 5000 } = server;
  const rules: PassageRules = {
    connect,
    ...times,
    lingerTimeout: Math.min(500, farewell),
    limit: new ClientLimit(maxConnsPerClient),
    ...allow && { allow },
    ...deny && { deny },
    acceptProxy: acceptProxy &&
      { version: "either", timeout: 10_000, others: "refuse", ...acceptProxy },
    sendProxy,
    tap,
    world,
  };
  const { idleTimeout: _, ...rest } = server as ServeTcpOptions;
  return { rules, onConn, server: { ...rest, world } };
}
