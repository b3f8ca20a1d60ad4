/**
 * Whether a server is up, decided from one check after the other: a state, a result, and the
 * next state. One failure is no outage, and one success no recovery: it takes some in a row.
 *
 * @example Three failures in a row
 * ```ts
 * import { firstHealth, type HealthState, stepHealth } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * let state: HealthState = firstHealth({ initial: "fully-up" }, 0);
 * const refused = { ok: false, status: "L4CON", detail: "refused", duration: 0 } as const;
 * for (const at of [1, 2, 3]) state = stepHealth(state, refused, at);
 * assertEquals(state.up, false);
 * assertEquals(state.reason, "3/3 L4CON: refused");
 * ```
 *
 * @module
 */

/**
 * What a check found, and on which layer: 4 is TCP, 6 is TLS, 7 is what is spoken over it.
 *
 * - `OK`: it was as it should be; `TOUT`: nothing came in time.
 * - `L4CON`: no connection, for instance as it was refused.
 * - `L6RSP`, `L7RSP`: the answer was none; `L7STS`: it was another one.
 * - `SOCKERR`: the check itself failed, so that it says nothing good.
 * - `PASSIVE`: no check, but what became of real traffic.
 */
export type CheckStatus =
  | "L4OK"
  | "L4TOUT"
  | "L4CON"
  | "L6OK"
  | "L6TOUT"
  | "L6RSP"
  | "L7OK"
  | "L7TOUT"
  | "L7RSP"
  | "L7STS"
  | "SOCKERR"
  | "PASSIVE";

/** The result of one check. */
export interface CheckResult {
  /** Whether it speaks for the server. */
  readonly ok: boolean;
  /** What was found, and on which layer. */
  readonly status: CheckStatus;
  /** The same in words; `""` if there is nothing to add. */
  readonly detail: string;
  /** How many milliseconds it took. */
  readonly duration: number;
  /** Whether it was this process that could not ask, which says nothing of the server. */
  readonly ours?: boolean;
}

/** When a server counts as up or down, and how often it is asked. */
export interface HealthPolicy {
  /**
   * How many successes in a row bring it up.
   *
   * @default {2}
   */
  rise?: number;
  /**
   * How many failures in a row bring it down.
   *
   * @default {3}
   */
  fall?: number;
  /**
   * What it is before the first check. From `"up"` and `"down"` the first check that says
   * otherwise is enough; from `"fully-up"` and `"fully-down"` it takes as many as ever.
   *
   * @default {"up"}
   */
  initial?: "up" | "down" | "fully-up" | "fully-down";
  /**
   * Milliseconds from the start of one check to that of the next.
   *
   * @default {2000}
   */
  interval?: number;
  /**
   * The same while the last results speak against its state, or none has come yet.
   *
   * @default {interval}
   */
  fastInterval?: number;
  /**
   * The same while it is down, and nothing speaks for it.
   *
   * @default {interval}
   */
  downInterval?: number;
  /**
   * How much an interval may vary: 0.05 is up to 5 % shorter or longer, by the dice, so that
   * checks which began at the same time do not go on so.
   *
   * @default {0.05}
   */
  jitter?: number;
}

/** A server's health at a moment. */
export interface HealthState {
  /** The rules it follows, complete. */
  readonly policy: Required<HealthPolicy>;
  /** Whether it is up. */
  readonly up: boolean;
  /** How many results in a row speak against that, up to {@linkcode HealthState.needed}. */
  readonly against: number;
  /** How many it takes: one, before the first check of a server that is not "fully" up or down. */
  readonly needed: number;
  /** When it last went up or down, or when it began. */
  readonly changedAt: number;
  /**
   * Why it is what it is: the results in a row out of those that were needed, and the last of
   * them, such as `"3/3 L4CON: refused"`. Before the first change it is `"initially"`.
   */
  readonly reason: string;
  /** The last result; missing before the first. */
  readonly last: CheckResult | undefined;
  /** When that came. */
  readonly checkedAt: number | undefined;
  /** How often it went up or down. */
  readonly changes: number;
}

