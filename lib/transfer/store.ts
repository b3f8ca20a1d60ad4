/**
 * Where received files go: a folder that no name leads out of, or one file.
 *
 * A file that is not whole has another name, `.NAME.part`, and gets its own only once it
 * is verified and on the disk. A part is kept when a transfer breaks: it is what the
 * next one, of the same name, may go on from.
 *
 * @module
 */

import { TransferError } from "./error.ts";
import { type Incoming, openIncoming } from "./incoming.ts";
import { checkName, quote, splitPath } from "./name.ts";

/** What a sender says about a file before it comes. */
export interface Wish {
  /** Its name, as the sender gave it; it may be anything. */
  readonly name?: string | undefined;
  /** How many bytes it will have, if that is known. */
  readonly size?: number | undefined;
  /** Its nine permission bits, if they are known; our umask(2) may take some away. */
  readonly mode?: number | undefined;
}

/** A place for files. */
export interface Store {
  /**
   * Makes room for one file; until that is disposed, no other of that name gets in.
   *
   * @throws {TransferError} If it may not be stored; nothing was changed then.
   */
  open(wish: Wish): Promise<Incoming>;
}

/** Options for {@linkcode folderStore} and {@linkcode fileStore}. */
export interface StoreOptions {
  /**
   * Whether a file that has that name already is replaced, in one step, once the new one
   * is whole. Otherwise such a transfer is refused, unless it is that very file. What is
   * no file, such as a folder or a link, always stays.
   *
   * @default {false}
   */
  overwrite?: boolean;
}

/** Stores files in `folder`, each under the name its sender gave, if {@linkcode checkName} likes it. */
export function folderStore(folder: string, options: StoreOptions = {}): Store {
  return {
    async open({ name, ...wish }) {
      if (name === undefined) throw nameless();
      return await openIncoming({ folder, name: checkName(name), ...wish, ...options });
    },
  };
}

/**
 * Stores what comes at `path`, whatever name its sender gave.
 *
 * @throws {TypeError} If the path ends in no name.
 */
export function fileStore(path: string, options: StoreOptions = {}): Store {
  const [folder, name] = splitPath(path);
  if (["", ".", ".."].includes(name)) {
    throw new TypeError(`Cannot store a file as its path must end in a name: got ${quote(path)}`);
  }
  return {
    open: ({ size, mode }) => openIncoming({ folder, name, size, mode, ...options }),
  };
}

function nameless(): TransferError {
  return new TransferError(
    "name",
    "Cannot take a file as it must come with a name, which only an extended sender gives",
  );
}
