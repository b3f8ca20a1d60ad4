/**
 * Counts by state as text: a table, a line, a picture of the last looks, JSON.
 *
 * @module
 */

import type { Alarm, AlarmReport } from "../lib/observe/alarms.ts";
import { alarmText } from "../lib/observe/alarms.ts";
import { sparkline } from "../lib/observe/sparkline.ts";
import { type StateCounts, totalOf } from "../lib/observe/state_counts.ts";
import { TCP_STATES, type TcpState } from "../lib/observe/tcp_states.ts";
import type { Log } from "./_cli.ts";
import type { Look } from "./_states_look.ts";

const STATE_WIDTH = Math.max(...TCP_STATES.map((state) => state.length));
const COUNT_WIDTH = 8;

/** How many groups are told one by one. */
const MOST_GROUPS = 20;

/** A table: a line for each state in which there are some, their sum, and the groups. */
export function table(look: Look): string[] {
  const lines = present(look.counts).map((state) => row(state, look.counts[state]));
  return [...lines, row("total", totalOf(look.counts)), ...groupLines(look.groups)];
}

/** All of it in a line, and one for each group. */
export function line({ time, counts, groups }: Look): string[] {
  return [`${clock(time)} ${totalOf(counts)}: ${list(counts)}`, ...groupLines(groups)];
}

/** The looks so far, for a picture of how it came. */
export class History {
  readonly #looks: StateCounts[] = [];

  /** The table without groups, with a line of bars for each state in which there were some. */
  picture(look: Look, columns: number): string[] {
    this.#looks.push(look.counts);
    const room = Math.max(0, columns - STATE_WIDTH - COUNT_WIDTH - 3);
    // No terminal is wider.
    if (this.#looks.length > 1000) this.#looks.shift();
    const seen = TCP_STATES.filter((state) => this.#looks.some((counts) => counts[state] > 0));
    const bars = (count: (counts: StateCounts) => number) =>
      sparkline(this.#looks.map(count), Math.min(room, this.#looks.length));
    const rows = seen.map((state) =>
      `${row(state, look.counts[state])}  ${bars((counts) => counts[state])}`
    );
    const total = `${row("total", totalOf(look.counts))}  ${bars(totalOf)}`;
    return [...rows, total];
  }
}

/** What stands now, a line for each, below an empty one. */
export function standingLines(alarms: readonly Alarm[], { time, sample }: Look): string[] {
  if (alarms.length === 0) return [];
  return [
    "",
    ...alarms.map((alarm) => {
      const since = clock(new Date(time.getTime() - (sample.at - alarm.since)));
      return `! ${title(alarm)} since ${since}: ${alarm.value}, at worst ${alarm.worst}`;
    }),
  ];
}

/** Logs what has come and gone. */
export function tellAlarms({ raised, cleared }: AlarmReport, log: Log): void {
  for (const alarm of raised) {
    log.warn("{alarm}: {text}", { alarm: alarm.kind, text: alarmText(alarm) });
  }
  for (const alarm of cleared) {
    log.info("{alarm}: over; at worst {worst}", { alarm: title(alarm), worst: alarm.worst });
  }
}

/** An object on a line. */
export function json({ time, counts, groups, sample }: Look, report: AlarmReport): string {
  const { listeners, counters } = sample;
  return JSON.stringify({
    time,
    total: totalOf(counts),
    states: counts,
    ...groups.size > 0 && { groups: Object.fromEntries(groups) },
    listeners,
    ...counters && { counters },
    alarms: report.standing.map(({ since, ...alarm }) => ({
      ...alarm,
      since: new Date(time.getTime() - (sample.at - since)),
    })),
    raised: report.raised.map(title),
    cleared: report.cleared.map(title),
  });
}

function title({ kind, subject }: Alarm): string {
  return subject === undefined ? kind : `${kind} ${subject}`;
}

/** The groups, the largest first, below an empty line. */
export function groupLines(groups: Look["groups"]): string[] {
  if (groups.size === 0) return [];
  // Who starts a program gives it its name, which must not steer the terminal.
  const told = [...groups].slice(0, MOST_GROUPS)
    .map(([name, counts]) => [name.replaceAll(/\p{Cc}/gu, "?"), counts] as const);
  const width = Math.max(STATE_WIDTH, ...told.map(([name]) => name.length));
  const lines = told.map(([name, counts]) =>
    `${name.padEnd(width)}${String(totalOf(counts)).padStart(COUNT_WIDTH)}  ${list(counts)}`
  );
  const more = groups.size - told.length;
  return ["", ...lines, ...more > 0 ? [`… and ${more} more`] : []];
}

function row(name: string, count: number): string {
  return `${name.padEnd(STATE_WIDTH)}${String(count).padStart(COUNT_WIDTH)}`;
}

function list(counts: StateCounts): string {
  return present(counts).map((state) => `${state} ${counts[state]}`).join(", ") || "none";
}

function present(counts: StateCounts): TcpState[] {
  return TCP_STATES.filter((state) => counts[state] > 0);
}

function clock(time: Date): string {
  return time.toTimeString().slice(0, 8);
}
