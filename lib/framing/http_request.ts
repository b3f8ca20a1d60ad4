/**
 * HTTP/1.x requests without a body: what a client of raw TCP sends.
 *
 * @example
 * ```ts
 * import { encodeHttpRequest } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = encodeHttpRequest({ host: "example.com", fields: [["Accept", "text/html"]] });
 * assertEquals(
 *   new TextDecoder().decode(bytes),
 *   "GET / HTTP/1.1\r\nHost: example.com\r\nAccept: text/html\r\n\r\n",
 * );
 * ```
 *
 * @module
 */

import { type HttpField, isFieldValue, isToken } from "./http_fields.ts";
import { quote } from "./_http_lines.ts";

/** A request without a body, to be sent. */
export interface HttpRequest {
  /** Whom it is for, as in the `Host` field: a name or address, and the port unless it is 80. */
  host: string;
  /**
   * What is asked for: a path with its query.
   *
   * @default {"/"}
   */
  target?: string;
  /**
   * What to do with it; one that sends nothing along.
   *
   * @default {"GET"}
   */
  method?: string;
  /**
   * The version to speak. With 1.0 the server closes after its response.
   *
   * @default {"1.1"}
   */
  version?: "1.0" | "1.1";
  /**
   * Further fields, in order.
   *
   * @default {[]}
   */
  fields?: Iterable<HttpField>;
}

/** Fields that would change where the request ends or whom it is for. */
const OURS = /^(host|content-length|transfer-encoding)$/i;

/**
 * The bytes of a request.
 *
 * @throws {TypeError} If a part holds what may not stand there, above all a line end by
 * which it could smuggle in fields or another request; or if a field is `Host`,
 * `Content-Length` or `Transfer-Encoding`.
 */
export function encodeHttpRequest(request: HttpRequest): Uint8Array<ArrayBuffer> {
  const { host, target = "/", method = "GET", version = "1.1", fields = [] } = request;
  check(isToken(method), "method", "be a token", method);
  check(isTarget(target), "target", "be visible ASCII without a fragment", target);
  check(host !== "" && isHost(host), "host", "be a host and perhaps a port", host);
  return encodeHttpHead(`${method} ${target} HTTP/${version}`, [["Host", host], ...added(fields)]);
}

/**
 * Whether `text` may be a `Host`: a name or an address, in brackets if it is IPv6, and perhaps
 * a port (RFC 3986, 3.2). It may be empty, where a target has no host (RFC 9112, 3.2).
 */
export function isHost(text: string): boolean {
  return text === "" || HOST.test(text);
}

const IN_NAME = String.raw`[A-Za-z0-9\-._~!$&'()*+,;=]`;
const NAME = `(?:${IN_NAME}|%[0-9A-Fa-f]{2})+`;
const IN_BRACKETS = String.raw`\[(?:${IN_NAME}|[:%])+\]`; // "%" stands before a zone (RFC 6874)
const HOST = new RegExp(`^(?:${NAME}|${IN_BRACKETS})(?::[0-9]*)?$`);

/** Whether `text` may be asked for: a fragment is for whoever asks (RFC 9112, 3.2). */
export function isTarget(text: string): boolean {
  return /^[\x21\x22\x24-\x7e]+$/.test(text);
}

function* added(fields: Iterable<HttpField>): Generator<HttpField> {
  for (const field of fields) {
    check(!OURS.test(field[0]), "fields", "not say where the request goes or ends", field[0]);
    yield field;
  }
}

/**
 * The bytes of a head: its start line, and its fields.
 *
 * @throws {TypeError} If a field has a name or a value that may not stand there.
 */
export function encodeHttpHead(
  start: string,
  fields: Iterable<HttpField>,
): Uint8Array<ArrayBuffer> {
  let head = `${start}\r\n`;
  for (const [name, value] of fields) {
    check(isToken(name), "fields", "have names that are tokens", name);
    check(isFieldValue(value), name, "hold no control character and nothing beyond 0xff", value);
    head += `${name}: ${value}\r\n`;
  }
  return Uint8Array.from(`${head}\r\n`, (char) => char.charCodeAt(0));
}

function check(good: boolean, what: string, rule: string, value: string): void {
  if (good) return;
  throw new TypeError(
    `Cannot encode HTTP as '${what}' must ${rule}: current value is ${quote(value)}`,
  );
}
