/**
 * Deno's HTTP server, for a page beside something that must go on: out of descriptors, it does not
 * end the process.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import { realWorld } from "../world.ts";

/** Options for {@linkcode lastingHttp}. */
export interface LastingHttpOptions {
  /** The address to listen on. */
  hostname: string;
  /** The port; 0 lets the system choose, once. */
  port: number;
  /**
   * Hears why nothing can be served for a while, such as for want of descriptors: it is tried
   * again twice a second, and told each time.
   */
  onError?: (error: unknown) => void;
}

/** An HTTP server; disposing it cuts whoever still asks or reads. */
export interface LastingHttp extends AsyncDisposable {
  /** Where it listens. */
  readonly addr: TcpAddr;
}

/** Milliseconds from one attempt to listen again to the next; a guess. */
const AGAIN = 500;

/**
 * Serves `handler` by `Deno.serve()`. Where that gives up, as Deno 2.9.6 does when `accept` fails,
 * with a rejection that would end the process, it is served again on the same port.
 *
 * @throws {Deno.errors.AddrInUse} If the port is taken; and more, as `Deno.serve()` does.
 */
export function lastingHttp(
  options: LastingHttpOptions,
  handler: (request: Request) => Response | Promise<Response>,
): LastingHttp {
  const { hostname, port, onError = () => {} } = options;
  const over = new AbortController();
  const { signal } = over;
  const serve = (port: number) =>
    Deno.serve({ hostname, port, signal, onListen: () => {} }, handler);
  const first = serve(port);
  const addr = tcpAddr(first.addr.hostname, first.addr.port);
  const serving = outlast(first, () => serve(addr.port), onError, signal);
  return {
    addr,
    // Not the server's own way, which waits for ever for a client that never ends its request.
    [Symbol.asyncDispose]() {
      over.abort();
      return serving;
    },
  };
}

async function outlast(
  first: Deno.HttpServer,
  again: () => Deno.HttpServer,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  let server: Deno.HttpServer | undefined = first;
  while (true) {
    await server?.finished.catch((error) => signal.aborted || onError(error));
    await realWorld.sleep(AGAIN, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      server = again();
    } catch (error) { // there is still no descriptor, or somebody has taken the port
      server = undefined;
      onError(error);
    }
  }
}
