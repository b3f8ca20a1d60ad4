/** An address to listen on as Go reads it, and what it says of one that is none. */

import { parseAddr } from "../addr.ts";
import { parseIp } from "../proxy/ip.ts";

/** The text is no address. The message is Go's, without what it was for. */
export class GoAddrError extends Error {
  override readonly name = "GoAddrError";
}

/**
 * `:9000` is on all addresses, no port is one that the system chooses, and, unlike in Go, no text
 * at all is 127.0.0.1. Names of services are not looked up.
 *
 * @throws {GoAddrError} If it is none.
 */
export function goListenAddr(text: string): { hostname: string; port: number } {
  if (text === "") return { hostname: "127.0.0.1", port: 0 };
  const [host, digits] = splitHostPort(text);
  if (!/^[+-]?[0-9]*$/.test(digits)) throw new GoAddrError(`address tcp/${digits}: unknown port`);
  const port = Number(digits || "0");
  if (!(port >= 0 && port <= 65535)) throw new GoAddrError(`address ${digits}: invalid port`);
  if (host === "") return { hostname: "::", port };
  if (host === "localhost") return { hostname: "127.0.0.1", port };
  try {
    const { hostname } = parseAddr(host.includes(":") ? `[${host}]:0` : `${host}:0`);
    // The system would take 127.1, and 1, for addresses.
    if (!/(^|\.)[0-9]+$/.test(hostname) || parseIp(hostname)) return { hostname, port };
  } catch {
    // told below
  }
  throw new GoAddrError(`lookup ${host}: no such host`);
}

function splitHostPort(text: string): [string, string] {
  const wrong = (what: string) => new GoAddrError(`address ${text}: ${what}`);
  const colon = text.lastIndexOf(":");
  if (colon < 0) throw wrong("missing port in address");
  let host = text.slice(0, colon);
  if (text.startsWith("[")) {
    const end = text.indexOf("]");
    if (end < 0) throw wrong("missing ']' in address");
    if (end + 1 !== colon) {
      throw wrong(text[end + 1] === ":" ? "too many colons in address" : "missing port in address");
    }
    host = text.slice(1, end);
  } else if (host.includes(":")) {
    throw wrong("too many colons in address");
  }
  if (host.includes("[")) throw wrong("unexpected '[' in address");
  if (text.slice(colon).includes("]") || !text.startsWith("[") && host.includes("]")) {
    throw wrong("unexpected ']' in address");
  }
  return [host, text.slice(colon + 1)];
}
