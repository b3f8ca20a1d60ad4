/**
 * JSON as toxiproxy's server reads it, which is Go's `encoding/json`: the first value counts and
 * what follows it is ignored; names of fields match in either case; unknown fields are ignored;
 * a name that comes twice counts twice; `null` leaves a field as it is; `1.0` is no integer; and
 * what is wrong is said in its words, which clients show.
 */

/** What a field takes: Go's name for it, and what that accepts. A struct is read by the caller. */
export type GoType =
  | "string"
  | "bool"
  | "int64"
  | "int"
  | "float32"
  | "float64"
  | `toxics.${string}`;

/** A JSON value, with all that `JSON.parse` would lose. */
export type GoValue = null | boolean | string | GoNumber | GoObject | GoValue[];

/** A number as it was written. */
export class GoNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** An object: its names and values in their order. */
export class GoObject {
  readonly entries: [string, GoValue][] = [];
}

/** A struct that an object is read into. */
export interface GoStruct {
  /** Its name in errors about the struct. */
  readonly type: string;
  /** Its name in errors about a field. */
  readonly name: string;
  /** What leads to it from the struct that it is in, with a dot behind. */
  readonly path?: string;
}

/** The text is not JSON, or not of the shape. The message is Go's. */
export class GoJsonError extends Error {
  override readonly name = "GoJsonError";
}

/** Reads the first value of `text`. */
export function decodeFirst(text: string): GoValue {
  return new Parser(text).first();
}

/**
 * What an object says of the fields in `types`, in its order; what is null is left out.
 *
 * @throws {GoJsonError} If a field is not of its type, or `value` is no object.
 */
export function fieldsOf<Name extends string>(
  value: GoValue,
  struct: GoStruct,
  types: Readonly<Record<Name, GoType>>,
): [Name, string | number | boolean | GoObject][] {
  if (value === null) return [];
  if (!(value instanceof GoObject)) {
    throw new GoJsonError(
      `json: cannot unmarshal ${kindOf(value)} into Go value of type ${struct.type}`,
    );
  }
  const names = Object.keys(types) as Name[];
  const fields: [Name, string | number | boolean | GoObject][] = [];
  for (const [key, given] of value.entries) {
    const name = names.find((name) => name === key) ??
      names.find((name) => name.toLowerCase() === key.toLowerCase());
    if (name === undefined || given === null) continue;
    const read = readAs(given, types[name]);
    if (read === undefined) {
      const numeric = /^(int|float)/.test(types[name]);
      const told = given instanceof GoNumber && numeric ? `number ${given.text}` : kindOf(given);
      const { name: owner, path = "" } = struct;
      throw new GoJsonError(
        `json: cannot unmarshal ${told} into Go struct field ${owner}.${path}${name} of type ${
          types[name]
        }`,
      );
    }
    fields.push([name, read]);
  }
  return fields;
}

/** Go's word for the kind of a JSON value. */
export function kindOf(value: GoValue): string {
  if (Array.isArray(value)) return "array";
  if (value instanceof GoNumber) return "number";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** The number that comes out of 32 bits, as Go writes it: with no more digits than it takes. */
export function float32(value: number): number {
  const nearest = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(nearest.toPrecision(digits));
    if (Math.fround(short) === nearest) return short;
  }
  return nearest;
}

function readAs(value: GoValue, type: GoType): string | number | boolean | GoObject | undefined {
  if (type === "string") return typeof value === "string" ? value : undefined;
  if (type === "bool") return typeof value === "boolean" ? value : undefined;
  if (type.startsWith("toxics.")) return value instanceof GoObject ? value : undefined;
  if (!(value instanceof GoNumber)) return undefined;
  const number = Number(value.text);
  if (type === "float64") return Number.isFinite(number) ? number : undefined;
  if (type === "float32") return Number.isFinite(Math.fround(number)) ? float32(number) : undefined;
  // Go has integers up to 2 ** 63, where ours would not be the number that was given.
  return /[.eE]/.test(value.text) || !Number.isSafeInteger(number) ? undefined : number;
}

/** How deep values may be in each other. Go stops at 10000, where our stack may not be enough. */
const DEEPEST = 1000;

const ESCAPES: Record<string, string> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/** Reads a value, or says what is wrong with it. */
class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  first(): GoValue {
    this.#space();
    if (this.#at === this.#text.length) throw new GoJsonError("EOF");
    return this.#value();
  }

