/**
 * What the command lines of `proxy` and `balance` have in common.
 *
 * @module
 */

import { parseAddr, type TcpAddr, tcpAddr } from "../lib/addr.ts";
import { CidrList } from "../lib/proxy/cidr.ts";
import { choice, duration, type Flag, integer, path, text, toggle } from "./_flag.ts";

/** Where to listen: a port, or an address. */
export function listenAddr<Fallback extends TcpAddr | null>(
  fallback: Fallback,
): Flag<TcpAddr | Fallback> {
  return {
    allowed: "a port, or an address such as 127.0.0.1:8080 or [::]:8080",
    read: (text) => attempt(() => parseAddr(text)),
    fallback,
  };
}

/** The same, or a Unix socket, whose address has the host `unix:PATH` and port 0. */
export function listenSocket(fallback: TcpAddr): Flag<TcpAddr> {
  const { allowed, read } = listenAddr(fallback);
  return {
    allowed: `${allowed}, or unix:/PATH of ${LONGEST_PATH} bytes at most`,
    read: (text) => /^unix:\//.test(text) ? unixAddr(text) : read(text),
    fallback,
  };
}

/** The most bytes of a Unix socket's path that the kernel takes, without the 0 behind it. */
export const LONGEST_PATH = Deno.build.os === "linux" ? 107 : 103;

function unixAddr(text: string): TcpAddr | undefined {
  const addr = tcpAddr(text, 0);
  const { length } = new TextEncoder().encode(unixPath(addr));
  return length <= LONGEST_PATH ? addr : undefined;
}

/** The path of an address that is a Unix socket's. */
export function unixPath({ hostname }: TcpAddr): string | undefined {
  return hostname.startsWith("unix:") ? hostname.slice("unix:".length) : undefined;
}

/** Ranges of addresses, with commas between them. */
export function cidrs(): Flag<CidrList | null> {
  return {
    allowed: "ranges of addresses such as 10.0.0.0/8,::1",
    read: (text) => attempt(() => new CidrList(text.split(","))),
    fallback: null,
  };
}

/** The flags that both take. */
export const proxyFlags = {
  listen: listenSocket(parseAddr("8080")),
  connectTimeout: duration({ min: 1, fallback: 10_000 }),
  idleTimeout: duration({ fallback: 600_000 }),
  halfClosedTimeout: duration({ fallback: 30_000 }),
  maxLife: duration({ fallback: 0 }),
  maxConns: integer({ min: 1, fallback: Infinity }),
  maxConnsPerClient: integer({ min: 1, fallback: Infinity }),
  allow: cidrs(),
  deny: cidrs(),
  acceptProxy: cidrs(),
  acceptProxyTimeout: duration({ min: 1, fallback: 10_000 }),
  sendProxy: choice(["no", "1", "2"], "no"),
  tlsCert: path(""),
  tlsKey: path(""),
  toTls: toggle(),
  serverName: text(""),
  ca: path(""),
  quiet: toggle(),
  metrics: listenAddr(null),
  workers: integer({ min: 1, fallback: 1 }),
  worker: integer({ fallback: 0 }),
  grace: duration({ fallback: 0 }),
  drain: duration({ fallback: 10_000 }),
};

/** What {@linkcode proxyFlags} have read. */
export type ProxyFlags = {
  readonly [K in keyof typeof proxyFlags]: (typeof proxyFlags)[K] extends Flag<infer T> ? T : never;
};

/** The value, or nothing if making it throws. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
