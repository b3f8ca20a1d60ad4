/**
 * When to raise an alarm about the kernel's sockets, and when to clear it: decided from one look
 * after the other, without asking anybody and without a clock of its own.
 *
 * An alarm has two limits. It is raised where the upper one is reached, and cleared only when
 * there was quiet, at or below the lower one, for some time: what moves up and down between the
 * two never makes it flap.
 *
 * @example A flood of SYNs comes, and goes
 * ```ts
 * import { AlarmWatch, countStates } from "@tcplab/tcplab/observe";
 * import { assertEquals } from "@std/assert";
 *
 * const watch = new AlarmWatch({ quiet: 10_000 });
 * const look = (at: number, halfOpen: number) => {
 *   const counts = { ...countStates([]), "SYN-RECEIVED": halfOpen };
 *   const { raised, cleared } = watch.look({ at, counts, listeners: [] });
 *   return [...raised.map(({ kind }) => kind), ...cleared.map(() => "over")];
 * };
 * assertEquals(look(0, 3), []);
 * assertEquals(look(1_000, 250), ["half-open"]);
 * assertEquals(look(2_000, 70), []); // between the limits, which are 100 and 50
 * assertEquals(look(3_000, 20), []);
 * assertEquals(look(13_000, 0), ["over"]);
 * ```
 *
 * @module
 */

import type { StateCounts } from "./state_counts.ts";

/** What there is to be alarmed about. */
export const ALARM_KINDS = [
  "half-open",
  "accept-queue",
  "turned-away",
  "syn-cookies",
  "close-wait",
] as const;

/** One of {@linkcode ALARM_KINDS}. */
export type AlarmKind = typeof ALARM_KINDS[number];

/** The kernel's counters that alarms want to know, by the names that `nstat` has for them. */
export const ALARM_COUNTERS = [
  "TcpExtListenOverflows",
  "TcpExtListenDrops",
  "TcpExtSyncookiesSent",
] as const;

/** One look at the kernel. */
export interface SocketSample {
  /** When: milliseconds on a clock that never goes back. */
  readonly at: number;
  /** How many sockets there were in each state. */
  readonly counts: StateCounts;
  /** Who listened, and how many waited there to be accepted. */
  readonly listeners: readonly ListenerSample[];
  /** What the kernel had counted by then; those that are missing raise no alarm. */
  readonly counters?: Readonly<Partial<Record<typeof ALARM_COUNTERS[number], number>>>;
}

/** A listener at that time. */
export interface ListenerSample {
  /** Where it listens, as text: what tells it from others. */
  readonly name: string;
  /** How many wait in its accept queue. */
  readonly length: number;
  /** Its backlog: the kernel lets in one more. */
  readonly backlog: number;
}

/** Where an alarm is raised, and where it may be cleared. */
export interface AlarmLimit {
  /** Raised at this value, and above it. */
  readonly raise: number;
  /** Quiet at this value, and below it. */
  readonly clear: number;
}

/** A limit for every kind of alarm. */
export type AlarmLimits = Readonly<Record<AlarmKind, AlarmLimit>>;

/** Limits for a machine with some hundred connections. */
export const ALARM_LIMITS: AlarmLimits = {
  /** Sockets in SYN-RECEIVED. */
  "half-open": { raise: 100, clear: 50 },
  /** Percent of a listener's accept queue that are taken. */
  "accept-queue": { raise: 90, clear: 50 },
  /** Connections that found no room in an accept queue, since the last look. */
  "turned-away": { raise: 1, clear: 0 },
  /** SYN cookies that were sent since the last look. */
  "syn-cookies": { raise: 1, clear: 0 },
  /** Sockets in CLOSE-WAIT. */
  "close-wait": { raise: 100, clear: 50 },
};

/** An alarm that was raised. */
export interface Alarm {
  /** What about. */
  readonly kind: AlarmKind;
  /** The listener that it is about; nothing if it is about all of the machine. */
  readonly subject?: string;
  /** When it was raised. */
  readonly since: number;
  /** What was found at the last look. */
  readonly value: number;
  /** The most that was found since it was raised. */
  readonly worst: number;
}

/** What a look has changed. */
export interface AlarmReport {
  /** Alarms that are new. */
  readonly raised: readonly Alarm[];
  /** Alarms that are over. */
  readonly cleared: readonly Alarm[];
  /** Alarms that stand now, those that are new among them, in the order of their raising. */
  readonly standing: readonly Alarm[];
}

/** Options for {@linkcode AlarmWatch}. */
export interface AlarmWatchOptions {
  /**
   * Limits other than {@linkcode ALARM_LIMITS}; `Infinity` as `raise` never raises.
   *
   * @default {ALARM_LIMITS}
   */
  limits?: Readonly<Partial<AlarmLimits>>;
  /**
   * Milliseconds for which it must be quiet until an alarm is cleared.
   *
   * @default {30_000}
   */
  quiet?: number;
}

/** What was found for one alarm. */
interface Finding {
  readonly kind: AlarmKind;
  readonly subject?: string;
  readonly value: number;
}

interface Standing {
  readonly alarm: Alarm;
  /** Since when it has been quiet; nothing while it is not. */
  readonly quietSince?: number;
}

