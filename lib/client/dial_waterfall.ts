/**
 * Draws the attempts of a dial: each lookup, each address, and the waits between attempts.
 *
 * @example
 * ```ts
 * import { dialWaterfall } from "@tcplab/tcplab/client";
 * import { tcpAddr } from "@tcplab/tcplab/addr";
 * import { assertEquals } from "@std/assert";
 *
 * const lookup = { started: 0, ended: 20, outcome: "answered" } as const;
 * const drawing = dialWaterfall([{
 *   ...{ addr: tcpAddr("db", 5432), number: 1, started: 0, ended: 300 },
 *   lookups: [
 *     { ...lookup, family: 6, addresses: ["2001:db8::1"] },
 *     { ...lookup, family: 4, addresses: ["192.0.2.1"] },
 *   ],
 *   connects: [
 *     { hostname: "2001:db8::1", started: 20, ended: 300, outcome: "dropped" },
 *     { hostname: "192.0.2.1", started: 270, ended: 300, outcome: "connected" },
 *   ],
 * }]);
 *
 * assertEquals(drawing, [
 *   "AAAA of db  ━━━✓                                                 20 ms 1 address",
 *   "A of db     ━━━✓                                                 20 ms 1 address",
 *   "2001:db8::1    ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┄   280 ms no answer",
 *   "192.0.2.1                                              ━━━━━✓    30 ms connected",
 * ].join("\n"));
 * ```
 *
 * @module
 */

import { codeOf, type DialAttempt } from "./dial_attempt.ts";
import type { ConnectRecord, LookupRecord } from "./race_record.ts";
import { type Bar, waterfall, type WaterfallOptions } from "./waterfall.ts";

/** How a bar ends: well, badly, or because nobody waited for it any more. */
const ENDS: Readonly<Record<string, string>> = {
  answered: "✓",
  connected: "✓",
  failed: "✗",
  dropped: "┄",
};

/** Draws `attempts` on one scale, with a line ahead of each if there are several. */
export function dialWaterfall(
  attempts: readonly DialAttempt[],
  options: WaterfallOptions = {},
): string {
  const rows = attempts.flatMap((attempt): (Bar | string)[] => {
    const name = attempt.addr.hostname;
    const lookups = attempt.lookups.map((lookup) => lookupBar(name, lookup));
    const bars = [...lookups, ...attempt.connects.map(connectBar)];
    return attempts.length > 1 ? [`attempt ${attempt.number}`, ...bars] : bars;
  });
  return waterfall(rows, options);
}

function lookupBar(name: string, lookup: LookupRecord): Bar {
  const { family, started, ended, outcome, addresses, error } = lookup;
  const found = addresses.length === 1 ? "1 address" : `${addresses.length || "no"} addresses`;
  const note = { answered: found, failed: codeOf(error) ?? "failed", dropped: "no answer" };
  const label = `${family === 6 ? "AAAA" : "A"} of ${name}`;
  return { label, started, ended, end: ENDS[outcome]!, note: note[outcome] };
}

function connectBar({ hostname, started, ended, outcome, error }: ConnectRecord): Bar {
  const why = codeOf(error) ?? (error instanceof Error ? error.name : "failed");
  const note = { connected: "connected", failed: why, dropped: "no answer" }[outcome];
  return { label: hostname, started, ended, end: ENDS[outcome]!, note };
}