  #value(): GoValue {
    this.#space();
    const char = this.#peek();
    if (++this.#depth > DEEPEST) throw new GoJsonError("exceeded max depth");
    const value = char === "{"
      ? this.#object()
      : char === "["
      ? this.#array()
      : char === '"'
      ? this.#string()
      : char === "-" || isDigit(char)
      ? this.#number()
      : char === "t"
      ? this.#literal("true", true)
      : char === "f"
      ? this.#literal("false", false)
      : char === "n"
      ? this.#literal("null", null)
      : this.#fail("looking for beginning of value");
    this.#depth--;
    return value;
  }

  #object(): GoObject {
    const object = new GoObject();
    this.#at++;
    this.#space();
    if (this.#peek() === "}") {
      this.#at++;
      return object;
    }
    while (true) {
      this.#space();
      if (this.#peek() !== '"') this.#fail("looking for beginning of object key string");
      const name = this.#string();
      this.#space();
      if (this.#peek() !== ":") this.#fail("after object key");
      this.#at++;
      object.entries.push([name, this.#value()]);
      this.#space();
      const char = this.#peek();
      if (char !== "," && char !== "}") this.#fail("after object key:value pair");
      this.#at++;
      if (char === "}") return object;
    }
  }

  #array(): GoValue[] {
    const array: GoValue[] = [];
    this.#at++;
    this.#space();
    if (this.#peek() === "]") {
      this.#at++;
      return array;
    }
    while (true) {
      array.push(this.#value());
      this.#space();
      const char = this.#peek();
      if (char !== "," && char !== "]") this.#fail("after array element");
      this.#at++;
      if (char === "]") return array;
    }
  }

  #string(): string {
    let text = "";
    this.#at++;
    while (true) {
      const char = this.#peek();
      if (char < " ") this.#fail("in string literal");
      this.#at++;
      if (char === '"') return text.toWellFormed(); // half a pair is U+FFFD in Go
      text += char === "\\" ? this.#escape() : char;
    }
  }

  #escape(): string {
    const char = this.#peek();
    if (!'bfnrt\\/"u'.includes(char)) this.#fail("in string escape code");
    this.#at++;
    if (char !== "u") return ESCAPES[char] ?? char;
    for (let i = 0; i < 4; i++) {
      if (!/[0-9a-fA-F]/.test(this.#peek())) this.#fail("in \\u hexadecimal character escape");
      this.#at++;
    }
    return String.fromCharCode(parseInt(this.#text.slice(this.#at - 4, this.#at), 16));
  }

  #number(): GoNumber {
    const start = this.#at;
    if (this.#peek() === "-") this.#at++;
    if (!isDigit(this.#peek())) this.#fail("in numeric literal");
    if (this.#peek() === "0") this.#at++;
    else this.#digits();
    if (this.#text[this.#at] === ".") {
      this.#at++;
      if (!isDigit(this.#peek())) this.#fail("after decimal point in numeric literal");
      this.#digits();
    }
    if (this.#text[this.#at] === "e" || this.#text[this.#at] === "E") {
      this.#at++;
      if ("+-".includes(this.#peek())) this.#at++;
      if (!isDigit(this.#peek())) this.#fail("in exponent of numeric literal");
      this.#digits();
    }
    return new GoNumber(this.#text.slice(start, this.#at));
  }

  #digits(): void {
    while (isDigit(this.#text[this.#at] ?? "")) this.#at++;
  }

  #literal<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++) {
      if (this.#peek() !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
      this.#at++;
    }
    return value;
  }

  #space(): void {
    while (" \t\r\n".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  /** The next character. */
  #peek(): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw new GoJsonError("unexpected EOF");
    return char;
  }

  #fail(context: string): never {
    this.#peek();
    throw new GoJsonError(`invalid character ${quoted(this.#text, this.#at)} ${context}`);
  }
}

/** The character at an offset as Go tells it: of one that takes several bytes, the first. */
function quoted(text: string, at: number): string {
  const [byte = 0] = new TextEncoder().encode(String.fromCodePoint(text.codePointAt(at)!));
  const char = String.fromCharCode(byte);
  const names: Record<string, string> = {
    "\x07": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "'": "\\'",
    "\\": "\\\\",
  };
  const code = byte < 0x20 || byte === 0x7f ? `\\x${byte.toString(16).padStart(2, "0")}` : char;
  return `'${names[char] ?? code}'`;
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9" && char.length === 1;
}