/** Looks at one sample after the other. */
export class AlarmWatch {
  readonly #limits: AlarmLimits;
  readonly #quiet: number;
  #standing = new Map<string, Standing>();
  #last: SocketSample | undefined;

  /**
   * Begins with no alarm.
   *
   * @throws {RangeError} If a limit does not clear below where it raises, or `quiet` is negative.
   */
  constructor(options: AlarmWatchOptions = {}) {
    const { limits, quiet = 30_000 } = options;
    this.#limits = { ...ALARM_LIMITS, ...limits };
    this.#quiet = quiet;
    for (const kind of ALARM_KINDS) {
      const { raise, clear } = this.#limits[kind];
      if (clear >= 0 && clear < raise) continue;
      throw new RangeError(
        `Cannot watch as '${kind}' must clear at 0 or more, and below where it raises: ` +
          `current value is raise ${raise}, clear ${clear}`,
      );
    }
    if (!(quiet >= 0)) {
      throw new RangeError(`Cannot watch as 'quiet' must be >= 0: current value is ${quiet}`);
    }
  }

  /** Takes the next look into account. Counters count from the look before: of the first, none. */
  look(sample: SocketSample): AlarmReport {
    const found = new Map(findings(sample, this.#last).map((finding) => [key(finding), finding]));
    // Of a listener that is gone, nobody waits.
    for (const [name, { alarm }] of this.#standing) {
      if (!found.has(name)) found.set(name, { ...alarm, value: 0 });
    }
    const raised: Alarm[] = [];
    const cleared: Alarm[] = [];
    for (const [name, finding] of found) {
      const before = this.#standing.get(name);
      const after = step(before, finding, sample.at, this.#limits[finding.kind], this.#quiet);
      if (after !== undefined) this.#standing.set(name, after);
      else this.#standing.delete(name);
      if (before === undefined && after !== undefined) raised.push(after.alarm);
      if (before !== undefined && after === undefined) {
        cleared.push({ ...before.alarm, value: finding.value });
      }
    }
    this.#last = sample;
    return { raised, cleared, standing: [...this.#standing.values()].map(({ alarm }) => alarm) };
  }
}

/** What becomes of an alarm that stands, or of none; nothing if there is none afterwards. */
function step(
  before: Standing | undefined,
  finding: Finding,
  at: number,
  limit: AlarmLimit,
  quiet: number,
): Standing | undefined {
  const { value } = finding;
  if (before === undefined) {
    return value >= limit.raise ? { alarm: { ...finding, since: at, worst: value } } : undefined;
  }
  const alarm = { ...before.alarm, value, worst: Math.max(before.alarm.worst, value) };
  if (value > limit.clear) return { alarm };
  const { quietSince = at } = before;
  return at - quietSince >= quiet ? undefined : { alarm, quietSince };
}

function findings(sample: SocketSample, last: SocketSample | undefined): Finding[] {
  const { counts, listeners } = sample;
  const since = (name: typeof ALARM_COUNTERS[number]): number => {
    const [now, before] = [sample.counters?.[name], last?.counters?.[name]];
    // A counter that has gone back is another kernel's, or another network's.
    return now === undefined || before === undefined ? 0 : Math.max(0, now - before);
  };
  return [
    { kind: "half-open", value: counts["SYN-RECEIVED"] },
    ...fullest(listeners),
    // Who finds no room is dropped as well, but not the other way round.
    {
      kind: "turned-away",
      value: Math.max(since("TcpExtListenOverflows"), since("TcpExtListenDrops")),
    },
    { kind: "syn-cookies", value: since("TcpExtSyncookiesSent") },
    { kind: "close-wait", value: counts["CLOSE-WAIT"] },
  ];
}

/** Of listeners with one name, as those of SO_REUSEPORT have, the one whose queue is fullest. */
function fullest(listeners: readonly ListenerSample[]): Finding[] {
  const most = new Map<string, number>();
  for (const { name, length, backlog } of listeners) {
    const percent = Math.round(100 * length / (backlog + 1));
    most.set(name, Math.max(percent, most.get(name) ?? 0));
  }
  return [...most].map(([subject, value]) => ({ kind: "accept-queue", subject, value }));
}

function key({ kind, subject = "" }: Pick<Finding, "kind" | "subject">): string {
  return `${kind} ${subject}`;
}

/** What was found, and what it means. */
export function alarmText(alarm: Pick<Alarm, "kind" | "subject" | "value">): string {
  const { kind, subject, value } = alarm;
  switch (kind) {
    case "half-open":
      return `${value} connections are half-open: a SYN flood, or a way back that loses packets`;
    case "accept-queue":
      return `the accept queue of ${subject} is ${value} % full: ` +
        "the program accepts too slowly, or its backlog is too small";
    case "turned-away":
      return `${value} times there was no room in an accept queue: who came must try again`;
    case "syn-cookies":
      return `${value} SYN cookies were sent: there are more half-open connections than there is room`;
    case "close-wait":
      return `${value} connections are in CLOSE-WAIT: ` +
        "a program does not close what its peers have closed";
  }
}
