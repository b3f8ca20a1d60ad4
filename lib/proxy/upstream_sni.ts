/**
 * TLS passed through unopened: the client says in the clear which server it wants.
 *
 * @module
 */

import { type ClientHello, parseClientHello } from "./client_hello.ts";
import type { ConnectUpstream } from "./upstream.ts";

/** There is no server for the name that a client asked for, or it asked for none. */
export class NoRouteError extends Error {
  /** The name; missing if there was none. */
  readonly serverName: string | undefined;

  /** Says which name. */
  constructor(serverName: string | undefined) {
    super(
      serverName === undefined
        ? "Cannot route a connection as it must begin with a TLS hello that names a server"
        : `Cannot route a connection as there must be a server for its name: ` +
          `current value is ${JSON.stringify(serverName)}`,
    );
    this.name = "NoRouteError";
    this.serverName = serverName;
  }
}

/**
 * Sends each client to the server that its TLS hello names (SNI), and everybody else to
 * `fallback`. A name may be `*.example.com`: that is one label more, as in certificates; the
 * name itself comes first. Nothing is decrypted, and no certificate is needed.
 *
 * While the hello is not whole, the proxy's `connectTimeout` runs.
 */
export function toSni(
  routes: Readonly<Record<string, ConnectUpstream>>,
  fallback?: ConnectUpstream,
): ConnectUpstream {
  const byName = new Map(Object.entries(routes).map(([name, to]) => [name.toLowerCase(), to]));
  return async (client, context) => {
    const seen = Promise.withResolvers<never>();
    const abort = () => seen.reject(context.signal.reason);
    context.signal.addEventListener("abort", abort, { once: true });
    let hello: ClientHello | null | undefined;
    try {
      context.signal.throwIfAborted();
      hello = await Promise.race([client.peek(parseClientHello), seen.promise]);
    } finally {
      context.signal.removeEventListener("abort", abort);
    }
    const name = hello?.serverName;
    const parent = name?.replace(/^[^.]+\./, "*.");
    const connect = byName.get(name ?? "") ?? byName.get(parent ?? "") ?? fallback;
    if (connect === undefined) throw new NoRouteError(name);
    return await connect(client, context);
  };
}
