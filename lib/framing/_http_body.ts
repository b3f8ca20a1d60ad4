/**
 * The body of a response, piece by piece as it comes.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "./_feed.ts";
import type { HttpBodyEnd } from "./http_body_end.ts";
import { ChunkedDecoder, type HttpBodyLimits } from "./_http_chunked.ts";
import { HttpFields } from "./http_fields.ts";

/** Takes the bytes of one body. */
export class HttpBodyDecoder {
  readonly #chunked: ChunkedDecoder | undefined;
  readonly #maxBody: number;
  readonly #fault: Fault;
  /** Bytes left of a body that ends after so many; `Infinity` for one that ends with FIN. */
  #left: number;
  #taken = 0;

  /** Takes the bytes of a body that ends like this. */
  constructor(end: HttpBodyEnd, limits: HttpBodyLimits, fault: Fault) {
    this.#chunked = end === "chunked" ? new ChunkedDecoder(limits, fault) : undefined;
    this.#left = typeof end === "number" ? end : 0;
    this.#maxBody = limits.maxBody;
    this.#fault = fault;
    if (this.#left < Infinity && this.#left > this.#maxBody) throw this.#tooLong(this.#left);
  }

  /** Bytes of unfinished trailers that are no longer in the queue. */
  get held(): number {
    return this.#chunked?.held ?? 0;
  }

  /** More of the body, or `undefined` until there is more. */
  take(queue: ByteQueue): Uint8Array | undefined {
    if (this.#chunked) return this.#chunked.take(queue);
    if (this.#left === 0 || queue.length === 0) return undefined;
    // Only a body that ends with FIN can come to its limit: all others announce their length.
    if (this.#taken === this.#maxBody) throw this.#tooLong();
    const bytes = queue.take(Math.min(this.#left, queue.length, this.#maxBody - this.#taken));
    this.#taken += bytes.length;
    this.#left -= bytes.length;
    return bytes;
  }

  /** The trailers if the body is over; `ended` says that no bytes follow those in `queue`. */
  trailers(queue: ByteQueue, ended: boolean): HttpFields | undefined {
    if (this.#chunked?.trailers) return this.#chunked.trailers;
    if (this.#chunked === undefined && this.#left === 0) return new HttpFields();
    if (!ended) return undefined;
    if (this.#left === Infinity) return new HttpFields();
    const missing = this.#chunked?.missing(queue) ?? this.#left;
    throw this.#fault(
      "truncated",
      "the stream must not end inside its body: " +
        `${this.#chunked ? "at least " : ""}${missing} bytes are missing`,
      { missing },
    );
  }

  #tooLong(length?: number) {
    const limit = this.#maxBody;
    const facts = length === undefined ? { limit } : { limit, length };
    return this.#fault("too-long", `its body must be at most ${limit} bytes long`, facts);
  }
}
