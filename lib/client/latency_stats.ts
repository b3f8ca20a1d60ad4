/**
 * What a series of probes says of a server: how long it takes, how much that varies, how much
 * was lost. Decided without a clock.
 *
 * @example
 * ```ts
 * import { LatencyStats } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * const stats = new LatencyStats();
 * stats.add({ started: 0, ended: 10, connect: 10 });
 * stats.add({ started: 1000, ended: 1014, connect: 14 });
 * stats.add({ started: 2000, ended: 4000, error: new Error("nobody answered") });
 *
 * const { sent, answered, loss, connect, longestOutage } = stats.summary();
 * assertEquals([sent, answered, loss], [3, 2, 1 / 3]);
 * assertEquals(connect, { count: 2, min: 10, avg: 12, p50: 10, p95: 14, max: 14, jitter: 4 });
 * assertEquals(longestOutage, { started: 2000, ended: 4000, probes: 1, over: false });
 * ```
 *
 * @module
 */

/** What one probe found. Times are milliseconds. */
export interface LatencySample {
  /** When it started, on any clock that never goes back. */
  readonly started: number;
  /** When it ended, on the same clock. */
  readonly ended: number;
  /** How long the name took; missing if it was not looked up this time. */
  readonly resolve?: number;
  /** How long the handshake with the address that answered took; missing if none did. */
  readonly connect?: number;
  /** From the connection to the peer's first byte; missing if it was not waited for. */
  readonly firstByte?: number;
  /** Why it failed; missing if it did not. */
  readonly error?: unknown;
}

/** How a time is spread, in milliseconds. */
export interface TimeSpread {
  /** How many were measured. */
  readonly count: number;
  /** The least. */
  readonly min: number;
  /** The mean. */
  readonly avg: number;
  /** The least that half of them do not exceed: a time that was measured, not one between two. */
  readonly p50: number;
  /** The least that 95 % of them do not exceed. */
  readonly p95: number;
  /** The most. */
  readonly max: number;
  /**
   * The mean difference of one to the next, whichever is more; 0 for a single one. It is not
   * the estimate of RFC 3550, section 6.4.1, which forgets all but the last few.
   */
  readonly jitter: number;
}

/** A time in which no probe succeeded. */
export interface Outage {
  /** When the first probe that failed started. */
  readonly started: number;
  /** When the first one that succeeded again ended, or the last one that failed. */
  readonly ended: number;
  /** How many failed in a row. */
  readonly probes: number;
  /** Whether one has succeeded since. */
  readonly over: boolean;
}

/** All that is known. */
export interface LatencySummary {
  /** Probes that have ended. */
  readonly sent: number;
  /** Those that succeeded. */
  readonly answered: number;
  /** The share of those that failed, from 0 to 1; 0 if there was none. */
  readonly loss: number;
  /** How long names took; missing if none was looked up with success. */
  readonly resolve?: TimeSpread;
  /** How long handshakes took, also those of probes that failed later. */
  readonly connect?: TimeSpread;
  /** How long the first bytes took. */
  readonly firstByte?: TimeSpread;
  /** The longest time without a success, of equals the first; missing if all succeeded. */
  readonly longestOutage?: Outage;
}

type Kind = "resolve" | "connect" | "firstByte";

const KINDS: readonly Kind[] = ["resolve", "connect", "firstByte"];

/** Gathers samples. It keeps every time, which is eight bytes for each. */
export class LatencyStats {
  readonly #times: Readonly<Record<Kind, Times>> = {
    resolve: new Times(),
    connect: new Times(),
    firstByte: new Times(),
  };
  #sent = 0;
  #answered = 0;
  #longest: Outage | undefined;
  #running: Outage | undefined;

  /** Takes a probe into account; they are added in the order of their starts. */
  add(sample: LatencySample): void {
    this.#sent++;
    for (const kind of KINDS) {
      const time = sample[kind];
      if (time !== undefined) this.#times[kind].add(time);
    }
    const { started, ended } = sample;
    if ("error" in sample) {
      const before = this.#running ?? { started, probes: 0 };
      this.#running = { ...before, ended, probes: before.probes + 1, over: false };
      this.#compare(this.#running);
      return;
    }
    this.#answered++;
    if (this.#running !== undefined) this.#compare({ ...this.#running, ended, over: true });
    this.#running = undefined;
  }

  /** What is known so far. */
  summary(): LatencySummary {
    const [sent, answered] = [this.#sent, this.#answered];
    const spreads = KINDS.filter((kind) => this.#times[kind].count > 0)
      .map((kind) => [kind, this.#times[kind].spread()]);
    return {
      ...{ sent, answered, loss: sent === 0 ? 0 : (sent - answered) / sent },
      ...Object.fromEntries(spreads),
      ...this.#longest && { longestOutage: this.#longest },
    };
  }

  #compare(outage: Outage): void {
    const length = (one: Outage) => one.ended - one.started;
    const longest = this.#longest;
    // Of the same outage, what was said last is true.
    const same = longest?.started === outage.started;
    if (longest === undefined || same || length(outage) > length(longest)) this.#longest = outage;
  }
}

/** Times of one kind. */
class Times {
  readonly #times: number[] = [];
  #sum = 0;
  #changes = 0;

  get count(): number {
    return this.#times.length;
  }

  add(time: number): void {
    const last = this.#times.at(-1);
    if (last !== undefined) this.#changes += Math.abs(time - last);
    this.#times.push(time);
    this.#sum += time;
  }

  spread(): TimeSpread {
    const sorted = Float64Array.from(this.#times).sort();
    const count = sorted.length;
    const percentile = (share: number) => sorted[Math.ceil(share * count) - 1]!;
    return {
      ...{ count, min: sorted[0]!, avg: this.#sum / count },
      ...{ p50: percentile(0.5), p95: percentile(0.95), max: sorted[count - 1]! },
      jitter: count > 1 ? this.#changes / (count - 1) : 0,
    };
  }
}
