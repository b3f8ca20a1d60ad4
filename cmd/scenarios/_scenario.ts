/**
 * A scenario is a lesson that proves itself: it makes things happen on loopback, draws
 * what really happened, and claims something about it. It succeeds if it made at least
 * one claim, and all of them held.
 *
 * @module
 */

import { explain, explainLine } from "../../lib/errors.ts";
import { errorFacts, isCall, type TraceEvent } from "../../lib/observe/events.ts";
import { Trace } from "../../lib/observe/trace.ts";
import { realWorld, type World } from "../../lib/world.ts";
import { FailureError, type Io, type Main } from "../_cli.ts";
import { path, toggle } from "../_flag.ts";
import { parseFlags, UsageError, type Values } from "../_flags.ts";
import { moduleDoc } from "../_help.ts";
import { need } from "../_permissions.ts";
import { Album } from "./_album.ts";
import { Lab, type LabOptions } from "./_lab.ts";
import { grants, isOptional, lesson } from "./_lesson.ts";
import { packetFile } from "./_packets.ts";
import { JsonVoice, MermaidVoice, PlainVoice, QuietVoice, type Voice } from "./_voice.ts";
import type { LabWire } from "./_wire.ts";

/** What the command line of every scenario may say. */
export const flags = {
  json: toggle(),
  quiet: toggle(),
  mermaid: toggle(),
  svg: path(""),
  pcapng: path(""),
};

/** Bytes of each read and write that a file of packets has. */
const KEEP_BYTES = 262_144;

/** Options for {@linkcode scenario}. */
export interface ScenarioOptions {
  /**
   * How many milliseconds it may take; after that it has failed.
   *
   * @default {30000}
   */
  deadline?: number;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Makes a script of a lesson: `export const main = scenario(import.meta, async (lab) => …)`. */
export function scenario(
  script: ImportMeta,
  steps: (lab: Lab) => Promise<void>,
  options: ScenarioOptions = {},
): Main {
  const { deadline = 30_000, world = realWorld } = options;
  const name = new URL(script.url).pathname.replace(/^.*\/|\.[^.]+$/g, "");
  return async (args, io) => {
    const given = parseFlags(args, flags);
    const { svg, pcapng } = given;
    if (svg !== "" && svg === pcapng) {
      throw new UsageError("--svg and --pcapng must be two files: one would replace the other");
    }
    const voice = voiceOf(given, io);
    // Deno hands out the text of the main module without any permission.
    const { default: source } = await import(script.url, { with: { type: "text" } });
    for (const grant of grants(source)) if (!isOptional(grant)) need(grant);
    for (const to of [svg, pcapng]) if (to !== "") need({ kind: "write", to });
    const album = new Album();
    for (const listener of [voice, album]) listener.open(lesson(moduleDoc(source)));
    const tell = (event: TraceEvent) => {
      voice.event(event);
      album.event(event);
    };
    const keepBytes = pcapng === "" ? 0 : KEEP_BYTES;
    const trace = new Trace({ world, onEvent: tell, keepBytes });
    const show: LabOptions["show"] = (...picture) => {
      voice.show(...picture);
      album.show(...picture);
    };
    const keepPackets = pcapng !== "";
    const options = { deadline, world, show, keepPackets, io };
    const { problem, wires } = await attempt(steps, trace, options);
    // Whatever still waits belongs to the record: it may be what the lesson hung on.
    for (const event of trace.events) {
      if (isCall(event) && event.end === undefined) tell(event);
    }
    const verdict = judge(trace.events, problem);
    trace.add({ kind: "verdict", who: "", ...verdict, text: `${name}: ${verdict.text}` });
    await voice.close();
    if (svg !== "") await write(svg, new TextEncoder().encode(album.toString()));
    if (pcapng !== "") {
      const { bytes, summary } = packetFile(name, trace, wires);
      await write(pcapng, bytes);
      io.log.info("{file}: {summary}", { file: pcapng, summary });
    }
    return verdict.ok ? 0 : 1;
  };
}

async function write(file: string, bytes: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(file, bytes);
  } catch (error) {
    throw new FailureError(`${file}: ${explainLine(error)}`, { cause: error });
  }
}

function voiceOf({ json, quiet, mermaid }: Values<typeof flags>, io: Io): Voice {
  const wanted = Object.entries({ json, quiet, mermaid }).flatMap(([name, is]) => is ? [name] : []);
  if (wanted.length > 1) {
    throw new UsageError(`only one of --${wanted.join(" and --")} can be printed: leave one away`);
  }
  return new (json ? JsonVoice : quiet ? QuietVoice : mermaid ? MermaidVoice : PlainVoice)(io);
}

/** What {@linkcode attempt} is given beside the steps. */
interface Attempt {
  deadline: number;
  world: World;
  show: LabOptions["show"];
  keepPackets: boolean;
  io: Io;
}

/** Takes the steps; what it returns says in a few words why they were not taken to the end. */
async function attempt(
  steps: (lab: Lab) => Promise<void>,
  trace: Trace,
  { deadline, world, show, keepPackets, io }: Attempt,
): Promise<{ problem?: string; wires: readonly LabWire[] }> {
  const { interrupted, log, columns } = io;
  const done = new AbortController();
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  world.sleep(deadline, { signal: done.signal }).then(
    () => failed.abort(new FailureError(`not done within ${deadline} ms`)),
    () => {},
  );
  const fail = (error: unknown) => failed.abort(error);
  const lab = new Lab(trace, { signal, fail, show, world, keepPackets, columns });
  try {
    await Promise.race([steps(lab), aborted(signal)]);
    signal.throwIfAborted();
    return { wires: lab.wires };
  } catch (error) {
    interrupted.throwIfAborted();
    const text = error instanceof FailureError ? error.message : explainLine(error);
    trace.add({ kind: "error", who: "", error: errorFacts(error), text });
    // A mistake in the lesson itself: only its stack says where.
    if (explain(error).whose === "unknown" && !(error instanceof FailureError)) {
      log.error("{error}", { error: Deno.inspect(error) });
    }
    return { problem: text, wires: lab.wires };
  } finally {
    done.abort();
    lab.draw();
    await lab[Symbol.asyncDispose]();
  }
}

function judge(events: readonly TraceEvent[], problem: string | undefined) {
  const checks = events.filter((event) => event.kind === "check");
  const failed = checks.filter(({ ok }) => !ok).length;
  const unseen = events.filter((event) => event.kind === "unseen").length;
  const ok = problem === undefined && failed === 0 && checks.length > 0;
  const text = verdictText(checks.length, failed, problem) +
    (unseen === 0 ? "" : `; ${unseen} could not be seen`);
  return { ok, checks: checks.length, failed, unseen, text };
}

function verdictText(checks: number, failed: number, problem: string | undefined): string {
  const held = failed === 0
    ? checks === 1 ? "the check held" : `all ${checks} checks held`
    : `${failed} of ${checks} checks did not hold`;
  if (problem !== undefined) return failed === 0 ? problem : `${problem}; ${held}`;
  return checks === 0 ? "nothing was checked, so nothing is proven" : held;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
