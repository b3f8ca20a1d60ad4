/**
 * A scenario as a process of its own, with the permissions on its first line and no
 * others; it is ended when its time is over, or ours is.
 *
 * @module
 */

import type { TraceEvent } from "../lib/observe/events.ts";
import { realWorld } from "../lib/world.ts";
import type { Entry } from "./_catalog.ts";
import { durationText } from "./_flag.ts";

/** Options for {@linkcode trial} and {@linkcode perform}. */
export interface TrialOptions {
  /** How many milliseconds it may take. */
  deadline: number;
  /** Ends it. */
  signal: AbortSignal;
  /**
   * Files that it may write, beside what its first line grants.
   *
   * @default {[]}
   */
  files?: readonly string[];
}

/** How a scenario ended. */
export interface Outcome {
  /** Whether it said so, and ended so. */
  readonly ok: boolean;
  /** Its verdict, or why it has none. */
  readonly text: string;
  /** How many checks it made. */
  readonly checks: number;
  /** How many more it could not make, since something could not be looked at. */
  readonly unseen: number;
  /** How many milliseconds it took, the start of the process included. */
  readonly duration: number;
  /** What speaks against it, line by line. */
  readonly complaints: readonly string[];
}

/** Runs a scenario and judges it by what it says. */
export async function trial(entry: Entry, options: TrialOptions): Promise<Outcome> {
  const started = realWorld.now();
  const child = spawn(entry, ["--json"], "piped");
  const stdout = new Heard(child.stdout);
  const stderr = new Heard(child.stderr);
  const status = await ended(child, options);
  // Of a program that had to be ended, a child may live on that holds the pipes.
  const [said, complained] = await Promise.all([stdout.all(status), stderr.all(status)]);
  const duration = realWorld.now() - started;
  if (status === undefined) {
    options.signal.throwIfAborted();
    const deadline = durationText(options.deadline);
    const text = `${entry.name}: not done within ${deadline}, so it was ended`;
    return { ok: false, text, checks: 0, unseen: 0, duration, complaints: [] };
  }
  return { duration, ...judge(entry.name, status.code, said, complained) };
}

/** Runs a scenario with our terminal for its own; resolves with its exit code. */
export async function perform(
  entry: Entry,
  args: readonly string[],
  options: TrialOptions,
): Promise<number | undefined> {
  const writes = (options.files ?? []).map((file) => `--allow-write=${file}`);
  const status = await ended(spawn(entry, args, "inherit", writes), options);
  if (status === undefined) options.signal.throwIfAborted();
  return status?.code;
}

function spawn(
  entry: Entry,
  args: readonly string[],
  output: "piped" | "inherit",
  grants: readonly string[] = [],
) {
  return new Deno.Command("deno", {
    args: ["run", "--no-prompt", ...entry.flags, ...grants, entry.file.href, ...args],
    stdin: "null",
    stdout: output,
    stderr: output,
    // What goes into our table is plain; what goes to a terminal is the scenario's choice.
    env: output === "piped" ? { NO_COLOR: "1" } : {},
  }).spawn();
}

/** Resolves when the program has ended; without a status if we ended it. */
async function ended(
  child: Deno.ChildProcess,
  { deadline, signal }: TrialOptions,
): Promise<Deno.CommandStatus | undefined> {
  const status = await within(deadline, child.status, signal);
  if (status !== undefined) return status;
  kill(child, "SIGTERM");
  if (await within(PATIENCE, child.status) === undefined) kill(child, "SIGKILL");
  await child.status;
  return undefined;
}

/** How many milliseconds a program has to end by itself once it is asked to. */
const PATIENCE = 2000;

/** What `wanted` resolves with, or nothing if that takes too long or `signal` aborts. */
async function within<T>(
  ms: number,
  wanted: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const done = new AbortController();
  const reasons = signal === undefined ? [done.signal] : [done.signal, signal];
  const late = realWorld.sleep(ms, { signal: AbortSignal.any(reasons) }).catch(() => {});
  try {
    return await Promise.race([wanted, late.then(() => undefined)]);
  } finally {
    done.abort();
  }
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch (error) {
    // It was faster.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Everything that a program says into a pipe. */
class Heard {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #ended: Promise<void>;
  #text = "";

  constructor(pipe: ReadableStream<Uint8Array>) {
    this.#reader = pipe.getReader();
    this.#ended = this.#listen();
  }

  /** All of it; of a program without a status, all so far. */
  async all(status: Deno.CommandStatus | undefined): Promise<string> {
    if (status === undefined) await this.#reader.cancel();
    await this.#ended;
    return this.#text;
  }

  async #listen(): Promise<void> {
    const decoder = new TextDecoder();
    while (true) {
      const { value, done } = await this.#reader.read();
      if (done) return;
      this.#text += decoder.decode(value, { stream: true });
    }
  }
}

function judge(
  name: string,
  code: number,
  said: string,
  complained: string,
): Omit<Outcome, "duration"> {
  const events = lines(said).flatMap(eventOf);
  const verdict = events.find((event) => event.kind === "verdict");
  if (verdict === undefined || verdict.ok !== (code === 0)) {
    const whose = verdict === undefined ? "without a verdict" : "against its own verdict";
    const text = `${name}: ended with exit code ${code}, ${whose}`;
    return { ok: false, text, checks: 0, unseen: 0, complaints: lines(complained) };
  }
  const complaints = events.flatMap((event) => {
    if (event.kind !== "check" || event.ok) return [];
    return [`${event.text}: expected ${event.expected}, got ${event.actual}`];
  });
  const { ok, text, checks, unseen = 0 } = verdict;
  return { ok, text, checks, unseen, complaints };
}

/** A line that is no event is none of ours, and proves nothing. */
function eventOf(line: string): TraceEvent[] {
  try {
    const event = JSON.parse(line);
    return typeof event?.kind === "string" ? [event] : [];
  } catch {
    return [];
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line.trim() !== "");
}
