/**
 * A file that is read again when the process gets SIGHUP.
 *
 * @module
 */

import { explainLine } from "../lib/errors.ts";
import type { Log } from "./_cli.ts";
import { FailureError } from "./_cli.ts";
import { need } from "./_permissions.ts";

/**
 * Reads and understands a file.
 *
 * @throws {FailureError} If it cannot be read, or makes no sense.
 */
export async function readFile<T>(path: string, parse: (text: string) => T): Promise<T> {
  need({ kind: "read", to: path });
  try {
    return parse(await Deno.readTextFile(path));
  } catch (error) {
    const why = error instanceof TypeError ? error.message : explainLine(error);
    throw new FailureError(`${path}: ${why}`, { cause: error });
  }
}

/** Reads the file again at every SIGHUP, until disposed; one that makes no sense changes nothing. */
export function onHangup(log: Log, reload: () => Promise<void>): Disposable {
  if (Deno.build.os === "windows") return { [Symbol.dispose]() {} };
  let last = Promise.resolve();
  const listener = () => {
    last = last.then(reload).catch((error) => {
      log.error("SIGHUP: nothing is changed: {why}", {
        why: error instanceof FailureError ? error.message : explainLine(error),
      });
    });
  };
  Deno.addSignalListener("SIGHUP", listener);
  return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGHUP", listener) };
}
