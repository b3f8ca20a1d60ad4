/**
 * The file that is sent.
 *
 * @module
 */

import type { Reader } from "../stream/conn.ts";
import { storageError, TransferError } from "./error.ts";
import { quote, splitPath } from "./name.ts";
import type { FileHead } from "./wire.ts";

/** A file to send: what is said about it, and its bytes. */
export interface FileSource extends Reader, Disposable {
  /** Its name, size, mode and age, as they were when it was opened. */
  readonly head: FileHead;
  /** Lets the next read begin at the first byte again. */
  rewind(): Promise<void>;
  /** Whether size and age are still what `head` says. */
  unchanged(): Promise<boolean>;
}

/** Options for {@linkcode openSource}. */
export interface OpenSourceOptions {
  /**
   * The name to send it under.
   *
   * @default {the last part of its path}
   */
  name?: string | undefined;
}

/**
 * Opens the file at `path`. Links are followed; a folder, a pipe and a device have no
 * size, and are refused.
 *
 * @throws {TransferError} If it cannot be read, or is no file.
 */
export async function openSource(
  path: string,
  options: OpenSourceOptions = {},
): Promise<FileSource> {
  const { name = splitPath(path)[1] } = options;
  const deed = `Cannot send ${quote(path)}`;
  try {
    // First, since opening a pipe would wait for whoever fills it.
    if (!(await Deno.stat(path)).isFile) {
      throw new TransferError("storage", `${deed} as it must be a file`);
    }
    const file = await Deno.open(path);
    return new OpenFile(file, headOf(name, await file.stat()), deed);
  } catch (error) {
    throw storageError(deed, error);
  }
}

class OpenFile implements FileSource {
  readonly head: FileHead;
  readonly #file: Deno.FsFile;
  readonly #deed: string;

  constructor(file: Deno.FsFile, head: FileHead, deed: string) {
    this.#file = file;
    this.head = head;
    this.#deed = deed;
  }

  async read(p: Uint8Array): Promise<number | null> {
    try {
      return await this.#file.read(p);
    } catch (error) {
      throw storageError(this.#deed, error);
    }
  }

  async rewind(): Promise<void> {
    await this.#file.seek(0, Deno.SeekMode.Start);
  }

  async unchanged(): Promise<boolean> {
    const { size, mtime } = headOf("", await this.#file.stat());
    return size === this.head.size && mtime === this.head.mtime;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function headOf(name: string, info: Deno.FileInfo): FileHead {
  return {
    name,
    size: info.size,
    // Windows has no permission bits: what everybody may read is the usual.
    mode: (info.mode ?? 0o644) & 0o777,
    mtime: Math.max(0, info.mtime?.getTime() ?? 0),
  };
}
