/**
 * What is left of a connection that went through a proxy: its record, and one line of a log.
 *
 * @module
 */

import { formatAddr } from "../addr.ts";
import type { End } from "./end_reason.ts";
import type { ProxyEnd } from "./proxy_header.ts";

/** One connection, from being accepted to its end. Times are in milliseconds. */
export interface ProxyRecord {
  /** Its number, from 1. */
  readonly id: number;
  /** Who came: what a PROXY header said, or else the other end of the connection. */
  readonly client: ProxyEnd;
  /** The other end of the connection, if that was another one's, such as a proxy's. */
  readonly via?: ProxyEnd;
  /** The server's name; missing if there was none. */
  readonly server?: string;
  /** Bytes from the client that the server has taken; a PROXY header to it is not counted. */
  readonly bytesUp: number;
  /** Bytes from the server that the client has taken. */
  readonly bytesDown: number;
  /** From being accepted to its end. */
  readonly duration: number;
  /** How long it waited for a place on a server. */
  readonly queueTime: number;
  /** How long it took to connect, with attempts that failed. */
  readonly connectTime: number;
  /** How many attempts failed before the one that succeeded, or were made after the first. */
  readonly retries: number;
  /** Why it ended. */
  readonly end: End;
  /** What was thrown, if something was. */
  readonly error?: unknown;
  /**
   * Ends that saw FIN where the stream was cut, since their connection cannot say RST: to them,
   * what they got may look whole. Missing if there are none.
   */
  readonly disguised?: readonly ("client" | "server")[];
}

/**
 * A record as one line of `key=value` pairs, in a fixed order, with values in quotes that hold
 * anything but letters, digits and `. : / - _ [ ] %`. Times have microseconds at most.
 */
export function proxyLine(record: ProxyRecord): string {
  const { id, client, via, server, end, disguised } = record;
  const pairs: [string, string | number | undefined][] = [
    ["id", id],
    ["client", written(client)],
    ["via", via && written(via)],
    ["server", server ?? "-"],
    ["up", record.bytesUp],
    ["down", record.bytesDown],
    ["queue", time(record.queueTime)],
    ["connect", time(record.connectTime)],
    ["total", time(record.duration)],
    ["retries", record.retries],
    ["end", end.code],
    ["why", end.why],
    ["disguised", disguised?.join("/")],
  ];
  return pairs
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${quoted(String(value))}`)
    .join(" ");
}

/** An address; a Unix socket has no port. */
function written(end: ProxyEnd): string {
  return end.hostname.startsWith("unix:") ? end.hostname : formatAddr(end);
}

function time(ms: number): string {
  return `${Math.round(ms * 1000) / 1000}ms`;
}

/** JSON escapes what could upset a terminal or fake another line, but for C1 controls and DEL. */
function quoted(value: string): string {
  if (/^[\w.:/[\]%-]+$/.test(value)) return value;
  const hex = (control: string) => `\\u00${control.charCodeAt(0).toString(16)}`;
  return JSON.stringify(value).replaceAll(/[\x7f-\x9f]/g, hex);
}
