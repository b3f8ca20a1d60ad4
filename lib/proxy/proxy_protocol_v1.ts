/**
 * PROXY protocol, version 1: one line of text, such as
 * `PROXY TCP4 192.0.2.7 192.0.2.1 51000 443`.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "../framing/_feed.ts";
import { formatIp, parseIp } from "./ip.ts";
import { PROXY_UNKNOWN, type ProxyEnd, type ProxyHeader } from "./proxy_header.ts";

/** The longest line there can be, its line end included. */
const LONGEST = 107;

const CR = 13;
const LF = 10;

/** What a line may begin with; any other byte is one too many. */
const BEGINNINGS = ["PROXY TCP4 ", "PROXY TCP6 ", "PROXY UNKNOWN ", "PROXY UNKNOWN\r\n"];

/** Takes the line, once it has come; refuses one at the first byte that shows it is none. */
export function takeLine(queue: ByteQueue, fault: Fault): ProxyHeader | undefined {
  let text = "";
  for (let at = 0; at < Math.min(queue.length, LONGEST); at++) {
    const byte = queue.peek(at);
    text += String.fromCharCode(byte);
    if (!BEGINNINGS.some((begin) => begin.startsWith(text) || text.startsWith(begin))) {
      throw fault("malformed", `its line must begin ${quoted(BEGINNINGS.slice(0, 3))}`);
    }
    if (byte === LF && queue.peek(Math.max(at - 1, 0)) === CR) {
      queue.skip(text.length);
      return readLine(text.slice(0, -2), fault);
    }
  }
  if (queue.length < LONGEST) return undefined;
  throw fault("too-long", `its line must end within ${LONGEST} bytes`, { limit: LONGEST });
}

function readLine(line: string, fault: Fault): ProxyHeader {
  // What follows UNKNOWN must be ignored, whatever it is.
  if (line.startsWith("PROXY UNKNOWN")) return PROXY_UNKNOWN;
  const [, kind, ...fields] = line.split(" ");
  const family = kind === "TCP4" ? "inet" : "inet6";
  if (fields.length !== 4) {
    throw fault("malformed", "its line must have two addresses and two ports, a space apart");
  }
  const [from, to, fromPort, toPort] = fields;
  const end = (address: string, port: string): ProxyEnd => {
    const ip = parseIp(address);
    if (ip?.length !== (family === "inet" ? 4 : 16)) {
      throw fault("malformed", `its addresses must be those of ${kind}: got ${shown(address)}`);
    }
    if (!/^(0|[1-9][0-9]{0,4})$/.test(port) || Number(port) > 65535) {
      throw fault("malformed", `its ports must be 0 to 65535: got ${shown(port)}`);
    }
    return { hostname: formatIp(ip), port: Number(port) };
  };
  const source = end(from!, fromPort!);
  const destination = end(to!, toPort!);
  return { command: "PROXY", family, transport: "stream", source, destination, tlvs: [] };
}

/**
 * The line for `header`, whose addresses were checked. They are spelled as the protocol has
 * it: in groups, never with an IPv4 address at the end.
 *
 * @throws {TypeError} If version 1 has no words for it.
 */
export function encodeLine(header: ProxyHeader): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${words(header)}\r\n`);
}

function words(header: ProxyHeader): string {
  const { command, family, transport, source, destination } = header;
  if (command === "LOCAL") throw inexpressible("say LOCAL");
  if (source === undefined) return "PROXY UNKNOWN";
  if (family === "unix" || transport === "dgram") throw inexpressible("name other than TCP");
  if (header.tlvs.length > 0) throw inexpressible("carry TLVs");
  const kind = family === "inet" ? "TCP4" : "TCP6";
  const ends = [source, destination].map(({ hostname }) => formatIp(parseIp(hostname)!)).join(" ");
  return `PROXY ${kind} ${ends} ${source.port} ${destination.port}`;
}

function inexpressible(deed: string): TypeError {
  return new TypeError(`Cannot encode a PROXY header as version 1 cannot ${deed}: use version 2`);
}

function quoted(texts: readonly string[]): string {
  return texts.map((text) => `'${text.trim()}'`).join(" or ");
}

function shown(text: string): string {
  return JSON.stringify(text);
}
