/**
 * A network of its own for a lesson that needs a link it can spoil, or addresses that the
 * machine does not have: a network namespace of Linux, which is gone when the lesson is. Nobody
 * else can reach it, nor be reached from it.
 *
 * @module
 */

import type { Io, Main } from "../_cli.ts";
import { parseFlags } from "../_flags.ts";
import { need } from "../_permissions.ts";
import { grants, isOptional, permissions } from "./_lesson.ts";
import { flags } from "./_scenario.ts";

/** Where a lesson is. */
export type Network =
  | { readonly own: true }
  | {
    readonly own: false;
    /** Why it could not have one of its own. */
    readonly why: string;
  };

/** Tells the script that it has been started a second time. */
const INSIDE = "--in-its-own-network";

/** Ways to get one: for who is root, and for others where the system lets them. */
const WAYS: readonly (readonly string[])[] = [["--net"], ["--map-root-user", "--net"]];

/**
 * Makes a script of a lesson that is started again in a network of its own, which `setup`, lines
 * for `sh`, prepares; where that cannot be, `lesson` is told why. Needs `--allow-run=unshare`.
 */
export function inOwnNetwork(
  script: ImportMeta,
  setup: string,
  lesson: (network: Network) => Main,
): Main {
  return async (args, io) => {
    if (args[0] === INSIDE) return await lesson({ own: true })(args.slice(1), io);
    // It would have what it needs when it is started again, given or not.
    const { default: source } = await import(script.url, { with: { type: "text" } });
    for (const grant of grants(source)) if (!isOptional(grant)) need(grant);
    const { svg, pcapng } = parseFlags(args, flags);
    const files = [svg, pcapng].filter((file) => file !== "");
    for (const to of files) need({ kind: "write", to });
    const way = await wayIn(setup, io.interrupted);
    if (typeof way === "string") return await lesson({ own: false, why: way })(args, io);
    // Deno takes a comma for the end of a path, and two of them for one.
    const writes = files.map((file) => `--allow-write=${file.replaceAll(",", ",,")}`);
    const allowed = ["run", "--no-prompt", ...given(source), ...writes];
    const again = [Deno.execPath(), ...allowed, script.url, INSIDE, ...args];
    return await perform([...way, ...shell(setup), ...again], io);
  };
}

/** The flags on a lesson's first line, without the programs that it was not given leave to run. */
function given(source: string): string[] {
  const programs = grants(source).flatMap(({ kind, to = "" }) => kind === "run" ? [to] : []);
  const others = permissions(source).filter((flag) => !flag.startsWith("--allow-run="));
  return [...others, `--allow-run=${programs.filter(mayRun).join(",")}`];
}

function mayRun(command: string): boolean {
  return Deno.permissions.querySync({ name: "run", command }).state === "granted";
}

/** The first way that works, or why none does. */
async function wayIn(setup: string, signal: AbortSignal): Promise<readonly string[] | string> {
  if (Deno.build.os !== "linux") return `${Deno.build.os} has no network namespaces`;
  if (!mayRun("unshare")) return "unshare is missing, or --allow-run=unshare";
  let why = "";
  for (const way of WAYS) {
    const command = new Deno.Command("unshare", {
      args: [...way, ...shell(setup), "true"],
      stdin: "null",
      signal,
    });
    const { success, stderr } = await command.output();
    signal.throwIfAborted();
    if (success) return way;
    const complaint = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
    why ||= `no network of its own: ${complaint}`;
  }
  return why;
}

/** Prepares the network, and becomes the program whose arguments follow. */
function shell(setup: string): string[] {
  return ["sh", "-c", `set -e\n${setup}\nexec "$@"`, "sh"];
}

/** Runs it with our terminal for its own; resolves with its exit code. */
async function perform(args: readonly string[], io: Io): Promise<number> {
  const child = new Deno.Command("unshare", { args: [...args], stdin: "null" }).spawn();
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
  };
  io.interrupted.addEventListener("abort", end, { once: true });
  if (io.interrupted.aborted) end();
  const { code } = await child.status;
  io.interrupted.removeEventListener("abort", end);
  return code;
}
