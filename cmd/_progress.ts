/**
 * How far transfers are: a bar on the terminal that standard error is, nothing elsewhere.
 *
 * @module
 */

import cliProgress from "cli-progress";
import { quote } from "../lib/transfer/name.ts";
import type { Progress } from "../lib/transfer/progress.ts";
import { realWorld, type World } from "../lib/world.ts";
import type { Log } from "./_cli.ts";

/** Transfers that run, by number. */
export class ProgressBar implements Disposable {
  readonly #world: World;
  readonly #running = new Map<number, Progress>();
  readonly #bar = new cliProgress.SingleBar({
    format: (options, { progress }) => this.#line(cliProgress.Format.BarFormat(progress, options)),
    barsize: 24,
    clearOnComplete: true,
    // Else it is switched off, and stays so when a second Ctrl-C ends us at once.
    linewrap: true,
  });
  /** When the first of those that run began, and how much of them came since. */
  #since = 0;
  #moved = 0;

  /** Shows nothing until there is something to show. */
  constructor(world: World = realWorld) {
    this.#world = world;
  }

  /** Shows how far transfer `id` is. */
  show(id: number, progress: Progress): void {
    if (this.#running.size === 0) {
      this.#since = this.#world.now();
      this.#moved = 0;
    }
    this.#moved += progress.done - (this.#running.get(id)?.done ?? progress.resumed);
    this.#running.set(id, progress);
    if (!this.#bar.isActive) this.#bar.start(this.#total(), this.#done());
    this.#bar.setTotal(this.#total());
    this.#bar.update(this.#done());
  }

  /** Shows transfer `id` no more: it is over. */
  end(id: number): void {
    const last = this.#running.size === 1;
    if (last && this.#running.has(id)) this.#bar.stop();
    this.#running.delete(id);
  }

  /** Shows nothing more. */
  [Symbol.dispose](): void {
    this.#bar.stop();
  }

  /** `log`, but its lines and the bar keep out of each other's way. */
  around(log: Log): Log {
    return {
      info: (...line: Parameters<Log["info"]>) => this.#aside(() => log.info(...line)),
      warn: (...line: Parameters<Log["warn"]>) => this.#aside(() => log.warn(...line)),
      error: (...line: Parameters<Log["error"]>) => this.#aside(() => log.error(...line)),
    };
  }

  #aside(tell: () => void): void {
    const shown = this.#bar.isActive;
    this.#bar.stop();
    tell();
    if (shown && this.#running.size > 0) this.#bar.start(this.#total(), this.#done());
  }

  #line(bar: string): string {
    return progressLine([...this.#running.values()], bar, this.#rate());
  }

  /** Bytes per second. */
  #rate(): number {
    const seconds = (this.#world.now() - this.#since) / 1000;
    return seconds > 0 ? this.#moved / seconds : 0;
  }

  #done(): number {
    return sum([...this.#running.values()], ({ done }) => done);
  }

  #total(): number {
    return sum([...this.#running.values()], ({ size, done }) => size ?? done);
  }
}

/** What stands beside the bar: whose, how much, how fast, how long still. */
export function progressLine(running: readonly Progress[], bar: string, rate: number): string {
  const [first] = running;
  const whose = running.length === 1
    ? first?.name === undefined ? "" : `${quote(first.name)} `
    : `${running.length} files `;
  const done = sum(running, ({ done }) => done);
  const speed = `${sizeText(rate)}/s`;
  // Of some, only the end of the stream will tell how long they are.
  if (running.some(({ size }) => size === undefined)) return `${whose}${sizeText(done)}, ${speed}`;
  const total = sum(running, ({ size }) => size!);
  const percent = total === 0 ? 100 : Math.floor(100 * done / total);
  const left = rate > 0 ? timeText((total - done) / rate) : "some time";
  return `${whose}${bar} ${percent} % of ${sizeText(total)}, ${speed}, ${left} left`;
}

/** A number of bytes, with three digits: 999 B, 1.21 GB. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 999.5 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return `${bytes.toFixed(digits)} ${units[unit]}`;
}

/** A time as a clock shows it: 0:07, 12:34, 1:00:00. */
export function timeText(seconds: number): string {
  const whole = Math.ceil(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  return shown.map((part, i) => String(part).padStart(i === 0 ? 1 : 2, "0")).join(":");
}

function sum<T>(of: readonly T[], value: (one: T) => number): number {
  return of.reduce((total, one) => total + value(one), 0);
}
