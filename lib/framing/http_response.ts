/**
 * HTTP/1.x responses out of bytes: RFC 9112 as a client reads it.
 *
 * The body comes out piece by piece as it arrives, and what came with the head is its
 * first piece. Several responses on one connection are told apart, as long as the decoder
 * knows what was asked: the response to `HEAD` looks as if a body followed.
 *
 * @example A response that came in two pieces
 * ```ts
 * import { drain, HttpResponseDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new HttpResponseDecoder();
 * const bytes = new TextEncoder();
 * const types: string[] = [];
 * for (const piece of ["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nhi"]) {
 *   decoder.push(bytes.encode(piece));
 *   for (const event of drain(decoder)) types.push(event.type);
 * }
 * assertEquals(types, ["head", "body", "end"]);
 * ```
 *
 * @module
 */

import { type Decoder, FrameError } from "./decoder.ts";
import { type Fault, Feed } from "./_feed.ts";
import { HttpBodyDecoder } from "./_http_body.ts";
import { bodyEnd, type HttpAsked, keepsAlive } from "./http_body_end.ts";
import type { HttpFields } from "./http_fields.ts";
import { HttpHeadDecoder, type HttpLimits, httpLimits } from "./http_head.ts";
import { CR, LF, quote } from "./_http_lines.ts";

/** What stands before the body of a response. */
export interface HttpResponseHead {
  /** The version, `"1.0"` or `"1.1"`; a later minor one counts as 1.1. */
  version: "1.0" | "1.1";
  /** The status code, from 100 to 999. */
  status: number;
  /** The reason phrase, which means nothing and may be empty. */
  reason: string;
  /** The fields. */
  fields: HttpFields;
}

/**
 * What happens in a response: any number of `interim` heads (1xx), one `head`, its `body` in
 * as many pieces as it comes, and the `end` with the trailers, of which most have none.
 *
 * `keepAlive` says whether the connection may serve another request afterwards: the peer
 * offers it, and where the body ends is beyond doubt.
 */
export type HttpResponseEvent =
  | ({ type: "interim" } & HttpResponseHead)
  | ({ type: "head"; keepAlive: boolean } & HttpResponseHead)
  | { type: "body"; bytes: Uint8Array }
  | { type: "end"; trailers: HttpFields };

/** Options for {@linkcode HttpResponseDecoder}. */
export interface HttpResponseOptions extends HttpLimits {
  /**
   * The first request, whose response is awaited from the start.
   *
   * @default {{ method: "GET" }}
   */
  request?: HttpAsked;
  /**
   * The most bytes of one body. They are handed on and not held, so it protects the caller.
   *
   * @default {Infinity}
   */
  maxBody?: number;
  /**
   * The most interim responses ahead of one final response.
   *
   * @default {16}
   */
  maxInterim?: number;
}

const UNANSWERED = "the peer must not close before it has answered";

/** Decodes the responses that come back on one connection. */
export class HttpResponseDecoder implements Decoder<HttpResponseEvent> {
  readonly #limits: Required<HttpLimits> & { maxBody: number };
  readonly #maxInterim: number;
  readonly #feed: Feed<HttpResponseEvent>;
  readonly #head: HttpHeadDecoder;
  /** Requests whose responses have not ended, the oldest first. */
  readonly #asked: HttpAsked[];
  /** The body at hand; there is none between responses and inside a head. */
  #body: HttpBodyDecoder | undefined;
  /** What follows it: another head, bytes that are no HTTP, or nothing. */
  #after: "head" | "tunnel" | "nothing" = "head";
  #interims = 0;
  /** Where the response at hand starts. */
  #start = 0;

