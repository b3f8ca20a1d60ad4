/**
 * A file on its way in: `.NAME.part` until it is whole, NAME from then on.
 *
 * @module
 */

import type { Reader } from "../stream/conn.ts";
import { storageError, TransferError } from "./error.ts";
import { partName, quote } from "./name.ts";
import { type FileTraits, Part, statOf } from "./part.ts";

/**
 * A place for one file. Its first `offered` bytes are there already and can be read;
 * then {@linkcode begin}, write, and {@linkcode finish}. Whatever fails rejects with a
 * {@linkcode TransferError}; disposed without `finish`, it leaves a part or nothing,
 * never a file of that name.
 */
export interface Incoming extends Reader, AsyncDisposable {
  /** Where the file will stand. */
  readonly path: string;
  /** How many bytes are there already: of the part, or of a whole file of the same size. */
  readonly offered: number;
  /** How many bytes of a part a later transfer could go on from. */
  readonly kept: number;
  /** Keeps the first `from` bytes, as many as were offered or none; the next write follows. */
  begin(from: number): Promise<void>;
  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Puts the file in its place, in one step, once it is on the disk. */
  finish(traits: FileTraits): Promise<void>;
  /** Drops what came: it is known to be wrong. */
  discard(): Promise<void>;
}

/** Options for {@linkcode openIncoming}. */
export interface OpenIncomingOptions {
  /** The folder the file comes into. */
  folder: string;
  /** Its name there: one that {@linkcode checkName} likes, or our own. */
  name: string;
  /** How many bytes it will have, if that is known. */
  size?: number | undefined;
  /** The permission bits to make it with; umask(2) may take some away. */
  mode?: number | undefined;
  /**
   * Whether a file of that name may be replaced.
   *
   * @default {false}
   */
  overwrite?: boolean;
}

/**
 * Opens a place for one file.
 *
 * @throws {TransferError} If something else is there, or it is being written now.
 */
export async function openIncoming(options: OpenIncomingOptions): Promise<Incoming> {
  const { folder, name, size, mode, overwrite = false } = options;
  const path = `${folder}/${name}`;
  const deed = `Cannot store ${quote(name)}`;
  try {
    await using opened = new AsyncDisposableStack();
    const there = await statOf(path);
    if (there && !(there.isFile && (overwrite || there.size === size))) throw exists(deed);
    const part = there && !overwrite
      ? undefined
      : opened.use(await Part.open(`${folder}/${partName(name)}`, mode));
    // A finished file of that size may well be the same: then it need not come again.
    const finished = there !== undefined && there.size === size && !part?.size
      ? opened.use(await Deno.open(path))
      : undefined;
    return new Place({ path, deed, size, overwrite, part, finished, opened: opened.move() });
  } catch (error) {
    throw storageError(deed, error);
  }
}

interface PlaceFields {
  path: string;
  /** What fails when something does: the first words of every message. */
  deed: string;
  size: number | undefined;
  overwrite: boolean;
  part: Part | undefined;
  finished: Deno.FsFile | undefined;
  /** Both of them. */
  opened: AsyncDisposable;
}

class Place implements Incoming {
  readonly path: string;
  readonly offered: number;
  readonly #deed: string;
  readonly #overwrite: boolean;
  readonly #opened: AsyncDisposable;
  readonly #part: Part | undefined;
  /** A finished file, as long as it may be the one that is to come. */
  #finished: Deno.FsFile | undefined;

  constructor({ path, deed, size, overwrite, part, finished, opened }: PlaceFields) {
    this.path = path;
    this.#deed = deed;
    this.#overwrite = overwrite;
    this.#part = part;
    this.#finished = finished;
    this.#opened = opened;
    const there = finished ? size : part?.size;
    this.offered = there !== undefined && size !== undefined && there <= size ? there : 0;
  }

  get kept(): number {
    return this.#part?.size ?? 0;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#attempt(() => (this.#finished ?? this.#toWrite()).read(p));
  }

  async begin(from: number): Promise<void> {
    if (this.#finished && from === this.offered) return;
    this.#finished = undefined;
    await this.#attempt(() => this.#toWrite().cut(from));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#attempt(() => this.#toWrite().write(bytes));
  }

  async finish(traits: FileTraits): Promise<void> {
    if (this.#finished) return;
    await this.#attempt(() => this.#toWrite().publish(this.path, traits, this.#overwrite));
  }

  async discard(): Promise<void> {
    if (this.#part) await this.#attempt(() => this.#toWrite().cut(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
  }

  #toWrite(): Part {
    if (this.#part) return this.#part;
    throw exists(this.#deed);
  }

  async #attempt<T>(deed: () => Promise<T>): Promise<T> {
    try {
      return await deed();
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) throw exists(this.#deed);
      throw storageError(this.#deed, error);
    }
  }
}

function exists(deed: string): TransferError {
  return new TransferError("exists", `${deed} as something of that name is there already`);
}
