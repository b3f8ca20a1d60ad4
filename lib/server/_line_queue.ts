/**
 * Lines that wait for one reader: whole ones, in order, and never more bytes than a limit.
 *
 * @module
 */

/** Lines are joined for a write up to this size, and half the limit: what is taken stays. */
const LARGEST_BATCH = 16 * 1024;

const UTF8 = new TextEncoder();

/** First in, first out; when it is full, lines get lost, and their place is marked. */
export class LineQueue {
  readonly #limit: number;
  readonly #batch: number;
  readonly #lose: "oldest" | "newest";
  /** Those before `#first` are taken. */
  #lines: Uint8Array[] = [];
  #first = 0;
  /** Bytes that wait, and bytes taken that are not yet {@linkcode done}. */
  #waiting = 0;
  #taken = 0;
  #lost = 0;

  /** Holds at most `limit` bytes; if more come, it loses the oldest, or what came. */
  constructor(limit: number, lose: "oldest" | "newest") {
    this.#limit = limit;
    this.#batch = Math.min(limit / 2, LARGEST_BATCH);
    this.#lose = lose;
  }

  /** Bytes in it, those taken and not done included. */
  get held(): number {
    return this.#waiting + this.#taken;
  }

  /** Adds a line with its newline; `false` if that one was lost. */
  push(line: Uint8Array): boolean {
    while (this.#lose === "oldest" && this.#waiting > 0 && !this.#fits(line)) {
      this.#shift();
      this.#lost++;
    }
    // One gap behind what is kept, rather than a line here and there.
    const gap = this.#lose === "newest" && this.#lost > 0;
    if (gap || !this.#fits(line)) {
      this.#lost++;
      return false;
    }
    this.#lines.push(line);
    this.#waiting += line.length;
    return true;
  }

  /** Adds a short line that must not be lost, even beyond the limit. */
  force(line: Uint8Array): void {
    const gap = this.#lose === "newest" ? this.#gap() : [];
    for (const forced of [...gap, line]) {
      this.#lines.push(forced);
      this.#waiting += forced.length;
    }
  }

  /** Takes lines for a write, with a word where some were lost; nothing if there are none. */
  take(): Uint8Array | undefined {
    const lines: Uint8Array[] = [];
    if (this.#lose === "oldest") lines.push(...this.#gap());
    for (let next; (next = this.#lines[this.#first]) !== undefined;) {
      if (this.#taken > 0 && this.#taken + next.length > this.#batch) break;
      lines.push(this.#shift());
      this.#taken += next.length;
    }
    if (this.#waiting === 0) lines.push(...this.#gap());
    return lines.length === 0 ? undefined : joined(lines);
  }

  /** What was taken is written. */
  done(): void {
    this.#taken = 0;
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#lines = [];
    this.#first = this.#waiting = this.#lost = 0;
  }

  #fits(line: Uint8Array): boolean {
    return this.held + line.length <= this.#limit;
  }

  #shift(): Uint8Array {
    const line = this.#lines[this.#first++]!;
    this.#waiting -= line.length;
    if (this.#first * 2 > this.#lines.length) {
      this.#lines.splice(0, this.#first);
      this.#first = 0;
    }
    return line;
  }

  #gap(): Uint8Array[] {
    const lost = this.#lost;
    this.#lost = 0;
    if (lost === 0) return [];
    return [UTF8.encode(`… ${lost} ${lost === 1 ? "line was" : "lines were"} dropped\n`)];
  }
}

function joined(lines: readonly Uint8Array[]): Uint8Array {
  if (lines.length === 1) return lines[0]!;
  const bytes = new Uint8Array(lines.reduce((sum, line) => sum + line.length, 0));
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length;
  }
  return bytes;
}
