/** A direction by hand: bytes that come at certain times, and what becomes of them, with times. */

import { faultWorld } from "../../lib/faults/fault_world.ts";
import type { Fault, FaultWorldOptions } from "../../lib/faults/fault.ts";
import { hastyWorld } from "../../lib/faults/hasty_world.ts";

/** What comes: after so many milliseconds, these bytes, or FIN, or RST. */
export type Step = readonly [wait: number, what: Uint8Array | string | "FIN" | "RST"];

/** What came out, and when. */
export type Seen = [at: number, what: string];

export interface Ran {
  seen: Seen[];
  /** The sleeps of the fault, in milliseconds, in order. */
  sleeps: number[];
  notes: string[];
  /** All bytes that came out. */
  bytes: Uint8Array;
}

export interface RunOptions extends Partial<FaultWorldOptions> {
  /** Removes the fault after so many milliseconds. */
  removeAt?: number;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** Runs `fault` over `script` in virtual time until it ends, or nothing can happen any more. */
export async function run(
  fault: Fault,
  script: readonly Step[],
  options: RunOptions = {},
): Promise<Ran> {
  const clock = hastyWorld(1);
  const removed = new AbortController();
  const notes: string[] = [];
  const sleeps: number[] = [];
  const seen: Seen[] = [];
  const parts: Uint8Array[] = [];
  const say = (what: string) => seen.push([Math.round(clock.now() * 1000) / 1000, what]);
  const world = faultWorld(
    {
      now: () => clock.now(),
      random: clock.random,
      sleep(ms, options) {
        sleeps.push(Math.round(ms * 1000) / 1000);
        return clock.sleep(ms, options);
      },
    },
    {
      seed: 7,
      signal: removed.signal,
      note: (what, offset) => notes.push(`${what} at ${offset}`),
      end: (how) => say(`${String(how.description)} now`),
      ...options,
    },
  );
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => stop = resolve);
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (const [wait, what] of script) {
      const slept = wait > 0 ? clock.sleep(wait) : Promise.resolve();
      await Promise.race([slept, stopped]);
      if (removed.signal.aborted) return;
      if (what === "FIN") return;
      if (what === "RST") throw new Deno.errors.ConnectionReset("reset");
      yield typeof what === "string" ? encode(what) : what;
    }
    await stopped;
  };
  const work = async () => {
    try {
      for await (const item of fault(source(), world)) {
        if (typeof item === "symbol") {
          say(item.description!);
        } else {
          say(new TextDecoder().decode(item));
          parts.push(item);
        }
      }
      say(removed.signal.aborted ? "returned" : "FIN");
    } catch (error) {
      say(error instanceof Deno.errors.ConnectionReset ? "RST" : String(error));
    }
  };
  const working = work();
  if (options.removeAt !== undefined) {
    await clock.sleep(options.removeAt);
    removed.abort();
    stop();
  }
  // Something always sleeps until nothing can happen any more.
  await clock.sleep(1e7);
  const over = seen.length;
  removed.abort();
  stop();
  await working;
  await clock.idle();
  const kept = options.removeAt === undefined ? seen.slice(0, over) : seen;
  return { seen: kept, sleeps, notes, bytes: joined(parts) };
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes that differ by their place. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13) & 255);
}
