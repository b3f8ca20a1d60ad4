/**
 * Command lines: what a script takes is said once, and serves as its types, its
 * checks and the words of its complaints.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import type { Flag } from "./_flag.ts";

/** Flags by their names in camelCase, or operands by the names a usage line has for them. */
export type Flags = Record<string, Flag<unknown>>;

/** The values of {@linkcode Flags}, by the same names. */
export type Values<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** The command line is wrong; the message is the one line that says how. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The values of an operand that may be there more than once. */
export type ManyValues<M extends Flags> = {
  readonly [K in keyof M]: M[K] extends Flag<infer T> ? readonly T[] : never;
};

/**
 * Reads a command line: `--flag value`, `--flag=value` and the operands, in any order;
 * after `--` come operands only. A flag given twice has its last value. The one operand in
 * `many` is there once or more, behind all others.
 *
 * @throws {UsageError} For the first thing that is wrong.
 */
export function parseFlags<
  F extends Flags,
  O extends Flags = Record<never, never>,
  M extends Flags = Record<never, never>,
>(
  args: readonly string[],
  flags: F,
  operands: O = {} as O,
  many: M = {} as M,
): Values<F> & Values<O> & ManyValues<M> {
  const names = Object.keys(flags);
  const switches = names.filter((name) => flags[name]!.allowed === undefined);
  const strangers: string[] = [];
  const given = parseArgs(args, {
    string: names.filter((name) => !switches.includes(name)).map(dashed),
    boolean: switches.map(dashed),
    // An operand has no key. What is returned says whether it may stay.
    unknown: (text, key) => key === undefined || strangers.push(text) === 0,
  });
  // First, since the value of `--port -1` was taken for a flag. For what takes any text it is one.
  const bare = names.find((name) => given[dashed(name)] === "");
  if (bare !== undefined) {
    const at = args.lastIndexOf(`--${dashed(bare)}`);
    const next = at < 0 ? "" : args[at + 1] ?? "";
    if (/^-\d/.test(next)) allowed(`--${dashed(bare)}`, flags[bare]!, next);
    throw new UsageError(`--${dashed(bare)} needs a value: it must be ${flags[bare]!.allowed}`);
  }
  if (strangers[0] !== undefined) throw unknownFlag(strangers[0], names);
  const values: Record<string, unknown> = {};
  for (const name of names) {
    values[name] = flagValue(`--${dashed(name)}`, flags[name]!, given, beforeDashes(args));
  }
  const [repeated] = Object.entries(many);
  const count = repeated === undefined ? given._.length : Object.keys(operands).length;
  Object.assign(values, operandValues(given._.slice(0, count).map(String), operands));
  if (repeated !== undefined) {
    const [name, flag] = repeated;
    const rest = given._.slice(count).map(String);
    values[name] = rest.length === 0
      ? [required(name, flag)]
      : rest.map((text) => allowed(name, flag, text));
  }
  return values as Values<F> & Values<O> & ManyValues<M>;
}

function flagValue(
  name: string,
  flag: Flag<unknown>,
  given: Record<string, unknown>,
  args: readonly string[],
): unknown {
  const text = given[name.slice(2)];
  if (flag.allowed === undefined) {
    const assigned = args.find((arg) => arg.startsWith(`${name}=`));
    if (assigned !== undefined) throw new UsageError(`${name} takes no value: got ${assigned}`);
    return text;
  }
  if (text === undefined) return required(name, flag);
  return allowed(name, flag, String(text));
}

function operandValues(given: readonly string[], operands: Flags): Record<string, unknown> {
  const names = Object.keys(operands);
  const extra = given[names.length];
  if (extra !== undefined) {
    const rule = names.length === 0
      ? "only flags are allowed"
      : `only ${names.join(" ")} is allowed`;
    throw new UsageError(`unexpected argument ${JSON.stringify(extra)}: ${rule}`);
  }
  return Object.fromEntries(names.map((name, i) => {
    const text = given[i];
    const flag = operands[name]!;
    return [name, text === undefined ? required(name, flag) : allowed(name, flag, text)];
  }));
}

function required(name: string, flag: Flag<unknown>): unknown {
  if (flag.fallback !== undefined) return flag.fallback;
  throw new UsageError(`${name} is missing: it must be ${flag.allowed}`);
}

function allowed(name: string, flag: Flag<unknown>, text: string): unknown {
  const value = flag.read(text);
  if (value !== undefined) return value;
  throw new UsageError(`${name} must be ${flag.allowed}: got ${JSON.stringify(text)}`);
}

function unknownFlag(arg: string, names: readonly string[]): UsageError {
  const all = [...names.map((name) => `--${dashed(name)}`), "--help", "--version"];
  const typed = arg.replace(/=.*$/s, "");
  const near = nearest(typed, all);
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  return new UsageError(`unknown flag ${printable(typed)}${hint}: allowed are ${all.join(", ")}`);
}

/** Those that may be flags: after `--` there are none. */
export function beforeDashes(args: readonly string[]): readonly string[] {
  const dashes = args.indexOf("--");
  return dashes < 0 ? args : args.slice(0, dashes);
}

/** The word that the fewest edits lead to, if they are few enough for a slip of the hand. */
function nearest(typed: string, words: readonly string[]): string | undefined {
  const [best] = words
    .map((word) => ({ word, edits: distance(typed, word) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= 2 ? best.word : undefined;
}

/** Letters to add, drop or change to come from `a` to `b` (Levenshtein). */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function dashed(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Quoted when it holds what could upset a terminal or hide its end. */
function printable(text: string): string {
  return /^[\x21-\x7e]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * Refuses what means nothing without the switch `needed`, unless that is given: `flags` are what
 * {@linkcode parseFlags} was told, `names` those it is about.
 *
 * @throws {UsageError} If one of them was given, and is not what it is without being given.
 */
export function onlyWith<F extends Flags>(
  given: Values<F>,
  flags: F,
  needed: keyof F & string,
  names: readonly (keyof F & string)[],
): void {
  if (given[needed]) return;
  const odd = names.find((name) => given[name] !== flags[name]!.fallback);
  if (odd === undefined) return;
  throw new UsageError(`--${dashed(odd)} means nothing without --${dashed(needed)}`);
}
