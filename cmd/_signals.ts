/**
 * How a person ends a script: the first Ctrl-C or SIGTERM asks it to finish, the
 * second ends it at once.
 *
 * @module
 */

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
 * A signal that aborts, with an {@linkcode InterruptedError}, at the first Ctrl-C or
 * SIGTERM. The second one, of either kind, calls `end`.
 */
export function interruption(end: (exitCode: number) => void): AbortSignal {
  const first = new AbortController();
  for (const [signal, exitCode] of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (first.signal.aborted) end(exitCode);
      else first.abort(new InterruptedError(signal, exitCode));
    });
  }
  return first.signal;
}
