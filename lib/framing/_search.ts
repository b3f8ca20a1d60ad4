/**
 * Where delimiters end, looked for byte by byte, each byte once.
 *
 * Several delimiters compete like this: the one that is complete first ends the frame,
 * and of two that end at the same byte the longer one, which leaves the shorter frame.
 * So the answer never depends on bytes that are still to come: a decoder that waited to
 * see whether CR is followed by LF would hang on a peer who waits for the answer to CR.
 * A delimiter that has another one before its end could thus never match, and is refused.
 *
 * @module
 */

/** Finds delimiters, also those cut in two by the end of a chunk. */
export interface Search {
  /**
   * The index after the first delimiter that ends in `chunk` from `from` on, or -1. The
   * next call goes on where this one ended, be it in this chunk or the next.
   */
  find(chunk: Uint8Array, from: number): number;
  /** How long the delimiter is that was found last. */
  readonly found: number;
  /** How many of the last bytes searched may be the start of a delimiter. */
  readonly partial: number;
  /** Length of the longest delimiter. */
  readonly longest: number;
}

const LF = 10;
const CR = 13;

/** The fastest search there is for these delimiters. */
export function searchFor(delimiters: readonly Uint8Array[]): Search {
  const names = delimiters.map((delimiter) => delimiter.join());
  if (names.length === 1 && delimiters[0]!.length === 1) return new ByteSearch(delimiters[0]![0]!);
  if (names.length === 2 && names.includes("10") && names.includes("13,10")) {
    return new NewlineSearch();
  }
  return new Automaton(delimiters);
}

/** One delimiter of one byte. */
class ByteSearch implements Search {
  readonly found = 1;
  readonly partial = 0;
  readonly longest = 1;
  readonly #byte: number;

  constructor(byte: number) {
    this.#byte = byte;
  }

  find(chunk: Uint8Array, from: number): number {
    return chunk.indexOf(this.#byte, from) + 1 || -1;
  }
}

/** LF and CR LF: a search for LF, and a look at the byte before it. */
export class NewlineSearch implements Search {
  found = 1;
  partial = 0;
  readonly longest = 2;

  find(chunk: Uint8Array, from: number): number {
    const at = chunk.indexOf(LF, from);
    if (at < 0) {
      if (from < chunk.length) this.partial = chunk[chunk.length - 1] === CR ? 1 : 0;
      return -1;
    }
    this.found = 1 + (at > from ? chunk[at - 1] === CR ? 1 : 0 : this.partial);
    this.partial = 0;
    return at + 1;
  }
}

/** The most bytes that all delimiters may have together: half a KiB of table for each. */
const MOST_BYTES = 1024;

/**
 * Any delimiters: the automaton of Aho and Corasick (1975), with its failure links
 * folded into the table, so that each byte costs one look-up, whatever a peer sends.
 */
class Automaton implements Search {
  found = 0;
  readonly longest: number;
  /** The state after byte `b` in state `s` is at `s * 256 + b`; state 0 is the start. */
  readonly #table: Uint16Array;
  /** How long a delimiter ends at a state; 0 if none does. */
  readonly #ends: Uint16Array;
  /** How many bytes of a delimiter a state stands for. */
  readonly #depth: Uint16Array;
  #state = 0;

  constructor(delimiters: readonly Uint8Array[]) {
    const bytes = delimiters.reduce((sum, delimiter) => sum + delimiter.length, 0);
    if (bytes > MOST_BYTES) {
      throw new RangeError(
        `Cannot decode as 'delimiters' must have <= ${MOST_BYTES} bytes: current value is ${bytes}`,
      );
    }
    this.longest = Math.max(...delimiters.map((delimiter) => delimiter.length));
    this.#table = new Uint16Array((bytes + 1) * 256);
    this.#ends = new Uint16Array(bytes + 1);
    this.#depth = new Uint16Array(bytes + 1);
    this.#plant(delimiters);
    this.#link();
    this.#refuseHidden(delimiters);
  }

  get partial(): number {
    return this.#depth[this.#state]!;
  }

  find(chunk: Uint8Array, from: number): number {
    const table = this.#table;
    const ends = this.#ends;
    let state = this.#state;
    for (let i = from; i < chunk.length; i++) {
      state = table[state << 8 | chunk[i]!]!;
      if (ends[state] !== 0) {
        this.found = ends[state]!;
        this.#state = 0;
        return i + 1;
      }
    }
    this.#state = state;
    return -1;
  }

  /** A tree with a branch for each delimiter. */
  #plant(delimiters: readonly Uint8Array[]): void {
    let states = 1;
    for (const delimiter of delimiters) {
      let state = 0;
      for (const [i, byte] of delimiter.entries()) {
        const at = state << 8 | byte;
        if (this.#table[at] === 0) {
          this.#depth[states] = i + 1;
          this.#table[at] = states++;
        }
        state = this.#table[at]!;
      }
      this.#ends[state] = delimiter.length;
    }
  }

  /** Where the tree has no branch, goes on from the longest end of what was read that has one. */
  #link(): void {
    const table = this.#table;
    const fallback = new Uint16Array(this.#ends.length);
    const breadthFirst = [0];
    for (const state of breadthFirst) {
      for (let byte = 0; byte < 256; byte++) {
        const at = state << 8 | byte;
        const elsewhere = state === 0 ? 0 : table[fallback[state]! << 8 | byte]!;
        const child = table[at]!;
        if (child === 0) {
          table[at] = elsewhere;
        } else {
          fallback[child] = elsewhere;
          // The longest delimiter ending here is the state's own, if it has one.
          this.#ends[child] ||= this.#ends[elsewhere]!;
          breadthFirst.push(child);
        }
      }
    }
  }

  #refuseHidden(delimiters: readonly Uint8Array[]): void {
    for (const delimiter of delimiters) {
      const end = this.find(delimiter, 0);
      if (end < delimiter.length) {
        throw new TypeError(
          `Cannot decode as no delimiter may have another one before its end: current value is [${delimiter}]`,
        );
      }
    }
  }
}
