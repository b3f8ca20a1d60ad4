/**
 * The head of an HTTP/1.x message, line by line: RFC 9112, 2 to 5.
 *
 * Where the standard lets the reader choose, we are lenient where a response cannot be
 * misread by that, and strict everywhere else:
 *
 * - a bare LF ends a line (2.2), but not in the framing of chunks: see _http_chunked.ts;
 * - a bare CR or a NUL is an error (2.2; RFC 9110, 5.5), as is a space before the first field (2.2);
 * - a folded field (5.2) is unfolded in a response, and an error in a request;
 * - a space before the colon (5.1) is removed in a response, and an error in a request;
 * - empty lines ahead of the message are skipped (2.2).
 *
 * @module
 */

import type { ByteQueue } from "../bytes.ts";
import type { Fault } from "./_feed.ts";
import { type HttpField, HttpFields, isToken, trim, trimEnd } from "./http_fields.ts";
import { CR, HttpLines, LF, quote } from "./_http_lines.ts";

/** How much of a message's head, or of its trailers, is held. */
export interface HttpLimits {
  /**
   * The longest line, in bytes, without its line end; a folded field counts as one line.
   *
   * @default {8192}
   */
  maxLine?: number;
  /**
   * The most bytes of a head in all, and of trailers in all, line ends and leading empty
   * lines included.
   *
   * @default {65536} 64 KiB.
   */
  maxHead?: number;
  /**
   * The most fields in a head, and in trailers.
   *
   * @default {128}
   */
  maxFields?: number;
}

/** Fills in the defaults and checks them. */
export function httpLimits(limits: HttpLimits): Required<HttpLimits> {
  const { maxLine = 8192, maxHead = 65536, maxFields = 128 } = limits;
  for (const [name, value] of Object.entries({ maxLine, maxHead, maxFields })) {
    if (!(value >= 1)) {
      throw new RangeError(
        `Cannot decode HTTP as '${name}' must be >= 1: current value is ${value}`,
      );
    }
  }
  return { maxLine, maxHead, maxFields };
}

/** Whose message it is: what a client may forgive, a server must not. */
export type HttpSender = "server" | "client";

/** Gathers fields up to the empty line after them. */
export class HttpFieldsDecoder {
  readonly #limits: Required<HttpLimits>;
  readonly #fault: Fault;
  readonly #lines: HttpLines;
  readonly #sender: HttpSender;
  #fields: HttpField[] = [];
  /** The field line seen last: the next one may continue it. */
  #open: string | undefined;
  /** Bytes of this head so far. */
  #size = 0;

  /** Reads what `sender` sent. */
  constructor(limits: Required<HttpLimits>, sender: HttpSender, fault: Fault) {
    this.#limits = limits;
    this.#sender = sender;
    this.#fault = fault;
    this.#lines = new HttpLines(limits.maxLine, fault);
  }

  /** Bytes of the unfinished head that are no longer in the queue. */
  get held(): number {
    return this.#size;
  }

  /** The next line, counted as part of the head. */
  line(queue: ByteQueue): string | undefined {
    const before = queue.length;
    const line = this.#lines.take(queue, "accepted");
    this.#size += before - queue.length;
    if (this.#size > this.#limits.maxHead) {
      const { maxHead } = this.#limits;
      throw this.#fault("too-long", `its head must be at most ${maxHead} bytes long`, {
        limit: maxHead,
      });
    }
    return line;
  }

  /** The fields once the empty line has come. */
  take(queue: ByteQueue): HttpFields | undefined {
    for (let line = this.line(queue); line !== undefined; line = this.line(queue)) {
      if (/^[ \t]/.test(line)) {
        this.#unfold(line);
        continue;
      }
      if (this.#open !== undefined) this.#add(this.#open);
      this.#open = line;
      if (line !== "") continue;
      const fields = new HttpFields(this.#fields);
      this.clear();
      return fields;
    }
    return undefined;
  }

  /** Drops what it holds. */
  clear(): void {
    this.#fields = [];
    this.#open = undefined;
    this.#size = 0;
  }

  #unfold(line: string): void {
    if (this.#open === undefined || this.#sender === "client") {
      throw this.#fault("malformed", "a field must not begin with a space");
    }
    this.#nameIn(this.#open); // only a value may be folded
    this.#open = `${trimEnd(this.#open)} ${trim(line)}`;
    if (this.#open.length > this.#limits.maxLine) {
      const { maxLine } = this.#limits;
      throw this.#fault("too-long", `a folded field must be at most ${maxLine} bytes long`, {
        limit: maxLine,
      });
    }
  }

  #add(line: string): void {
    const name = this.#nameIn(line);
    if (this.#fields.length === this.#limits.maxFields) {
      const { maxFields } = this.#limits;
      throw this.#fault("too-long", `there must be at most ${maxFields} fields`, {
        limit: maxFields,
      });
    }
    this.#fields.push([name, trim(line.slice(line.indexOf(":") + 1))]);
  }

  #nameIn(line: string): string {
    const spelled = line.slice(0, Math.max(line.indexOf(":"), 0));
    const name = this.#sender === "server" ? trimEnd(spelled) : spelled;
    if (isToken(name)) return name;
    throw this.#fault("malformed", `a field must be 'name: value': it is ${quote(line)}`);
  }
}

/** A start line, and the fields after it. */
export interface HttpHead {
  /** The request line or status line. */
  start: string;
  /** What follows it, up to the empty line. */
  fields: HttpFields;
}

/** Gathers a start line and the fields after it. */
export class HttpHeadDecoder {
  readonly #fields: HttpFieldsDecoder;
  readonly #begins: string;
  readonly #fault: Fault;
  #start: string | undefined;

  /** Refuses a message that does not begin with `begins` at its first wrong byte. */
  constructor(limits: Required<HttpLimits>, sender: HttpSender, begins: string, fault: Fault) {
    this.#fields = new HttpFieldsDecoder(limits, sender, fault);
    this.#begins = begins;
    this.#fault = fault;
  }

  /** Bytes of the unfinished head that are no longer in the queue. */
  get held(): number {
    return this.#fields.held;
  }

  /** The head once its empty line has come. */
  take(queue: ByteQueue): HttpHead | undefined {
    while (this.#start === undefined) {
      this.#checkBegin(queue);
      const line = this.#fields.line(queue);
      if (line === undefined) return undefined;
      if (line !== "") this.#start = line;
    }
    const fields = this.#fields.take(queue);
    if (fields === undefined) return undefined;
    const start = this.#start;
    this.clear();
    return { start, fields };
  }

  /** Drops what it holds. */
  clear(): void {
    this.#start = undefined;
    this.#fields.clear();
  }

  /** Does not wait for a line end that may never come: a TLS alert has none. */
  #checkBegin(queue: ByteQueue): void {
    let came = "";
    for (let i = 0; i < Math.min(queue.length, this.#begins.length); i++) {
      const byte = queue.peek(i);
      if (i === 0 && (byte === CR || byte === LF)) return;
      came += String.fromCharCode(byte);
      if (this.#begins.startsWith(came)) continue;
      throw this.#fault(
        "malformed",
        `it must begin with ${quote(this.#begins)}: it begins with ${quote(came)}`,
      );
    }
  }
}
