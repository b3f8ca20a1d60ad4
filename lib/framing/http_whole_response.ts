/**
 * Small HTTP responses in one piece each, for callers who want no events.
 *
 * @example
 * ```ts
 * import { WholeHttpResponseDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new WholeHttpResponseDecoder();
 * decoder.push(new TextEncoder().encode("HTTP/1.1 404 Not Found\r\n\r\nno such page"));
 * decoder.end(); // no length was given, so the body ends with the connection
 *
 * const response = decoder.next();
 * assertEquals(response?.status, 404);
 * assertEquals(new TextDecoder().decode(response?.body), "no such page");
 * ```
 *
 * @module
 */

import type { Decoder } from "./decoder.ts";
import { Gather } from "./_gather.ts";
import type { HttpAsked } from "./http_body_end.ts";
import type { HttpFields } from "./http_fields.ts";
import {
  HttpResponseDecoder,
  type HttpResponseHead,
  type HttpResponseOptions,
} from "./http_response.ts";

/** A whole response. */
export interface HttpResponse extends HttpResponseHead {
  /** Whether the connection may serve another request. */
  keepAlive: boolean;
  /** The body, with any coding other than chunked still on it. */
  body: Uint8Array<ArrayBuffer>;
  /** The fields after it. */
  trailers: HttpFields;
}

/**
 * Decodes whole responses; interim ones are left out. The default of `maxBody` is 1 MiB
 * here, since the body is held.
 */
export class WholeHttpResponseDecoder implements Decoder<HttpResponse> {
  readonly #events: HttpResponseDecoder;
  readonly #body: Gather;
  #head: HttpResponseHead & { keepAlive: boolean } | undefined;

  /** Awaits one response; see {@linkcode expect} for more. */
  constructor(options: HttpResponseOptions = {}) {
    const { maxBody = 1024 * 1024 } = options;
    this.#events = new HttpResponseDecoder({ ...options, maxBody });
    this.#body = new Gather(maxBody);
  }

  /** Bytes held now. */
  get buffered(): number {
    return this.#events.buffered + this.#body.length;
  }

  /** Says that one more request was sent; call it before its response can arrive. */
  expect(request?: HttpAsked): void {
    this.#events.expect(request);
  }

  /** Takes the bytes that follow a response by which HTTP is over. */
  rest(): Uint8Array {
    return this.#events.rest();
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#events.push(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#events.end();
  }

  /**
   * The next whole response.
   *
   * @throws {FrameError} As {@linkcode HttpResponseDecoder} does; what came of an unfinished
   * response is then dropped.
   */
  next(): HttpResponse | undefined {
    try {
      return this.#next();
    } catch (error) {
      this.#body.take();
      throw error;
    }
  }

  #next(): HttpResponse | undefined {
    for (let event = this.#events.next(); event; event = this.#events.next()) {
      if (event.type === "body") this.#body.append(event.bytes);
      else if (event.type === "head") this.#head = event;
      else if (event.type === "end" && this.#head) {
        const { version, status, reason, fields, keepAlive } = this.#head;
        const { trailers } = event;
        const body = this.#body.take();
        return { version, status, reason, fields, keepAlive, body, trailers };
      }
    }
    return undefined;
  }
}
