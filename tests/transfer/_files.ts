/** Folders and files for the tests of transfers. */

import { dice } from "../../lib/world.ts";

/** What every test with files needs. */
export const FILES = { read: true, write: true } as const;

/** A folder that is gone at the end of the scope. */
export class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await Deno.makeTempDir({ prefix: "tcplab-" }));
  }

  /** The path of a file in it. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Writes a file and returns its path. */
  async write(name: string, bytes: Uint8Array, mode = 0o644): Promise<string> {
    await Deno.writeFile(this.at(name), bytes, { mode });
    return this.at(name);
  }

  /** What is in it, by name, in order. */
  async names(): Promise<string[]> {
    return (await Array.fromAsync(Deno.readDir(this.path), ({ name }) => name)).sort();
  }

  read(name: string): Promise<Uint8Array> {
    return Deno.readFile(this.at(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** The same bytes for the same seed, and others for another. */
export function bytesOf(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const random = dice(seed);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = random() * 256;
  return bytes;
}
