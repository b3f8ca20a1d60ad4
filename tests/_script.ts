/** Scripts of cmd/ and other programs, started as processes: what a person would see of them. */

import { assertEquals } from "@std/assert";
import { realWorld } from "../lib/world.ts";

/** Options for {@linkcode start}. */
export interface StartOptions {
  /** Instead of the permissions on the script's first line. */
  flags?: readonly string[];
  /** What standard input holds; left open for {@linkcode Started.type} if missing. */
  input?: string | Uint8Array;
}

/** How a program ended, and what it said. */
export interface Ended {
  code: number;
  stdout: Uint8Array<ArrayBuffer>;
  stderr: string;
}

/** Where the repository is. */
export const ROOT = new URL("../", import.meta.url);

/** Starts `cmd/<name>.ts` with just the permissions on its first line, and no prompt. */
export async function start(
  name: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<Started> {
  const { flags = await firstLineFlags(`cmd/${name}.ts`), input } = options;
  const run = ["run", "--quiet", "--no-prompt", ...flags, `cmd/${name}.ts`, ...args];
  return new Started(Deno.execPath(), run, input);
}

/** Starts any program. */
export function startProgram(
  program: string,
  args: readonly string[],
  input?: string | Uint8Array,
): Started {
  return new Started(program, args, input);
}

/** The flags after `deno run` on a script's first line. */
export async function firstLineFlags(file: string): Promise<string[]> {
  const [first = ""] = (await Deno.readTextFile(new URL(file, ROOT))).split("\n");
  const [, flags] = /^#!\/usr\/bin\/env -S deno run((?: --\S+)*)$/.exec(first) ?? [];
  if (flags === undefined) throw new Error(`${file} starts with another line: ${first}`);
  return flags.split(" ").filter((flag) => flag !== "");
}

/** A program that runs. Disposing it ends it at once and waits until it is gone. */
export class Started implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #stdout: Collected;
  readonly #stderr: Collected;

  constructor(program: string, args: readonly string[], input?: string | Uint8Array) {
    this.#child = new Deno.Command(program, {
      args: [...args],
      cwd: ROOT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdout = new Collected(this.#child.stdout);
    this.#stderr = new Collected(this.#child.stderr);
    if (input !== undefined) this.type(input).then(() => this.endInput());
  }

  /** Writes to its standard input. */
  async type(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
    // A program may end before it has read all: that is for the test to notice.
    await this.#stdin.write(bytes).catch(() => {});
  }

  /** Ends its standard input. */
  async endInput(): Promise<void> {
    await this.#stdin.close().catch(() => {});
  }

  /** Waits for something on standard output. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#stdout.match(pattern);
  }

  /** Waits for something on standard error. */
  logged(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#stderr.match(pattern);
  }

  /** The address that a server logs as it begins to listen. */
  async addr(): Promise<Deno.NetAddr> {
    const [, hostname = "", port] = await this.logged(/listening on (\S+):(\d+)/);
    return { transport: "tcp", hostname, port: Number(port) };
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Sends it a signal. */
  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Sends it a signal again and again, as who wants its end at once does. */
  async insist(signal: Deno.Signal): Promise<void> {
    const gone = new AbortController();
    this.#child.status.then(() => gone.abort());
    while (!gone.signal.aborted) {
      try {
        this.kill(signal);
      } catch {
        // It has ended, and its status is about to say so.
      }
      await realWorld.sleep(20, { signal: gone.signal }).catch(() => {});
    }
  }

  /** Waits for its end. */
  async ended(): Promise<Ended> {
    const { code } = await this.#child.status;
    const stdout = await this.#stdout.all();
    const stderr = new TextDecoder().decode(await this.#stderr.all());
    return { code, stdout, stderr };
  }

  /** Waits for an end that must be a good one, and returns what it printed. */
  async output(): Promise<string> {
    const { code, stdout, stderr } = await this.ended();
    assertEquals({ code, stderr: code === 0 ? "" : stderr }, { code: 0, stderr: "" });
    return new TextDecoder().decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.endInput();
    await this.ended();
  }
}

/** All that came out of a pipe so far. */
class Collected {
  readonly #end: Promise<void>;
  #bytes: Uint8Array[] = [];
  #text = "";
  #more = Promise.withResolvers<void>();
  #over = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#end = this.#collect(stream);
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.#bytes.push(chunk);
      this.#text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#over = true;
    this.#wake();
  }

  #wake(): void {
    this.#more.resolve();
    this.#more = Promise.withResolvers();
  }

  async match(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const found = pattern.exec(this.#text);
      if (found) return found;
      if (this.#over) throw new Error(`Never said ${pattern}: ${this.#text}`);
      await this.#more.promise;
    }
  }

  async all(): Promise<Uint8Array<ArrayBuffer>> {
    await this.#end;
    return new Uint8Array(await new Blob(this.#bytes as Uint8Array<ArrayBuffer>[]).arrayBuffer());
  }
}