/**
 * The state before the first check.
 *
 * @throws {RangeError} If a part of the policy is out of range.
 */
export function firstHealth(policy: HealthPolicy, now: number): HealthState {
  const { rise = 2, fall = 3, initial = "up", interval = 2000, jitter = 0.05 } = policy;
  const { fastInterval = interval, downInterval = interval } = policy;
  for (const [name, count] of Object.entries({ rise, fall })) {
    if (!(Number.isInteger(count) && count >= 1)) throw wrong(name, "an integer >= 1", count);
  }
  for (const [name, time] of Object.entries({ interval, fastInterval, downInterval })) {
    if (!(time > 0 && time < Infinity)) throw wrong(name, "> 0", time);
  }
  if (!(jitter >= 0 && jitter <= 0.5)) throw wrong("jitter", "from 0 to 0.5", jitter);
  const up = initial === "up" || initial === "fully-up";
  const needed = initial.startsWith("fully") ? up ? fall : rise : 1;
  return {
    policy: { rise, fall, initial, interval, fastInterval, downInterval, jitter },
    up,
    against: 0,
    needed,
    changedAt: now,
    reason: "initially",
    last: undefined,
    checkedAt: undefined,
    changes: 0,
  };
}

/** The state after a result that came at `now`. */
export function stepHealth(state: HealthState, result: CheckResult, now: number): HealthState {
  const seen = { ...state, last: result, checkedAt: now };
  if (result.ours) return seen;
  const { rise, fall } = state.policy;
  if (result.ok === state.up) return { ...seen, against: 0, needed: state.up ? fall : rise };
  const against = state.against + 1;
  return against < state.needed ? { ...seen, against } : turned(seen, result, now);
}

/** What to make of real traffic that fails. */
export type OnError = "fast-check" | "fail-check" | "sudden-death" | "mark-down";

/**
 * The state after real traffic has failed too often in a row:
 *
 * - `"fast-check"`: it stays, but is checked soon;
 * - `"fail-check"`: as if a check had failed;
 * - `"sudden-death"`: as if all but one of the checks it takes had failed: the next one decides;
 * - `"mark-down"`: it is down.
 *
 * A server that is down stays as it is.
 */
export function blameHealth(
  state: HealthState,
  onError: OnError,
  detail: string,
  now: number,
): HealthState {
  if (!state.up || onError === "fast-check") return state;
  const result: CheckResult = { ok: false, status: "PASSIVE", detail, duration: 0 };
  switch (onError) {
    case "fail-check":
      return stepHealth(state, result, now);
    case "sudden-death": {
      const against = Math.max(state.against, state.needed - 1);
      return { ...state, last: result, checkedAt: now, against };
    }
    case "mark-down":
      return turned(
        { ...state, last: result, checkedAt: now, against: state.needed - 1 },
        result,
        now,
      );
  }
}

/** How many milliseconds lie between the start of the last check and that of the next. */
export function nextCheck(state: HealthState, random: number): number {
  const { interval, fastInterval, downInterval, jitter } = state.policy;
  const base = state.against > 0 || state.last === undefined
    ? fastInterval
    : state.up
    ? interval
    : downInterval;
  return base * (1 + jitter * (2 * random - 1));
}

/** A state in one line, such as `up 1/3 (initially)` or `down (3/3 L4CON: refused)`. */
export function healthText({ up, against, needed, reason }: HealthState): string {
  const doubt = against === 0 ? "" : ` ${against}/${needed}`;
  return `${up ? "up" : "down"}${doubt} (${reason})`;
}

function turned(state: HealthState, result: CheckResult, now: number): HealthState {
  const { policy, up, needed, changes } = state;
  return {
    ...state,
    up: !up,
    against: 0,
    needed: up ? policy.rise : policy.fall,
    changedAt: now,
    reason: `${needed}/${needed} ${resultText(result)}`,
    changes: changes + 1,
  };
}

/** A result in one line: `L4CON: refused`. */
export function resultText({ status, detail }: CheckResult): string {
  return detail === "" ? status : `${status}: ${detail}`;
}

function wrong(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot check as '${name}' must be ${rule}: current value is ${value}`);
}
