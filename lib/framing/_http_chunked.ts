/**
 * The chunked transfer coding: RFC 9112, 7.1.
 *
 * Here little is forgiven: chunk lines and chunks end with CR LF, and a size is hexadecimal
 * digits without a sign or a prefix. Two readers that disagree about where a chunk ends can be made to
 * disagree about where a response ends, which is how responses are smuggled.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "./_feed.ts";
import type { HttpFields } from "./http_fields.ts";
import { HttpFieldsDecoder, type HttpLimits } from "./http_head.ts";
import { CR, HttpLines, LF, quote } from "./_http_lines.ts";

/** How much a body may hold. */
export interface HttpBodyLimits extends Required<HttpLimits> {
  /** The most bytes of the body. */
  maxBody: number;
}

/** Takes chunks apart. */
export class ChunkedDecoder {
  /** The fields after the last chunk, once they have come: that is the end. */
  trailers: HttpFields | undefined;
  readonly #fault: Fault;
  readonly #lines: HttpLines;
  readonly #fields: HttpFieldsDecoder;
  readonly #maxBurden: number;
  readonly #maxBody: number;
  #part: "size" | "data" | "line end" | "trailers" = "size";
  /** Bytes still to come of this chunk. */
  #left = 0;
  /** Bytes announced so far. */
  #total = 0;
  /** Bytes of chunk lines so far, their sizes apart, beyond one for each byte of data. */
  #burden = 0;

  /** Keeps to `limits`, for each line, for the trailers and for the data in all. */
  constructor(limits: HttpBodyLimits, fault: Fault) {
    this.#fault = fault;
    this.#lines = new HttpLines(limits.maxLine, fault);
    this.#fields = new HttpFieldsDecoder(limits, "server", fault);
    this.#maxBurden = limits.maxHead;
    this.#maxBody = limits.maxBody;
  }

  /** Bytes of unfinished trailers that are no longer in the queue. */
  get held(): number {
    return this.#fields.held;
  }

  /** How many bytes at least are still to come after those in `queue`. */
  missing(queue: ByteQueue): number {
    if (this.#part === "trailers") return 1; // LF
    const last = "0\r\n\r\n".length;
    if (this.#part === "size") return Math.max(last - queue.length, 1);
    return this.#left + "\r\n".length + last - queue.length;
  }

  /** More of the body, or `undefined` until there is more; see {@linkcode trailers}. */
  take(queue: ByteQueue): Uint8Array | undefined {
    while (true) {
      if (this.#part === "data") {
        if (queue.length === 0) return undefined;
        const bytes = queue.take(Math.min(this.#left, queue.length));
        this.#left -= bytes.length;
        if (this.#left === 0) this.#part = "line end";
        return bytes;
      }
      if (!(this.#part === "trailers" ? this.#takeTrailers(queue) : this.#takeFrame(queue))) {
        return undefined;
      }
    }
  }

  /** What stands between the data; `false` until it has come whole. */
  #takeFrame(queue: ByteQueue): boolean {
    if (this.#part === "line end") return this.#takeLineEnd(queue);
    const line = this.#lines.take(queue, "refused");
    if (line === undefined) return false;
    this.#left = this.#sizeOf(line);
    this.#part = this.#left > 0 ? "data" : "trailers";
    return true;
  }

  #takeLineEnd(queue: ByteQueue): boolean {
    const there = Math.min(queue.length, 2);
    for (let i = 0; i < there; i++) {
      if (queue.peek(i) !== (i === 0 ? CR : LF)) {
        throw this.#fault("malformed", "a chunk must end with CR LF where its size says");
      }
    }
    if (there < 2) return false;
    queue.skip(2);
    this.#part = "size";
    return true;
  }

  #takeTrailers(queue: ByteQueue): boolean {
    this.trailers = this.#fields.take(queue);
    return false;
  }

  #sizeOf(line: string): number {
    const digits = /^[0-9A-Fa-f]+/.exec(line)?.[0] ?? "";
    const extension = line.slice(digits.length);
    // Whitespace may stand before the semicolon (7.1.1). Old servers also pad sizes with it,
    // which nobody can misread.
    if (digits === "" || !/^[ \t]*(;|$)/.test(extension)) {
      throw this.#fault("malformed", `a chunk must begin with its size: it is ${quote(line)}`);
    }
    const size = parseInt(digits, 16);
    if (!Number.isSafeInteger(size)) {
      throw this.#fault(
        "too-long",
        `a chunk must be shorter than 2 ** 53 bytes: its size is 0x${digits}`,
        { length: BigInt(`0x${digits}`) },
      );
    }
    this.#total += size;
    if (this.#total > this.#maxBody) {
      throw this.#fault("too-long", `its body must be at most ${this.#maxBody} bytes long`, {
        limit: this.#maxBody,
        length: this.#total,
      });
    }
    // Extensions and leading zeros mean nothing to us: without data they are only a burden.
    const beside = line.length - size.toString(16).length;
    this.#burden = Math.max(this.#burden + beside - size, 0);
    if (this.#burden > this.#maxBurden) {
      throw this.#fault("too-long", "what stands beside chunk sizes must not outweigh the data", {
        limit: this.#maxBurden,
      });
    }
    return size;
  }
}
