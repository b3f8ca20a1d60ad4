/**
 * The fields of an HTTP message: what stands in its head, and again in its trailers.
 *
 * @example Names in any case, values in order
 * ```ts
 * import { HttpFields } from "@tcplab/tcplab/framing";
 * import { assertEquals } from "@std/assert";
 *
 * const fields = new HttpFields([["Vary", "Accept"], ["Date", "today"], ["vary", "Cookie"]]);
 *
 * assertEquals(fields.get("VARY"), "Accept, Cookie");
 * assertEquals(fields.getAll("Vary"), ["Accept", "Cookie"]);
 * assertEquals([...fields].length, 3);
 * ```
 *
 * @module
 */

/** A field as it stands on the wire: its name in the sender's spelling, and its value. */
export type HttpField = readonly [name: string, value: string];

/**
 * Fields in the order they came, repeated ones included (RFC 9110, 5).
 *
 * Unlike the web's `Headers`, nothing is sorted, merged or put into lower case. Each
 * character of a value is one byte of it (Latin-1): whoever expects UTF-8 there decodes it.
 */
export class HttpFields implements Iterable<HttpField> {
  /** The fields as they came. */
  readonly lines: readonly HttpField[];

  /** Takes the fields as they are; whoever sends them checks them. */
  constructor(lines: Iterable<HttpField> = []) {
    this.lines = [...lines];
  }

  /** Whether there is such a field, be it empty. */
  has(name: string): boolean {
    return this.getAll(name).length > 0;
  }

  /**
   * The value of `name`, those of repeated fields joined by `", "`, which means the same
   * (RFC 9110, 5.3), except for `Set-Cookie`: use {@linkcode getAll} there.
   */
  get(name: string): string | undefined {
    const values = this.getAll(name);
    return values.length > 0 ? values.join(", ") : undefined;
  }

  /** The values of every field of this name, in order. */
  getAll(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.lines.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  }

  /** The elements of a field that is a list of tokens, in lower case, empty ones left out. */
  tokens(name: string): string[] {
    const elements = this.getAll(name).join().split(",").map(trim);
    return elements.filter((element) => element !== "").map((element) => element.toLowerCase());
  }

  /** The fields in order. */
  [Symbol.iterator](): Iterator<HttpField> {
    return this.lines[Symbol.iterator]();
  }
}

/** Whether `text` may be a field's name, a method, a subprotocol (RFC 9110, 5.6.2). */
export function isToken(text: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text);
}

/**
 * Whether `text` may be sent as a field's value: bytes, none of which is a control character,
 * so that no value can end its line and begin another (RFC 9110, 5.5).
 */
export function isFieldValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

/** Removes the whitespace that HTTP knows; `String.trim()` also takes 0xa0 and others. */
export function trim(text: string): string {
  return trimEnd(text).replace(/^[ \t]+/, "");
}

/** Removes it from the end: by hand, as a regular expression takes quadratic time there. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === " " || text[end - 1] === "\t")) end--;
  return text.slice(0, end);
}
