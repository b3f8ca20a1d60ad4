/**
 * A folder for lessons about files. It is in /tmp, since a lesson grants itself only what
 * its first line names.
 *
 * @module
 */

/** A folder that is gone when the lesson is. */
export interface Folder extends AsyncDisposable {
  /** The path of a file in it. */
  at(name: string): string;
  /** The names of what is in it, in order. */
  names(): Promise<string[]>;
}

/** Makes a folder. */
export async function temporaryFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir({ dir: "/tmp", prefix: "tcplab-" });
  return {
    at: (name) => `${path}/${name}`,
    names: async () => (await Array.fromAsync(Deno.readDir(path), ({ name }) => name)).sort(),
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Whether the file at `path` holds just these bytes. */
export async function holds(path: string, bytes: Uint8Array): Promise<boolean> {
  const there = await Deno.readFile(path);
  return there.length === bytes.length && there.every((byte, i) => byte === bytes[i]);
}
