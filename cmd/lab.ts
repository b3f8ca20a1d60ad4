#!/usr/bin/env -S deno run --allow-run=deno --allow-read=cmd/scenarios
/**
 * Runs the scenarios: lessons about TCP that make it happen on loopback and prove it.
 *
 * Each runs as a process of its own, with just the permissions on its first line, in the
 * order of the chapter; a table says how they ended. One alone draws its pictures, and may
 * write the file that it is told to, and no other.
 *
 *     deno task lab                       all of them
 *     deno task lab half_close            one, with its ladder
 *     deno task lab half_close --json     ... as JSON, one event on each line
 *     deno task lab half_close --svg FILE ... and its pictures for a page
 *     deno task lab --list                which there are
 *
 * Flags:
 *
 *     --list               name the scenarios, and run none
 *     --json               of one scenario: what happens, as JSON
 *     --quiet              the verdict only
 *     --mermaid            of one scenario: its pictures as a Mermaid sequence diagram
 *     --svg FILE           of one scenario: write its pictures as SVG as well
 *     --pcapng FILE        of one scenario: write its packets for Wireshark as well
 *     --deadline TIME      end a scenario that takes longer; 60s
 *     --help, --version
 *
 * Ctrl-C ends the scenario that runs, and the lab.
 *
 * Exit codes: 0, all held; 1, one did not; 2, wrong command line; 130 or 143, ended.
 *
 * @module
 */

import { catalog, type Entry } from "./_catalog.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { duration, durationText, path, text, toggle } from "./_flag.ts";
import { distance, parseFlags, UsageError, type Values } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { Table } from "./_table.ts";
import { type Outcome, perform, trial, type TrialOptions } from "./_trial.ts";
import { mark } from "./scenarios/_voice.ts";

/** What the command line may say. */
export const flags = {
  list: toggle(),
  json: toggle(),
  quiet: toggle(),
  mermaid: toggle(),
  svg: path(""),
  pcapng: path(""),
  deadline: duration({ min: 1, fallback: 60_000 }),
};

/** Where the scenarios are. */
const FOLDER = new URL("scenarios/", import.meta.url);

/** Lists the scenarios, runs one, or runs all. */
export function main(args: string[], io: Io): Promise<number> {
  return lab(FOLDER, args, io);
}

/** The same, for the scenarios of any folder. */
export async function lab(folder: URL, args: string[], io: Io): Promise<number> {
  const given = parseFlags(args, flags, { SCENARIO: text("") });
  const { SCENARIO: wanted, list, quiet, deadline } = given;
  const own = ownArgs(given);
  if (own.length > 0 && wanted === "") {
    throw new UsageError(`${own[0]} needs a scenario: --list names them`);
  }
  need({ kind: "read", to: folder.pathname });
  const entries = await catalog(folder);
  if (entries.length === 0) throw new FailureError(`there is no scenario in ${folder.pathname}`);
  if (list) {
    const table = new Table(entries, io);
    for (const entry of entries) await table.list(entry);
    return 0;
  }
  need({ kind: "run", to: "deno" });
  const options = { deadline, signal: io.interrupted };
  if (wanted === "") return await runAll(entries, quiet, io, options);
  const flagged = [...own, ...quiet ? ["--quiet"] : []];
  const files = [given.svg, given.pcapng].filter((file) => file !== "");
  return await runOne(find(wanted, entries), flagged, { ...options, files });
}

/** What only one scenario can be asked for, handed on as it was given. */
function ownArgs({ json, mermaid, svg, pcapng }: Values<typeof flags>): string[] {
  for (const [flag, file] of Object.entries({ svg, pcapng })) {
    // Deno reads a list there, and has no way to write a comma.
    if (file.includes(",")) throw new UsageError(`--${flag} must be a path without a comma`);
  }
  return [
    ...json ? ["--json"] : [],
    ...mermaid ? ["--mermaid"] : [],
    ...svg === "" ? [] : [`--svg=${svg}`],
    ...pcapng === "" ? [] : [`--pcapng=${pcapng}`],
  ];
}

async function runAll(
  entries: readonly Entry[],
  quiet: boolean,
  io: Io,
  options: TrialOptions,
): Promise<number> {
  const table = new Table(entries, io);
  const failed: string[] = [];
  let unseen = 0;
  for (const entry of entries) {
    if (!quiet) await table.running(entry);
    const outcome = entry.problem === undefined ? await trial(entry, options) : refused(entry);
    if (!quiet) await table.ended(entry, outcome);
    if (!outcome.ok) failed.push(entry.name);
    unseen += outcome.unseen;
  }
  const verdict = failed.length === 0
    ? `all ${entries.length} scenarios held`
    : `${failed.length} of ${entries.length} scenarios did not hold: ${failed.join(", ")}`;
  const blind = unseen === 0 ? "" : `; ${unseen} claim${unseen === 1 ? "" : "s"} could not be seen`;
  await io.print(`${quiet ? "" : "\n"}${mark(failed.length === 0, io.color)} ${verdict}${blind}\n`);
  return failed.length === 0 ? 0 : 1;
}

async function runOne(entry: Entry, args: string[], options: TrialOptions): Promise<number> {
  if (entry.problem !== undefined) throw new FailureError(`${entry.name}: ${entry.problem}`);
  const code = await perform(entry, args, options);
  if (code !== undefined) return code;
  const deadline = durationText(options.deadline);
  throw new FailureError(`${entry.name}: not done within ${deadline}, so it was ended`);
}

/** The outcome of a scenario that cannot be run. */
function refused({ name, problem }: Entry): Outcome {
  return {
    ok: false,
    text: `${name}: ${problem}`,
    checks: 0,
    unseen: 0,
    duration: 0,
    complaints: [],
  };
}

/** How many names to offer for one that is none. */
const NEAREST = 3;

function find(wanted: string, entries: readonly Entry[]): Entry {
  const found = entries.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  const nearest = entries.map(({ name }) => name)
    .sort((a, b) => distance(wanted, a) - distance(wanted, b))
    .slice(0, NEAREST).join(", ");
  throw new UsageError(
    `unknown scenario ${JSON.stringify(wanted)}: the nearest are ${nearest}; --list names all`,
  );
}

if (import.meta.main) await run(main, import.meta);
