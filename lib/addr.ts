/**
 * TCP addresses: what a person types, and what the kernel reports.
 *
 * @example From text to an address and back
 * ```ts
 * import { formatAddr, parseAddr } from "@tcplab/tcplab/addr";
 * import { assertEquals } from "@std/assert";
 *
 * const addr = parseAddr("[::1]:9999");
 * assertEquals(addr, { transport: "tcp", hostname: "::1", port: 9999 });
 * assertEquals(formatAddr(addr), "[::1]:9999");
 * ```
 *
 * @module
 */

/**
 * A TCP address. Unlike `Deno.NetAddr`, which may be UDP to the type checker,
 * it can be handed to `Deno.connect` as it is.
 */
export interface TcpAddr {
  /** Always `"tcp"`. */
  readonly transport: "tcp";
  /** A host name, an IPv4 address, or an IPv6 address without brackets. */
  readonly hostname: string;
  /** 0 to 65535; 0 asks the system to choose a port when listening. */
  readonly port: number;
}

/** Options for {@linkcode parseAddr}. */
export interface ParseAddrOptions {
  /**
   * The host meant by `"9999"` and `":9999"`.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
}

/** A name or an IPv4 address: labels of letters (of any script), digits, `-` and `_`. */
const HOSTNAME = /^[\p{L}\p{M}\p{N}_-]+(\.[\p{L}\p{M}\p{N}_-]+)*\.?$/u;

/** What IPv6 is written with, and a zone such as `%eth0`. */
const IPV6 = /^([0-9a-f:.]+)(%[\w.-]+)?$/i;

/** Makes a {@linkcode TcpAddr} of a host and a port. */
export function tcpAddr(hostname: string, port: number): TcpAddr {
  return { transport: "tcp", hostname, port };
}

/**
 * Reads `"9999"`, `":9999"`, `"host:9999"` or `"[::1]:9999"`.
 *
 * An IPv6 address must stand in brackets, since `::1:9999` could be cut in two
 * ways (RFC 3986, section 3.2.2).
 *
 * @throws {TypeError} If the text has another shape.
 * @throws {RangeError} If the port is not 0 to 65535.
 */
export function parseAddr(text: string, options: ParseAddrOptions = {}): TcpAddr {
  const { hostname: fallback = "127.0.0.1" } = options;
  const colon = text.lastIndexOf(":");
  const host = colon < 0 ? "" : text.slice(0, colon);
  if (isIpv6(host) || isIpv6(text)) {
    throw new TypeError(
      `Cannot parse an address as IPv6 must stand in brackets, such as [::1]:9999: current value is ${
        quote(text)
      }`,
    );
  }
  const port = parsePort(text.slice(colon + 1), text);
  return tcpAddr(host === "" ? fallback : parseHost(host, text), port);
}

/** Writes an address as {@linkcode parseAddr} reads it: IPv6 in brackets. */
export function formatAddr(addr: { hostname: string; port: number }): string {
  const { hostname, port } = addr;
  return hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

function parsePort(digits: string, text: string): number {
  if (!/^[0-9]+$/.test(digits)) {
    throw new TypeError(
      `Cannot parse an address as it must end in a port, such as 127.0.0.1:9999: current value is ${
        quote(text)
      }`,
    );
  }
  const port = Number(digits);
  if (port > 65535) {
    throw new RangeError(
      `Cannot parse an address as its port must be 0 to 65535: current value is ${quote(text)}`,
    );
  }
  return port;
}

function parseHost(host: string, text: string): string {
  if (HOSTNAME.test(host)) return host;
  const inside = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : "";
  if (isIpv6(inside)) return inside;
  throw new TypeError(
    `Cannot parse an address as its host must be a name or an IP address: current value is ${
      quote(text)
    }`,
  );
}

/** The URL parser knows how the groups may stand; it does not know zones (RFC 6874). */
function isIpv6(text: string): boolean {
  const [, groups] = IPV6.exec(text) ?? [];
  return groups !== undefined && URL.canParse(`http://[${groups}]`);
}

/** JSON, so that control characters reach a terminal escaped. */
function quote(text: string): string {
  return JSON.stringify(text);
}
