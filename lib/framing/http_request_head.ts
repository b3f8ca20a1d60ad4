/**
 * The head of an HTTP/1.x request, as a server reads it: enough for a WebSocket handshake.
 *
 * @example What follows the head is kept
 * ```ts
 * import { HttpRequestHeadDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new HttpRequestHeadDecoder();
 * decoder.push(new TextEncoder().encode("GET /chat HTTP/1.1\r\nHost: here\r\n\r\nmore"));
 *
 * assertEquals(decoder.next()?.target, "/chat");
 * assertEquals(decoder.rest().length, 4);
 * ```
 *
 * @module
 */

import { type Decoder, FrameError } from "./decoder.ts";
import { type Fault, Feed } from "./_feed.ts";
import { type HttpFields, isToken } from "./http_fields.ts";
import { HttpHeadDecoder, type HttpLimits, httpLimits } from "./http_head.ts";
import { isTarget } from "./http_request.ts";
import { quote } from "./_http_lines.ts";

/** The head of a request that was received. */
export interface HttpRequestHead {
  /** What to do. */
  method: string;
  /** With what. */
  target: string;
  /** The version, `"1.0"` or `"1.1"`; a later minor one counts as 1.1. */
  version: "1.0" | "1.1";
  /** The fields. */
  fields: HttpFields;
}

/**
 * Decodes the head of one request. What follows it is not looked at: {@linkcode rest} has
 * it, be it a body, another request or another protocol.
 */
export class HttpRequestHeadDecoder implements Decoder<HttpRequestHead> {
  readonly #feed: Feed<HttpRequestHead>;
  readonly #head: HttpHeadDecoder;
  #done = false;

  /** Keeps to `limits`. */
  constructor(limits: HttpLimits = {}) {
    this.#feed = new Feed(() => this.#next(), () => this.#head.clear());
    this.#head = new HttpHeadDecoder(httpLimits(limits), "client", "", this.#fault);
  }

  /** Bytes held now. */
  get buffered(): number {
    return this.#feed.buffered + this.#head.held;
  }

  /** Takes the bytes after the head; none before it has come. */
  rest(): Uint8Array {
    return this.#feed.queue.take(this.#done ? this.#feed.queue.length : 0);
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  /** Says that no more bytes will come: an error inside a head, but not ahead of it. */
  end(): void {
    this.#feed.end();
  }

  /**
   * The head, once; `undefined` until it has come and afterwards.
   *
   * @throws {FrameError} If the bytes are no HTTP/1.x request, break a limit, or end inside
   * the head.
   */
  next(): HttpRequestHead | undefined {
    return this.#feed.next();
  }

  #next(): HttpRequestHead | undefined {
    if (this.#done) return undefined;
    const head = this.#head.take(this.#feed.queue);
    if (head === undefined) {
      if (this.#feed.ended && this.buffered > 0) {
        throw this.#fault("truncated", "the stream must not end before its head does");
      }
      return undefined;
    }
    this.#done = true;
    const [, method = "", target = "", minor] =
      /^([^ ]+) ([^ ]+) HTTP\/1\.([0-9])$/.exec(head.start) ?? [];
    if (!isToken(method) || !isTarget(target)) {
      const shown = quote(head.start);
      throw this.#fault(
        "malformed",
        `its request line must be 'GET /path HTTP/1.1': it is ${shown}`,
      );
    }
    return { method, target, version: minor === "0" ? "1.0" : "1.1", fields: head.fields };
  }

  readonly #fault: Fault = (code, rule, facts = {}) =>
    new FrameError(code, `Cannot decode an HTTP request as ${rule}`, { ...facts, offset: 0 });
}
