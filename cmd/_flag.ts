/**
 * What one flag or operand of a command line takes, one function per kind of value.
 *
 * @module
 */

import { parseAddr, type TcpAddr } from "../lib/addr.ts";

/** One flag or operand: what it takes, and what it is when it is not given. */
export interface Flag<T> {
  /** What may be given, in words that follow "must be"; a switch takes nothing. */
  readonly allowed?: string;
  /** What `text` stands for; `undefined` if it is not allowed. */
  read(text: string): T | undefined;
  /** Its value when it is not given; without one, it must be given. */
  readonly fallback?: T;
}

/** A switch: off, unless it is given. */
export function toggle(): Flag<boolean> {
  return { read: () => true, fallback: false };
}

/** Any text. */
export function text(fallback?: string): Flag<string> {
  return flag("some text", (text) => text, fallback);
}

/** Where a file or a folder is. */
export function path(fallback?: string): Flag<string> {
  return flag("a path", (text) => text, fallback);
}

/** One of some words. */
export function choice<const C extends string>(of: readonly C[], fallback?: C): Flag<C> {
  return flag(either(of), (text) => of.find((word) => word === text), fallback);
}

/** A port to listen on; 0 lets the system choose. */
export function port(fallback?: number): Flag<number> {
  return flag("a port from 0 to 65535", (text) => whole(text, 0, 65535), fallback);
}

/** An address to connect to, such as `127.0.0.1:9999`. */
export function peer(fallback?: TcpAddr): Flag<TcpAddr> {
  const read = (text: string) => {
    try {
      const addr = parseAddr(text);
      return addr.port === 0 ? undefined : addr;
    } catch {
      return undefined;
    }
  };
  return flag("an address such as 127.0.0.1:9999 or [::1]:9999", read, fallback);
}

/** What a number may be. */
export interface Range {
  /** @default {0} */
  min?: number;
  /** @default {Number.MAX_SAFE_INTEGER}, but 500 hours for a time */
  max?: number;
  /** Its value when it is not given. */
  fallback?: number;
}

/** A whole number. */
export function integer(range: Range = {}): Flag<number> {
  return measure("a whole number", {}, range);
}

/** A timer of Deno's holds 24 days and some hours; one that is set to more is over at once. */
const LONGEST_TIME = 500 * 3_600_000;

const TIME_UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/**
 * A time, written `500ms`, `30s`, `5m` or `1h`, as milliseconds. Only 0 needs no unit: to
 * one person a bare 5 means seconds, to another milliseconds. By default at most `500h`.
 */
export function duration(range: Range = {}): Flag<number> {
  const { min = 0, max = LONGEST_TIME, fallback } = range;
  const read = (text: string) => {
    const time = text === "0" || /[a-z]$/.test(text) ? measured(text, TIME_UNITS) : NaN;
    return time >= min && time <= max ? time : undefined;
  };
  const least = min > 0 ? "" : ", or 0";
  return flag(
    `a time such as 500ms, 30s or 5m${least}, at most ${durationText(max)}`,
    read,
    fallback,
  );
}

/** A time as {@linkcode duration} reads it: `10s`, `1500ms`. */
export function durationText(ms: number): string {
  const [unit, size] = Object.entries(TIME_UNITS).find(([, size]) => ms % size === 0) ?? ["ms", 1];
  return ms === 0 ? "0" : `${ms / size}${unit}`;
}

/** A size in bytes, also written `64KiB`, `1MiB` or `2GiB`. */
export function bytes(range: Range = {}): Flag<number> {
  const units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
  return measure("bytes, or a size such as 64KiB or 1MiB,", units, range);
}

function flag<T>(
  allowed: string,
  read: (text: string) => T | undefined,
  fallback: T | undefined,
): Flag<T> {
  return { allowed, read, ...fallback !== undefined && { fallback } };
}

function measure(what: string, units: Record<string, number>, range: Range): Flag<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, fallback } = range;
  const read = (text: string) => whole(String(measured(text, units)), min, max);
  const upTo = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
  return flag(`${what} ${upTo}`, read, fallback);
}

/** A whole number with one of `units`, or with none; NaN if it is something else. */
function measured(text: string, units: Record<string, number>): number {
  const [, digits = "", unit = ""] = /^([0-9]+)([a-z]*)$/i.exec(text) ?? [];
  const factor = unit === "" ? 1 : Object.hasOwn(units, unit) ? units[unit]! : NaN;
  return digits === "" ? NaN : Number(digits) * factor;
}

function whole(text: string, min: number, max: number): number | undefined {
  const number = /^[0-9]+$/.test(text) ? Number(text) : NaN;
  return number >= min && number <= max ? number : undefined;
}

function either(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
