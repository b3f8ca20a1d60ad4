/**
 * Lines of HTTP/1.x: bytes up to CR LF, or up to a bare LF where that is harmless.
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "./_feed.ts";

/** Carriage return. */
export const CR = 0x0d;
/** Line feed. */
export const LF = 0x0a;

/** Cuts lines off a queue, each byte looked at once however they trickle in. */
export class HttpLines {
  readonly #maxLine: number;
  readonly #fault: Fault;
  #seen = 0;

  /** Lines of at most `maxLine` bytes. */
  constructor(maxLine: number, fault: Fault) {
    this.#maxLine = maxLine;
    this.#fault = fault;
  }

  /** The next line without its end, a character for a byte, or `undefined` until it is whole. */
  take(queue: ByteQueue, bareLf: "accepted" | "refused"): string | undefined {
    for (; this.#seen < queue.length; this.#seen++) {
      const byte = queue.peek(this.#seen);
      const afterCr = this.#seen > 0 && queue.peek(this.#seen - 1) === CR;
      if (byte === LF) {
        if (!afterCr && bareLf === "refused") {
          throw this.#fault("malformed", "a line of chunked framing must end with CR LF");
        }
        const line = latin1(queue.take(this.#seen - (afterCr ? 1 : 0)));
        queue.skip(afterCr ? 2 : 1);
        this.#seen = 0;
        return line;
      }
      if (afterCr) throw this.#fault("malformed", "CR must be followed by LF");
      if (byte === 0) throw this.#fault("malformed", "a line must not hold NUL");
      if (this.#seen >= this.#maxLine && (this.#seen > this.#maxLine || byte !== CR)) {
        throw this.#fault("too-long", `a line must be at most ${this.#maxLine} bytes long`, {
          limit: this.#maxLine,
        });
      }
    }
    return undefined;
  }
}

/** A piece of the peer's text, fit to be shown in a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

/** TextDecoder's "latin1" is Windows-1252, which maps 0x80 to "€". */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
