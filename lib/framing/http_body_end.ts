/**
 * Where the body of a response ends: RFC 9112, 6.3, rule by rule.
 *
 * @module
 */

import type { Fault } from "./_feed.ts";
import { type HttpFields, isToken, trim, trimEnd } from "./http_fields.ts";
import { quote } from "./_http_lines.ts";

/** What of a request decides how its response is read. */
export interface HttpAsked {
  /**
   * The method: the response to `HEAD` has no body, and a successful one to `CONNECT`
   * turns the connection into a tunnel.
   *
   * @default {"GET"}
   */
  method?: string;
  /**
   * Whether it had an `Upgrade` field, without which a server may not answer 101.
   *
   * @default {false}
   */
  upgrade?: boolean;
}

/** What of a response decides it. */
export interface HttpAnswered {
  /** The version, `"1.0"` or `"1.1"`. */
  version: string;
  /** The status code. */
  status: number;
  /** The fields of its head. */
  fields: HttpFields;
}

/**
 * How a body ends: after so many bytes, with its last chunk, or `Infinity`: with the
 * connection. In a tunnel there is no HTTP any more.
 */
export type HttpBodyEnd = number | "chunked" | "tunnel";

/** Tells how the body ends. */
export function bodyEnd(asked: HttpAsked, answer: HttpAnswered, fault: Fault): HttpBodyEnd {
  const { method = "GET", upgrade = false } = asked;
  const { status, fields } = answer;
  if (status === 101) {
    if (upgrade) return "tunnel";
    throw fault("malformed", "its status must not be 101 if no upgrade was asked for");
  }
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return 0;
  if (method === "CONNECT" && status < 300) return "tunnel";
  if (fields.has("transfer-encoding")) return codedEnd(fields, fault);
  if (fields.has("content-length")) return contentLength(fields, fault);
  return Infinity;
}

/** Whether the connection may serve another request after this response: RFC 9112, 9.3. */
export function keepsAlive(answer: HttpAnswered, end: HttpBodyEnd): boolean {
  const { version, fields } = answer;
  if (end === Infinity || end === "tunnel") return false;
  // Both of these may be an attempt to have part of a body taken for a response (6.1, 6.3).
  if (fields.has("transfer-encoding")) {
    if (version === "1.0" || fields.has("content-length")) return false;
  }
  const options = fields.tokens("connection");
  return !options.includes("close") && (version !== "1.0" || options.includes("keep-alive"));
}

/** A coding other than chunked is the caller's to undo, and only chunked tells its own end. */
function codedEnd(fields: HttpFields, fault: Fault): HttpBodyEnd {
  const codings = fields.tokens("transfer-encoding");
  // Who sees no coding here, or something like chunked, may see another end than we do.
  const names = codings.map((coding) => trimEnd(coding.split(";", 1)[0]!));
  if (names.length === 0 || !names.every(isToken)) {
    const said = quote(fields.getAll("transfer-encoding").join());
    throw fault("malformed", `its Transfer-Encoding must name codings: it is ${said}`);
  }
  const chunked = codings.filter((coding) => /^chunked([ \t]*;|$)/.test(coding));
  // It may be applied once (7.1) and has no parameters (7): anything else is a trap.
  if (chunked.length > 1 || chunked.some((coding) => coding !== "chunked")) {
    throw fault("malformed", `it must be chunked plainly and once: it is ${quote(codings.join())}`);
  }
  return codings.at(-1) === "chunked" ? "chunked" : Infinity;
}

/** The same length said several times is harmless, two different ones are an attack (6.3). */
function contentLength(fields: HttpFields, fault: Fault): number {
  const said = fields.getAll("content-length").join();
  const lengths = said.split(",").map(trim);
  if (lengths.some((each) => !/^[0-9]+$/.test(each) || Number(each) !== Number(lengths[0]))) {
    throw fault("malformed", `its Content-Length must be one number: it is ${quote(said)}`);
  }
  const length = Number(lengths[0]);
  if (!Number.isSafeInteger(length)) {
    throw fault("too-long", `its body must be shorter than 2 ** 53 bytes: it has ${said}`, {
      length: BigInt(lengths[0]!),
    });
  }
  return length;
}
