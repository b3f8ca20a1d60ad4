/**
 * JSON as toxiproxy's server reads it, which is Go's `encoding/json`: the first value counts and
 * what follows it is ignored; names of fields match in either case; unknown fields are ignored;
 * `null` leaves a field as it is; and what is wrong is said in its words, which clients show.
 */

/** What a field takes: Go's name for it, and what that accepts. */
export type GoType = "string" | "bool" | "int64" | "int" | "float32" | "float64";

/** The text is not JSON, or not of the shape. The message is Go's. */
export class GoJsonError extends Error {
  override readonly name = "GoJsonError";
}

/** Reads the first value of `text`. */
export function decodeFirst(text: string): unknown {
  const scanner = new Scanner(text);
  const end = scanner.scan();
  return JSON.parse(text.slice(0, end));
}

/**
 * The fields of an object, by their names in `types`. `struct` is Go's name for the type, `path`
 * what leads to it. Fields that are missing or null are not in the result.
 */
export function fieldsOf<Names extends string>(
  value: unknown,
  struct: { name: string; package: string },
  types: Readonly<Record<Names, GoType | "any">>,
  path = "",
): Partial<Record<Names, unknown>> {
  const fields: Partial<Record<Names, unknown>> = {};
  if (value === null) return fields;
  if (typeof value !== "object" || Array.isArray(value)) {
    const what = kindOf(value);
    throw new GoJsonError(
      path === ""
        ? `json: cannot unmarshal ${what} into Go value of type ${struct.package}.${struct.name}`
        : `json: cannot unmarshal ${what} into Go struct field ${path} of type ${struct.package}.${struct.name}`,
    );
  }
  for (const [key, given] of Object.entries(value)) {
    const names = Object.keys(types) as Names[];
    const name = names.find((name) => name === key) ??
      names.find((name) => name.toLowerCase() === key.toLowerCase());
    if (name === undefined || given === null) continue;
    const type = types[name];
    if (type !== "any" && !fits(given, type)) {
      const where = path === "" ? name : `${path.slice(path.indexOf(".") + 1)}.${name}`;
      const what = typeof given === "number" ? `number ${given}` : kindOf(given);
      const told = typeof given === "number" && (type === "string" || type === "bool")
        ? "number"
        : what;
      throw new GoJsonError(
        `json: cannot unmarshal ${told} into Go struct field ${struct.name}.${where} of type ${type}`,
      );
    }
    fields[name] = given;
  }
  return fields;
}

/** Go's word for the kind of a JSON value. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : typeof value;
}

function fits(value: unknown, type: GoType): boolean {
  if (type === "string") return typeof value === "string";
  if (type === "bool") return typeof value === "boolean";
  if (typeof value !== "number") return false;
  return type === "float32" || type === "float64" || Number.isSafeInteger(value);
}

/** How deep values may be in each other. Go stops at 10000, where our stack may not be enough. */
const DEEPEST = 1000;

/** Finds the end of the first value, or says what is wrong with it. */
class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): number {
    this.#space();
    if (this.#at === this.#text.length) throw new GoJsonError("EOF");
    this.#value();
    return this.#at;
  }

  #value(): void {
    this.#space();
    const char = this.#peek();
    if (++this.#depth > DEEPEST) throw new GoJsonError("exceeded max depth");
    if (char === "{") this.#object();
    else if (char === "[") this.#array();
    else if (char === '"') this.#string();
    else if (char === "-" || isDigit(char)) this.#number();
    else if (char === "t") this.#literal("true");
    else if (char === "f") this.#literal("false");
    else if (char === "n") this.#literal("null");
    else this.#fail("looking for beginning of value");
    this.#depth--;
  }

  #object(): void {
    this.#at++;
    this.#space();
    if (this.#peek() === "}") {
      this.#at++;
      return;
    }
    while (true) {
      this.#space();
      if (this.#peek() !== '"') this.#fail("looking for beginning of object key string");
      this.#string();
      this.#space();
      if (this.#peek() !== ":") this.#fail("after object key");
      this.#at++;
      this.#value();
      this.#space();
      const char = this.#peek();
      if (char !== "," && char !== "}") this.#fail("after object key:value pair");
      this.#at++;
      if (char === "}") return;
    }
  }

  #array(): void {
    this.#at++;
    this.#space();
    if (this.#peek() === "]") {
      this.#at++;
      return;
    }
    while (true) {
      this.#value();
      this.#space();
      const char = this.#peek();
      if (char !== "," && char !== "]") this.#fail("after array element");
      this.#at++;
      if (char === "]") return;
    }
  }

  #string(): void {
    this.#at++;
    while (true) {
      const char = this.#peek();
      if (char < " ") this.#fail("in string literal");
      this.#at++;
      if (char === '"') return;
      if (char !== "\\") continue;
      const escaped = this.#peek();
      if (!'bfnrt\\/"u'.includes(escaped)) this.#fail("in string escape code");
      this.#at++;
      if (escaped !== "u") continue;
      for (let i = 0; i < 4; i++) {
        if (!/[0-9a-fA-F]/.test(this.#peek())) this.#fail("in \\u hexadecimal character escape");
        this.#at++;
      }
    }
  }

  #number(): void {
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
  }

  #digits(): void {
    while (isDigit(this.#text[this.#at] ?? "")) this.#at++;
  }

  #literal(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#peek() !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
      this.#at++;
    }
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
    const char = this.#peek();
    const code = char.charCodeAt(0);
    const hex = code.toString(16).padStart(2, "0");
    const names: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'" };
    const quoted = names[char] ?? (char === '"' ? '"' : char < " " ? `\\x${hex}` : char);
    throw new GoJsonError(`invalid character '${quoted}' ${context}`);
  }
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9" && char.length === 1;
}
