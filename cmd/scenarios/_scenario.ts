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
import { toggle } from "../_flag.ts";
import { parseFlags } from "../_flags.ts";
import { moduleDoc } from "../_help.ts";
import { need } from "../_permissions.ts";
import { Lab, type LabOptions } from "./_lab.ts";
import { grants, isOptional, lesson } from "./_lesson.ts";
import { JsonVoice, PlainVoice, QuietVoice, type Voice } from "./_voice.ts";

/** What the command line of every scenario may say. */
export const flags = { json: toggle(), quiet: toggle() };

/** Options for {@linkcode scenario}. */
export interface ScenarioOptions {
  /**
   * How many milliseconds it may take; after that it has failed.
   *
   * @default {10000}
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
  const { deadline = 10_000, world = realWorld } = options;
  const name = new URL(script.url).pathname.replace(/^.*\/|\.[^.]+$/g, "");
  return async (args, io) => {
    const { json, quiet } = parseFlags(args, flags);
    // Deno hands out the text of the main module without any permission.
    const { default: source } = await import(script.url, { with: { type: "text" } });
    for (const grant of grants(source)) if (!isOptional(grant)) need(grant);
    const voice = new (json ? JsonVoice : quiet ? QuietVoice : PlainVoice)(io);
    voice.open(lesson(moduleDoc(source)));
    const trace = new Trace({ world, onEvent: (event) => voice.event(event) });
    const problem = await attempt(steps, trace, { deadline, world, voice, io });
    // Whatever still waits belongs to the record: it may be what the lesson hung on.
    for (const event of trace.events) {
      if (isCall(event) && event.end === undefined) voice.event(event);
    }
    const verdict = judge(trace.events, problem);
    trace.add({ kind: "verdict", who: "", ...verdict, text: `${name}: ${verdict.text}` });
    await voice.close();
    return verdict.ok ? 0 : 1;
  };
}

/** Takes the steps, and returns in a few words why they were not taken to the end. */
async function attempt(
  steps: (lab: Lab) => Promise<void>,
  trace: Trace,
  { deadline, world, voice, io }: { deadline: number; world: World; voice: Voice; io: Io },
): Promise<string | undefined> {
  const { interrupted, log } = io;
  const done = new AbortController();
  const failed = new AbortController();
  const signal = AbortSignal.any([interrupted, failed.signal]);
  world.sleep(deadline, { signal: done.signal }).then(
    () => failed.abort(new FailureError(`not done within ${deadline} ms`)),
    () => {},
  );
  const fail = (error: unknown) => failed.abort(error);
  const show: LabOptions["show"] = (...picture) => voice.show(...picture);
  const lab = new Lab(trace, { signal, fail, show, world });
  try {
    await Promise.race([steps(lab), aborted(signal)]);
    signal.throwIfAborted();
    return undefined;
  } catch (error) {
    interrupted.throwIfAborted();
    const text = error instanceof FailureError ? error.message : explainLine(error);
    trace.add({ kind: "error", who: "", error: errorFacts(error), text });
    // A mistake in the lesson itself: only its stack says where.
    if (explain(error).whose === "unknown" && !(error instanceof FailureError)) {
      log.error("{error}", { error: Deno.inspect(error) });
    }
    return text;
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
