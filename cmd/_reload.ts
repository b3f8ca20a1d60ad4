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

/** Does `reload` at every SIGHUP, one after the other, until disposed; if it fails, it says so. */
export function onHangup(log: Log, reload: () => Promise<void>): Hangup {
  let last = Promise.resolve();
  const listener = () => {
    last = last.then(reload).catch((error) => {
      log.error("nothing is changed: {why}", {
        why: error instanceof FailureError ? error.message : explainLine(error),
      });
    });
  };
  const known = Deno.build.os !== "windows";
  if (known) Deno.addSignalListener("SIGHUP", listener);
  return {
    now: listener,
    [Symbol.dispose]: () => known && Deno.removeSignalListener("SIGHUP", listener),
  };
}

/** What {@linkcode onHangup} returns. */
export interface Hangup extends Disposable {
  /** Does it as if there had been a SIGHUP. */
  now(): void;
}
