/**
 * How a person ends a script: the first Ctrl-C or SIGTERM asks it to finish, the
 * second ends it at once.
 *
 * @module
 */

import { realWorld, type World } from "../lib/world.ts";

/** The first signal came: the reason why work was aborted. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
  /** The exit code of a program which that signal ended: 128 and its number. */
  readonly exitCode: number;

  /** Says which signal came. */
  constructor(signal: Deno.Signal, exitCode: number) {
    super(signal);
    this.exitCode = exitCode;
  }
}

/** Windows has no SIGTERM; Ctrl-Break is the nearest to it. */
const SIGNALS: readonly (readonly [Deno.Signal, number])[] = Deno.build.os === "windows"
  ? [["SIGINT", 130], ["SIGBREAK", 149]]
  : [["SIGINT", 130], ["SIGTERM", 143]];

/**
 * For how many milliseconds a signal may echo. One Ctrl-C at a terminal comes up to three
 * times within a few: to us, and to the `deno task` that started us, which passes it on.
 * A guess above that, and below what a person needs to press again.
 */
const ECHO = 200;

/** What {@linkcode interruption} needs of its surroundings. */
export interface InterruptionOptions {
  /** Has `listener` called for each `signal` that comes. */
  listen?: (signal: Deno.Signal, listener: () => void) => void;
  /** The clock. */
  world?: World;
}

/**
 * Makes the write fail that would take a file over its limit (`ulimit -f`, setrlimit(2)), so that
 * it can be told of. By itself SIGXFSZ ends us without a word. Windows has none.
 */
export function outliveFileLimit(): void {
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGXFSZ", () => {});
}

/**
 * A signal that aborts, with an {@linkcode InterruptedError}, at the first Ctrl-C or
 * SIGTERM. The second one, of either kind, calls `end`.
 */
export function interruption(
  end: (exitCode: number) => void,
  options: InterruptionOptions = {},
): AbortSignal {
  const { listen = Deno.addSignalListener, world = realWorld } = options;
  const first = new AbortController();
  let since = 0;
  for (const [signal, exitCode] of SIGNALS) {
    listen(signal, () => {
      if (!first.signal.aborted) {
        since = world.now();
        first.abort(new InterruptedError(signal, exitCode));
      } else if (world.now() - since >= ECHO) end(exitCode);
    });
  }
  return first.signal;
}
