/**
 * Lines, as bytes or as text.
 *
 * LF ends a line, and a CR before it belongs to the newline. The last line needs none. A
 * peer cannot make us hold more than the limit and one chunk.
 *
 * @example Lines, however they arrive
 * ```ts
 * import { drain, TextLineDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new TextLineDecoder();
 * const lines: string[] = [];
 * for (const chunk of ["one\r", "\ntwo\nth", "ree"]) {
 *   decoder.push(new TextEncoder().encode(chunk));
 *   lines.push(...drain(decoder));
 * }
 * decoder.end();
 * lines.push(...drain(decoder));
 * assertEquals(lines, ["one", "two", "three"]);
 * ```
 *
 * @example An over-long line is told of in its place, and the next one is read
 * ```ts
 * import { drain, TextLineDecoder } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const decoder = new TextLineDecoder({ maxLength: 5, onTooLong: ({ limit }) => ({ limit }) });
 * decoder.push(new TextEncoder().encode("short\nfar too long\nagain\n"));
 * assertEquals([...drain(decoder)], ["short", { limit: 5 }, "again"]);
 * ```
 *
 * @module
 */

import { Cutter, type CutterOptions } from "./_cutter.ts";
import { NewlineSearch } from "./_search.ts";
import { type Decoder, type Encoder, FrameError } from "./decoder.ts";
import { DelimitedDecoder, DelimitedEncoder } from "./delimited.ts";

/** Lines as bytes, each a view of the chunk it lies in: `slice()` what is kept for long. */
export class LineDecoder<Marker extends NonNullable<unknown> = never>
  extends DelimitedDecoder<Marker> {
  /**
   * Knows how long a line may be.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: CutterOptions<Marker> = {}) {
    super({ unterminated: "frame", ...options, delimiters: ["\r\n", "\n"] });
  }
}

/** Options for {@linkcode TextLineDecoder}. */
export interface TextLineDecoderOptions<Marker extends NonNullable<unknown> = never>
  extends CutterOptions<Marker> {
  /**
   * Whether a line that is not UTF-8 is an error; if not, U+FFFD stands in for what is
   * not.
   *
   * @default {true}
   */
  fatal?: boolean;
}

/**
 * Lines as text, from UTF-8. `maxLength` counts bytes. A byte order mark is text like any
 * other.
 */
export class TextLineDecoder<Marker extends NonNullable<unknown> = never>
  implements Decoder<string | Marker> {
  readonly #cutter: Cutter<{ readonly marker: Marker }>;
  /** Throws at what is not UTF-8, unless it is to be forgiven. */
  readonly #utf8: TextDecoder;
  /** Forgives everything, and is ten times as fast as one that does not. */
  readonly #fast = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Lines decoded together, each with its newline; those before `#at` are used. */
  #text = "";
  #at = 0;
  /** Whether some of them may end with CR. */
  #mayEndWithCr = false;
  /** Whether something is not UTF-8, so that the lines before it must be decoded one by one. */
  #careful = false;

  /**
   * Knows how long a line may be.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: TextLineDecoderOptions<Marker> = {}) {
    const { fatal = true, unterminated = "frame", onTooLong } = options;
    this.#utf8 = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
    this.#cutter = new Cutter(new NewlineSearch(), {
      ...options,
      unterminated,
      // In a box, for the marker may be bytes itself.
      onTooLong: onTooLong && ((tooLong) => ({ marker: onTooLong(tooLong) })),
    });
  }

  /** Held now: bytes of the unfinished line, and bytes and characters not yet asked for. */
  get buffered(): number {
    return this.#cutter.buffered + this.#text.length - this.#at;
  }

  /** Takes bytes as they came, and keeps them: do not write to the chunk again. */
  push(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
  }

  /** Says that no more bytes will come. */
  end(): void {
    this.#cutter.end();
  }

  /**
   * The next line, without its newline; `undefined` until there is one.
   *
   * @throws {FrameError} `"too-long"`; `"malformed"` if it is not UTF-8; `"truncated"` if
   * the last one has no newline and `unterminated` forbids that.
   */
  next(): string | Marker | undefined {
    if (this.#text !== "" || this.#refill()) return this.#fromText();
    const { offset } = this.#cutter;
    const line = this.#cutter.next();
    return line instanceof Uint8Array ? this.#decode(line, offset) : line?.marker;
  }

  #fromText(): string {
    const text = this.#text;
    const start = this.#at;
    const end = text.indexOf("\n", start);
    this.#at = end + 1;
    if (this.#at === text.length) {
      this.#text = "";
      this.#at = 0;
    }
    const hasCr = this.#mayEndWithCr && text.charCodeAt(end - 1) === 13;
    return text.slice(start, hasCr ? end - 1 : end);
  }

  /**
   * Decodes all the whole lines of a chunk at once, if none of them is unusual: a call per
   * line costs several times as much. No character of UTF-8 other than LF contains its byte.
   */
  #refill(): boolean {
    const lines = this.#careful ? undefined : this.#cutter.peekWhole(10);
    if (lines === undefined) return false;
    try {
      const text = this.#fast.decode(lines);
      this.#text = text.includes("\ufffd") ? this.#utf8.decode(lines) : text;
    } catch {
      this.#careful = true;
      return false;
    }
    this.#mayEndWithCr = this.#text.includes("\r");
    this.#cutter.skip(lines.length);
    return true;
  }

  #decode(line: Uint8Array, offset: number): string {
    try {
      return this.#utf8.decode(line);
    } catch (cause) {
      this.#cutter.fail(
        new FrameError("malformed", "Cannot decode as a line must be UTF-8", { offset, cause }),
      );
    }
  }
}

/** Options for {@linkcode LineEncoder} and {@linkcode TextLineEncoder}. */
export interface LineEncoderOptions {
  /**
   * What is put after each line.
   *
   * @default {"\n"}
   */
  newline?: "\n" | "\r\n";
  /**
   * The most bytes in a line, its newline not counted.
   *
   * @default {65536}
   */
  maxLength?: number;
}

/** Puts a newline after each line. */
export class LineEncoder extends DelimitedEncoder {
  /**
   * Knows the newline.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: LineEncoderOptions = {}) {
    const { newline = "\n", ...rest } = options;
    super({ ...rest, delimiters: newline === "\n" ? ["\n", "\r\n"] : ["\r\n", "\n"] });
  }
}

/** Turns text into UTF-8, and puts a newline after each line. */
export class TextLineEncoder implements Encoder<string> {
  readonly #lines: LineEncoder;
  readonly #utf8 = new TextEncoder();

  /**
   * Knows the newline.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(options: LineEncoderOptions = {}) {
    this.#lines = new LineEncoder(options);
  }

  /**
   * The line and its newline.
   *
   * @throws {RangeError} If the line is too long, holds LF, or ends with a CR that would be
   * taken for a part of the newline.
   */
  encode(line: string): Uint8Array {
    return this.#lines.encode(this.#utf8.encode(line));
  }
}
