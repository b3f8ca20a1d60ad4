/**
 * What every script shares: how it is started, what it may touch, how it ends. This is
 * the only file that reads the command line, prints or exits.
 *
 * Exit codes: 0, it worked; 1, it did not, and one line on standard error says why
 * (a missing permission as well); 2, the command line is wrong; 130 or 143, Ctrl-C or
 * SIGTERM ended it before it was done; 141, whoever read its output went away.
 *
 * @module
 */

import { configureSync, getAnsiColorFormatter, getLogger } from "@logtape/logtape";
import { getTextFormatter, type TextFormatterOptions } from "@logtape/logtape";
import { explain, explainLine } from "../lib/errors.ts";
import type { Reader } from "../lib/stream/conn.ts";
import { beforeDashes, UsageError } from "./_flags.ts";
import { help, VERSION } from "./_help.ts";
import { MissingPermissionError } from "./_permissions.ts";
import { InterruptedError, interruption } from "./_signals.ts";

/**
 * Where a script tells what happens: one line for each call, with the `facts` that stand
 * in braces in the message.
 */
export type Log = Record<
  "info" | "warn" | "error",
  (message: string, facts?: Record<string, unknown>) => void
>;

/** What a script may touch of its surroundings; a test hands it another one. */
export interface Io {
  /** Standard input. */
  readonly stdin: Reader & {
    /** Whether a person types it. */
    isTerminal(): boolean;
    /** Whether keys come as they are pressed, without being shown; a terminal can do that. */
    setRaw?(raw: boolean, options?: { cbreak: boolean }): void;
  };
  /**
   * Writes all of `data` to standard output.
   *
   * @throws {OutputClosedError} If nobody reads it any more.
   */
  print(data: string | Uint8Array): Promise<void>;
  /** Tells what happens, on standard error. */
  readonly log: Log;
  /** Whether standard output may be coloured. */
  readonly color: boolean;
  /** The columns of the terminal that standard output is; missing if it is none. */
  readonly columns?: number;
  /** Its rows. */
  readonly rows?: number;
  /** Aborts at the first Ctrl-C or SIGTERM, with an {@linkcode InterruptedError}. */
  readonly interrupted: AbortSignal;
}

/** A script: resolves with its exit code, or with nothing if that is 0. */
export type Main = (args: string[], io: Io) => Promise<number | void>;

/** It did not work; the message is the one line that says why. */
export class FailureError extends Error {
  override readonly name = "FailureError";
}

/** Whoever read the standard output went away, as `head` does when it has seen enough. */
export class OutputClosedError extends Error {
  override readonly name = "OutputClosedError";
}

/** Runs a script and ends the process: `if (import.meta.main) await run(main, import.meta)`. */
export async function run(main: Main, script: ImportMeta): Promise<never> {
  const name = new URL(script.url).pathname.replace(/^.*\/|\.[^.]+$/g, "");
  const io = surroundings(name);
  try {
    Deno.exit(await asked(script, io) ?? await main(Deno.args, io) ?? 0);
  } catch (error) {
    Deno.exit(conclude(error, name));
  }
}

/** Answers `--help` and `--version`, whatever else is there; otherwise nothing. */
async function asked(script: ImportMeta, { print }: Io): Promise<number | undefined> {
  const flags = beforeDashes(Deno.args);
  const wants = (...names: string[]) => flags.some((flag) => names.includes(flag));
  if (wants("--help", "-h")) await print(`${await help(script)}\n`);
  else if (wants("--version")) await print(`${VERSION}\n`);
  else return undefined;
  return 0;
}

/** Says why a script failed, and returns the exit code. */
function conclude(error: unknown, name: string): number {
  if (error instanceof InterruptedError) return error.exitCode;
  if (error instanceof OutputClosedError) return 141; // 128 + SIGPIPE, as a shell has it
  complain(`${name}: ${reason(error)}`);
  return error instanceof UsageError ? 2 : 1;
}

/** One line for what can happen to a program; a mistake in it keeps its stack. */
function reason(error: unknown): string {
  const told = [FailureError, MissingPermissionError, UsageError];
  if (told.some((kind) => error instanceof kind)) return (error as Error).message;
  const { whose } = explain(error);
  return whose === "ours" || whose === "unknown" ? Deno.inspect(error) : explainLine(error);
}

function surroundings(name: string): Io {
  return {
    stdin: Deno.stdin,
    print,
    log: logger(name),
    color: colorful(Deno.stdout),
    ...Deno.stdout.isTerminal() && size(),
    interrupted: interruption(Deno.exit),
  };
}

/** A terminal that does not know its size says 0. */
function size(): { columns: number; rows: number } {
  const { columns, rows } = Deno.consoleSize();
  return { columns: columns || 80, rows: rows || 24 };
}

async function print(data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  try {
    for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosedError();
    throw error;
  }
}

/** Not on a pipe or in a file, and not with NO_COLOR: https://no-color.org */
function colorful(output: { isTerminal(): boolean }): boolean {
  return output.isTerminal() && !Deno.noColor;
}

function logger(name: string): Log {
  const options: TextFormatterOptions = {
    timestamp: "time",
    timeZone: null,
    // What a peer sent must not steer the terminal: bare values have their controls escaped.
    value: "bare",
    format: ({ timestamp, level, message }) => `${timestamp} ${level} ${message}`,
    level: "abbr",
  };
  const format = colorful(Deno.stderr) ? getAnsiColorFormatter(options) : getTextFormatter(options);
  configureSync({
    reset: true,
    // Written at once, so that the last words are out before the process ends.
    sinks: { stderr: (record) => complain(format(record).trimEnd()) },
    loggers: [
      { category: "tcplab", lowestLevel: "info", sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  return getLogger(["tcplab", name]);
}

/** One line on standard error; if nobody reads that, there is nobody to tell. */
function complain(line: string): void {
  let rest = new TextEncoder().encode(`${line}\n`);
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch {
    // See above.
  }
}