  /** Awaits one response; see {@linkcode expect} for more. */
  constructor(options: HttpResponseOptions = {}) {
    const { request = {}, maxBody = Infinity, maxInterim = 16 } = options;
    for (const [name, value] of Object.entries({ maxBody, maxInterim })) {
      if (!(value >= 0)) {
        throw new RangeError(
          `Cannot decode HTTP as '${name}' must be >= 0: current value is ${value}`,
        );
      }
    }
    this.#limits = { ...httpLimits(options), maxBody };
    this.#maxInterim = maxInterim;
    this.#asked = [request];
    this.#feed = new Feed(
      () => this.#body ? this.#nextInBody(this.#body) : this.#nextHead(),
      () => this.#letGo(),
    );
    this.#head = new HttpHeadDecoder(this.#limits, "server", "HTTP/1.", this.#fault);
  }

  /** How many requests have no whole response yet. */
  get awaited(): number {
    return this.#asked.length;
  }

  /** Whether HTTP is over, after 101 or a successful CONNECT: {@linkcode rest} has the rest. */
  get tunnel(): boolean {
    return this.#after === "tunnel" && this.#body === undefined;
  }

  /** Bytes held now. */
  get buffered(): number {
    return this.#feed.buffered + this.#head.held + (this.#body?.held ?? 0);
  }

  /**
   * Says that one more request was sent, whose response follows those awaited already. Call
   * it before its response can arrive: bytes that answer no request are an error, as they
   * would be taken for the response to the next one (RFC 9112, 6.3).
   */
  expect(request: HttpAsked = {}): void {
    this.#asked.push(request);
  }

  /**
   * Takes the bytes that follow the head in a {@linkcode tunnel}, which are not HTTP; none
   * before that. Call it again if more were pushed.
   */
  rest(): Uint8Array {
    return this.#feed.queue.take(this.tunnel ? this.#feed.queue.length : 0);
  }

  /** Takes bytes as they came. */
  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  /** Says that no more bytes will come: the end of some bodies, an error in all others. */
  end(): void {
    this.#feed.end();
  }

  /**
   * What happens next, or `undefined` until more bytes have come.
   *
   * @throws {FrameError} If the bytes are no HTTP/1.x, break a limit, answer no request, or
   * end before the awaited responses do.
   */
  next(): HttpResponseEvent | undefined {
    return this.#feed.next();
  }

  #nextHead(): HttpResponseEvent | undefined {
    const asked = this.#asked[0];
    if (this.#after === "tunnel") return undefined;
    if (this.#after === "nothing" || asked === undefined) return this.#idle();
    const head = this.#head.take(this.#feed.queue);
    if (head === undefined) {
      if (!this.#feed.ended) return undefined;
      throw this.#fault(
        "truncated",
        this.buffered === 0 ? UNANSWERED : "the stream must not end before its head does",
      );
    }
    const answer = { ...this.#statusLine(head.start), fields: head.fields };
    const end = bodyEnd(asked, answer, this.#fault);
    if (answer.status < 200 && end !== "tunnel") {
      if (++this.#interims > this.#maxInterim) {
        const rule = `at most ${this.#maxInterim} interim ones must come before it`;
        throw this.#fault("too-long", rule);
      }
      return { type: "interim", ...answer };
    }
    const keepAlive = keepsAlive(answer, end);
    this.#body = new HttpBodyDecoder(end, this.#limits, this.#fault);
    this.#after = end === "tunnel" ? "tunnel" : keepAlive ? "head" : "nothing";
    return { type: "head", ...answer, keepAlive };
  }

  #nextInBody(body: HttpBodyDecoder): HttpResponseEvent | undefined {
    const bytes = body.take(this.#feed.queue);
    if (bytes !== undefined) return { type: "body", bytes };
    const trailers = body.trailers(this.#feed.queue, this.#feed.ended);
    if (trailers === undefined) return undefined;
    this.#body = undefined;
    this.#asked.shift();
    this.#interims = 0;
    this.#start = this.#feed.used;
    return { type: "end", trailers };
  }

  /** Nothing may come but empty lines, which some servers send after a body, and FIN. */
  #idle(): undefined {
    const { queue, ended } = this.#feed;
    while (queue.length > 0) {
      const byte = queue.peek(0);
      if (byte !== CR && byte !== LF) throw this.#fault("malformed", "it answers no request");
      queue.skip(1);
    }
    if (ended && this.#asked.length > 0) {
      throw this.#fault("truncated", UNANSWERED);
    }
  }

  #letGo(): void {
    this.#head.clear();
    this.#body = undefined;
  }

  #statusLine(line: string): Omit<HttpResponseHead, "fields"> {
    // The space before an empty reason is required (RFC 9112, 4), and often missing.
    const found = /^HTTP\/1\.([0-9]) ([1-9][0-9][0-9])(?: (.*))?$/.exec(line);
    if (found === null) {
      throw this.#fault(
        "malformed",
        `its status line must be 'HTTP/1.1 200 OK': it is ${quote(line)}`,
      );
    }
    const [, minor, status, reason = ""] = found;
    return { version: minor === "0" ? "1.0" : "1.1", status: Number(status), reason };
  }

  readonly #fault: Fault = (code, rule, facts = {}) =>
    new FrameError(code, `Cannot decode an HTTP response as ${rule}`, {
      ...facts,
      offset: this.#start,
    });
}
