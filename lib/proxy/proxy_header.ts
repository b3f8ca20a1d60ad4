/**
 * What a PROXY protocol header says: who is really at the two ends of a connection.
 *
 * @example The header for a connection that is passed on
 * ```ts
 * import { proxyHeader } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const client = { hostname: "192.0.2.7", port: 51000 };
 * const us = { hostname: "::ffff:192.0.2.1", port: 443 };
 * const header = proxyHeader(client, us);
 * assertEquals([header.family, header.destination?.hostname], ["inet", "192.0.2.1"]);
 * ```
 *
 * @module
 */

import { formatIp, mapIp, parseIp, unmapIp } from "./ip.ts";
import type { ProxyTlv } from "./proxy_tlv.ts";

/** How the original connection carries its data. */
export type ProxyTransport = "unspec" | "stream" | "dgram";

/** One end of a TCP or UDP connection. */
export interface ProxyEnd {
  /** An IP address. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** A connection over IPv4 or IPv6. */
export interface ProxiedInet {
  /** It was made on behalf of somebody. */
  readonly command: "PROXY";
  /** The family of both addresses. */
  readonly family: "inet" | "inet6";
  /** TCP or UDP. */
  readonly transport: "stream" | "dgram";
  /** Who connected. */
  readonly source: ProxyEnd;
  /** To whom. */
  readonly destination: ProxyEnd;
  /** What else is known; version 1 has none. */
  readonly tlvs: readonly ProxyTlv[];
}

/** A connection over a Unix socket. */
export interface ProxiedUnix {
  /** It was made on behalf of somebody. */
  readonly command: "PROXY";
  /** A Unix socket. */
  readonly family: "unix";
  /** Stream or datagram. */
  readonly transport: "stream" | "dgram";
  /** The path of who connected, without the zeros after it; one that is abstract begins with one. */
  readonly source: Uint8Array;
  /** The path that it connected to. */
  readonly destination: Uint8Array;
  /** What else is known. */
  readonly tlvs: readonly ProxyTlv[];
}

/**
 * A connection of whose ends nothing is known: version 1 `UNKNOWN`, or version 2 with an
 * unspecified family or transport. The connection's own addresses count.
 */
export interface ProxiedUnknown {
  /** It was made on behalf of somebody. */
  readonly command: "PROXY";
  /** Unspecified, or specified in vain as `transport` is not. */
  readonly family: "unspec" | "inet" | "inet6" | "unix";
  /** Unspecified, or specified in vain as `family` is not. */
  readonly transport: ProxyTransport;
  /** No source. */
  readonly source?: undefined;
  /** No destination. */
  readonly destination?: undefined;
  /**
   * What stood where addresses and TLVs would: its form is unspecified as well, so that it
   * must be ignored.
   */
  readonly payload: Uint8Array;
}

/** A connection of the proxy's own, as for a health check: its own addresses count. */
export interface ProxyLocal {
  /** It was made on behalf of nobody. */
  readonly command: "LOCAL";
  /** Unspecified. */
  readonly family: "unspec";
  /** Unspecified. */
  readonly transport: "unspec";
  /** No source. */
  readonly source?: undefined;
  /** No destination. */
  readonly destination?: undefined;
}

/** What a header says. */
export type ProxyHeader = ProxiedInet | ProxiedUnix | ProxiedUnknown | ProxyLocal;

/** A header that was received, with the version it came in. */
export type ReceivedProxyHeader = ProxyHeader & {
  /** 1 is text, 2 is binary. */
  readonly version: 1 | 2;
};

/** The header for a connection of the proxy's own. */
export const PROXY_LOCAL: ProxyLocal = { command: "LOCAL", family: "unspec", transport: "unspec" };

/** The header for a connection of whose ends nothing can be said. */
export const PROXY_UNKNOWN: ProxiedUnknown = {
  command: "PROXY",
  family: "unspec",
  transport: "unspec",
  payload: new Uint8Array(0),
};

/**
 * The header for a TCP connection from `source` to `destination`. If one of them is IPv6 and
 * the other is not, both are written as IPv6; if one has no IP address, it is unknown.
 */
export function proxyHeader(
  source: ProxyEnd,
  destination: ProxyEnd,
  tlvs: readonly ProxyTlv[] = [],
): ProxiedInet | ProxiedUnknown {
  const ips = [source, destination].map(({ hostname }) => parseIp(hostname.replace(/%.*$/s, "")));
  const [from, to] = ips;
  if (from === undefined || to === undefined) return PROXY_UNKNOWN;
  const bare = [unmapIp(from), unmapIp(to)];
  const inet = bare.every((ip) => ip.length === 4);
  const [a, b] = bare.map((ip) => formatIp(inet ? ip : mapIp(ip)));
  return {
    command: "PROXY",
    family: inet ? "inet" : "inet6",
    transport: "stream",
    source: { hostname: a!, port: source.port },
    destination: { hostname: b!, port: destination.port },
    tlvs,
  };
}
