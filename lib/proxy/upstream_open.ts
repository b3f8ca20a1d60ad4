/**
 * Servers behind TLS and Unix sockets: other ways to open a connection than {@linkcode openTcp}.
 *
 * @module
 */

import { tcpAddr } from "../addr.ts";
import { addressed } from "../stream/addressed.ts";
import { TcpStream } from "../stream/tcp.ts";
import { realWorld, type World } from "../world.ts";
import type { ProxyEnd } from "./proxy_header.ts";
import type { AttemptOptions, ConnectUpstream, OpenUpstream } from "./upstream.ts";

/** Options for {@linkcode openTls}. */
export interface OpenTlsOptions extends AttemptOptions {
  /**
   * The name that the server's certificate must have, and that it is told (SNI).
   *
   * @default The host that is connected to.
   */
  serverName?: string | undefined;
  /**
   * Who is trusted besides those whom the system trusts: certificates as PEM.
   *
   * @default {[]}
   */
  caCerts?: readonly string[];
  /**
   * What to offer to speak over it (ALPN).
   *
   * @default {[]}
   */
  alpnProtocols?: readonly string[];
}

/** Opens TLS connections; one is open once both have shaken hands. */
export function openTls(options: OpenTlsOptions = {}): OpenUpstream<ProxyEnd> {
  const { serverName, caCerts = [], alpnProtocols = [] } = options;
  return ({ hostname, port }, signal) =>
    bounded(options, signal, async (signal, opened) => {
      const raw = opened(await Deno.connect({ hostname, port, signal }));
      // The option stays with the socket; of the TLS connection it could not be asked.
      raw.setNoDelay();
      const { localAddr, remoteAddr } = raw;
      const conn = opened(
        await Deno.startTls(raw, {
          hostname: serverName ?? hostname,
          caCerts: [...caCerts],
          alpnProtocols: [...alpnProtocols],
        }),
      );
      await conn.handshake();
      return new TcpStream(addressed(conn, localAddr, remoteAddr));
    });
}

/** Opens connections to Unix sockets, by their path. */
export function openUnix(options: AttemptOptions = {}): OpenUpstream<string> {
  return (path, signal) =>
    bounded(options, signal, async (_signal, opened) => {
      const conn = opened(await Deno.connect({ transport: "unix", path }));
      const addr = { hostname: `unix:${path}`, port: 0 };
      return new TcpStream(addressed(conn, { hostname: "unix:", port: 0 }, addr));
    });
}

/** Opens under a deadline; what is open when it is over, or the signal aborts, is closed. */
async function bounded<R>(
  { timeout = 5000, world = realWorld }: { timeout?: number; world?: World },
  signal: AbortSignal | undefined,
  open: (signal: AbortSignal, opened: <C extends Disposable>(conn: C) => C) => Promise<R>,
): Promise<R> {
  signal?.throwIfAborted();
  const cut = new AbortController();
  const settled = new AbortController();
  let conn: Disposable | undefined;
  const end = (reason: unknown) => {
    cut.abort(reason);
    conn?.[Symbol.dispose]();
  };
  signal?.addEventListener("abort", () => end(signal.reason), { signal: settled.signal });
  world.sleep(timeout, { signal: settled.signal }).then(
    () => end(new DOMException(`Cannot connect within ${timeout} ms`, "TimeoutError")),
    () => {},
  );
  try {
    const result = await open(cut.signal, (opened) => {
      conn = opened;
      // It was made in the moment it was cut off.
      cut.signal.throwIfAborted();
      return opened;
    });
    cut.signal.throwIfAborted();
    return result;
  } catch (error) {
    conn?.[Symbol.dispose]();
    throw cut.signal.aborted ? cut.signal.reason : error;
  } finally {
    settled.abort();
  }
}

/**
 * Connects every client to the server on one Unix socket, tried once. An error says by its `addr`
 * where that is.
 */
export function toUnix(path: string, options: AttemptOptions = {}): ConnectUpstream {
  const open = openUnix(options);
  const server = `unix:${path}`;
  return async (_client, { signal }) => {
    try {
      return { conn: await open(path, signal), server };
    } catch (error) {
      if (signal.aborted || !(error instanceof Error)) throw error; // it is not ours
      throw Object.assign(error, { addr: tcpAddr(server, 0) });
    }
  };
}
