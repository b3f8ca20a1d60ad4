/**
 * A file under its temporary name: locked, appended to, and in the end published.
 *
 * @module
 */

import { TransferError } from "./error.ts";
import { quote, splitPath } from "./name.ts";

/** What a file keeps of what its sender said about it. */
export interface FileTraits {
  /** Its permission bits; `undefined` leaves them as they are. */
  readonly mode?: number | undefined;
  /** When it changed last, in milliseconds since 1970; `undefined` and 0 mean now. */
  readonly mtime?: number | undefined;
}

/** A file that is not whole yet. Nobody else writes it, and it never bears its final name. */
export class Part implements AsyncDisposable {
  /** How many bytes it has. */
  size: number;
  readonly #path: string;
  readonly #file: Deno.FsFile;
  /** Whether the name is still that of this file. */
  #named = true;

  private constructor(path: string, file: Deno.FsFile, size: number) {
    this.#path = path;
    this.#file = file;
    this.size = size;
  }

  /**
   * Opens the part at `path`, or makes it with these permission bits, less those that
   * umask(2) takes away.
   *
   * @throws {TransferError} With the fault `"busy"` if somebody else has it open,
   * `"denied"` if something else than a file is there, also a link to one.
   */
  static async open(path: string, mode = 0o666): Promise<Part> {
    const file = await openFile(path, mode);
    try {
      if (!await file.tryLock(true)) throw busy(path);
      const info = await file.stat();
      if (info.nlink !== null && info.nlink > 1) {
        // The other name may be that of a finished file: see publish().
        await Deno.remove(path);
        file.close();
        return await Part.open(path, mode);
      }
      if (!await leadsTo(path, info)) throw busy(path);
      return new Part(path, file, info.size);
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** Reads on, from the first byte at first. */
  read(p: Uint8Array): Promise<number | null> {
    return this.#file.read(p);
  }

  /** Drops all but the first `size` bytes; the next write follows them. */
  async cut(size: number): Promise<void> {
    await this.#file.truncate(size);
    await this.#file.seek(size, Deno.SeekMode.Start);
    this.size = size;
  }

  /** Appends all of `bytes`. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const n = await this.#file.write(bytes.subarray(done));
      done += n;
      this.size += n;
    }
  }

  /**
   * Makes it the file at `path`, in one step, once it is on the disk.
   *
   * @throws {Deno.errors.AlreadyExists} If a file is there, and `overwrite` is not set.
   * @throws {TransferError} If the part was moved or removed: what bears its name now is not
   * what came.
   */
  async publish(path: string, traits: FileTraits, overwrite: boolean): Promise<void> {
    const { mode, mtime } = traits;
    const info = await this.#file.stat();
    if (!await leadsTo(this.#path, info)) throw this.#lost();
    const { mode: made } = info;
    // Less than the sender said where umask(2) had it so when the part was made.
    if (mode !== undefined && made !== null) await Deno.chmod(this.#path, made & mode & 0o777);
    if (mtime) await this.#file.utime(mtime / 1000, mtime / 1000);
    await this.#file.sync();
    if (overwrite) await Deno.rename(this.#path, path);
    else await renameUnlessThere(this.#path, path);
    this.#named = false;
    await syncFolder(path);
  }

  #lost(): TransferError {
    this.#named = false;
    this.size = 0; // none that anybody could go on from
    const name = quote(splitPath(this.#path)[1]);
    return new TransferError("storage", `Cannot store ${name} as somebody has moved it meanwhile`);
  }

  /** Lets go of it. It stays for another time, unless it is empty. */
  async [Symbol.asyncDispose](): Promise<void> {
    // While it is still locked, lest it be somebody else's by now.
    if (this.size === 0 && this.#named) await Deno.remove(this.#path).catch(() => {});
    this.#file[Symbol.dispose]();
  }
}

/** Opens what is at `path`, if it is a file, or makes one; follows no link. */
async function openFile(path: string, mode: number): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, {
      read: true,
      write: true,
      createNew: true,
      mode: mode & 0o777 | 0o600,
    });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  if ((await Deno.lstat(path)).isFile) return await Deno.open(path, { read: true, write: true });
  throw new TransferError("denied", `Cannot use ${quote(splitPath(path)[1])} as it must be a file`);
}

/** Whether `path` is the name of that very file, and no link to it: nobody moved it meanwhile. */
async function leadsTo(path: string, { dev, ino }: Deno.FileInfo): Promise<boolean> {
  const there = await statOf(path);
  return there?.dev === dev && there.ino === ino;
}

/** What is at `path`, which may be a link, or `undefined` if there is nothing. */
export async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * rename(2) would replace what is there; link(2) does not. Between the two steps the
 * file has both names, and so it stays if we die there.
 */
async function renameUnlessThere(from: string, to: string): Promise<void> {
  try {
    await Deno.link(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) throw error;
    // A file system without links, such as FAT: what is left is to look, and then to leap.
    if (await statOf(to)) throw new Deno.errors.AlreadyExists(`File exists: ${to}`);
    return await Deno.rename(from, to);
  }
  await Deno.remove(from);
}

/** A new name is only on the disk when its folder is (fsync(2)); not every system can. */
async function syncFolder(path: string): Promise<void> {
  try {
    using folder = await Deno.open(path.replace(/[^/\\]*$/, "."));
    await folder.sync();
  } catch {
    // The file is there; it may be gone after a power failure.
  }
}

function busy(path: string): TransferError {
  return new TransferError(
    "busy",
    `Cannot write ${quote(splitPath(path)[1])} as another transfer does so now`,
  );
}
