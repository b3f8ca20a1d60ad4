/**
 * Happy Eyeballs (RFC 8305), decided without I/O: told what the resolver answered and
 * what became of each attempt, a plan says which address to try next, and when.
 *
 * @example A comes first: it waits for AAAA, which is then tried before it
 * ```ts
 * import { EyeballsPlan } from "@tcplab/tcplab/client";
 * import { assertEquals } from "@std/assert";
 *
 * const plan = new EyeballsPlan();
 * plan.answered(4, ["192.0.2.1"], 0);
 * assertEquals(plan.next(0), { do: "wait", until: 50 }); // Resolution Delay
 * plan.answered(6, ["2001:db8::1"], 20);
 * assertEquals(plan.next(20), { do: "try", address: "2001:db8::1", family: 6 });
 * assertEquals(plan.next(20), { do: "wait", until: 270 }); // Connection Attempt Delay
 * plan.failed(30);
 * assertEquals(plan.next(30), { do: "try", address: "192.0.2.1", family: 4 });
 * ```
 *
 * @module
 */

/** An address family: IPv4 or IPv6. */
export type Family = 4 | 6;

/** How a race over the addresses of a name is run: the values that RFC 8305, section 8, names. */
export interface EyeballsOptions {
  /**
   * Connection Attempt Delay: how long an attempt is alone before the next address is
   * tried beside it, in milliseconds. At least 10, as the RFC demands; it recommends 100
   * to 2000. `Infinity` tries one address after another.
   *
   * @default {250}
   */
  attemptDelay?: number;
  /**
   * Resolution Delay: how long addresses of the other family wait for those of the
   * preferred one, in milliseconds, 0 or more.
   *
   * @default {50}
   */
  resolutionDelay?: number;
  /**
   * First Address Family Count: how many addresses of the preferred family are tried
   * before the families take turns, 1 or more.
   *
   * @default {1}
   */
  firstFamilyCount?: number;
  /**
   * The family that is tried first.
   *
   * @default {6}
   */
  prefer?: Family;
}

/** What to do next. */
export type EyeballsStep =
  /** Connect to this address now. */
  | { readonly do: "try"; readonly address: string; readonly family: Family }
  /** Ask again at that time, or once something has happened; `Infinity` is the latter alone. */
  | { readonly do: "wait"; readonly until: number }
  /** Every address has failed, and none will come. */
  | { readonly do: "give up" };

/**
 * The course of one race. Its caller looks both families up at once, AAAA first, and tells
 * it what happens; times are milliseconds on any clock that never goes back.
 *
 * - A first answer of the other family waits {@linkcode EyeballsOptions.resolutionDelay}
 *   for the preferred one (section 3); an answer without addresses, or a failed lookup,
 *   ends that wait.
 * - Families take turns (section 4). Within each, the resolver's order stays: getaddrinfo
 *   has sorted it by RFC 6724. What comes late takes its place in the turns; no address is
 *   tried twice.
 * - Two attempts start {@linkcode EyeballsOptions.attemptDelay} apart (section 5), but for
 *   one start at once for each attempt that fails.
 */
export class EyeballsPlan {
  readonly #delay: number;
  readonly #patience: number;
  readonly #firstCount: number;
  readonly #prefer: Family;
  /** Addresses not yet tried; a family that has not answered has no list. */
  readonly #waiting = new Map<Family, string[]>();
  readonly #known = new Set<string>();
  #turn: Family;
  #ofPreferred = 0;
  #flying = 0;
  /** When the next attempt may start: at once, until one has. */
  #due = -Infinity;
  /** Until when the addresses of the other family wait for the preferred one's. */
  #held = -Infinity;

  /**
   * Makes a plan that nothing has been told yet.
   *
   * @throws {RangeError} If a number is out of its range.
   */
  constructor(options: EyeballsOptions = {}) {
    const { attemptDelay = 250, resolutionDelay = 50 } = options;
    const { firstFamilyCount = 1, prefer = 6 } = options;
    checkEyeballs(options);
    this.#delay = attemptDelay;
    this.#patience = resolutionDelay;
    this.#firstCount = firstFamilyCount;
    this.#turn = this.#prefer = prefer;
  }

  /** The lookup of `family` has ended; one that failed has no addresses. A second answer adds to it. */
  answered(family: Family, addresses: readonly string[], now: number): void {
    const list = this.#waiting.get(family) ?? [];
    this.#waiting.set(family, list);
    for (const address of addresses) {
      if (this.#known.has(address)) continue;
      this.#known.add(address);
      list.push(address);
    }
    if (family === this.#prefer) this.#held = -Infinity;
    else if (!this.#waiting.has(this.#prefer)) this.#held = now + this.#patience;
  }

  /** An attempt has failed: the next one need not wait. */
  failed(now: number): void {
    this.#flying--;
    this.#due = Math.min(this.#due, now);
  }

  /** What to do at `now`. To be asked again after each `"try"`, and after each event. */
  next(now: number): EyeballsStep {
    const family = this.#whoseTurn();
    if (family === undefined) {
      const over = this.#flying === 0 && this.#waiting.size === 2;
      return over ? { do: "give up" } : { do: "wait", until: Infinity };
    }
    const until = Math.max(this.#due, this.#held);
    if (until > now) return { do: "wait", until };
    const address = this.#waiting.get(family)!.shift()!;
    this.#due = now + this.#delay;
    this.#flying++;
    this.#pass(family);
    return { do: "try", address, family };
  }

  /** The family whose turn it is, or the one that has an address; `undefined` if none has. */
  #whoseTurn(): Family | undefined {
    return [this.#turn, other(this.#turn)].find((family) => this.#waiting.get(family)?.length);
  }

  /** An address of `family` is tried: the turn passes, unless it is one of the first. */
  #pass(family: Family): void {
    if (family === this.#prefer) this.#ofPreferred++;
    const stays = family === this.#prefer && this.#ofPreferred < this.#firstCount;
    this.#turn = stays ? family : other(family);
  }
}

/**
 * Checks the options of a plan, before there is one.
 *
 * @throws {RangeError} If a number is out of its range.
 */
export function checkEyeballs(options: EyeballsOptions): void {
  const { attemptDelay = 10, resolutionDelay = 0, firstFamilyCount = 1, prefer = 6 } = options;
  if (!(attemptDelay >= 10)) throw outOfRange("attemptDelay", ">= 10", attemptDelay);
  if (!(resolutionDelay >= 0)) throw outOfRange("resolutionDelay", ">= 0", resolutionDelay);
  if (!(firstFamilyCount >= 1)) throw outOfRange("firstFamilyCount", ">= 1", firstFamilyCount);
  if (prefer !== 4 && prefer !== 6) throw outOfRange("prefer", "4 or 6", prefer);
}

function other(family: Family): Family {
  return family === 6 ? 4 : 6;
}

function outOfRange(name: string, rule: string, value: number): RangeError {
  return new RangeError(`Cannot dial as '${name}' must be ${rule}: current value is ${value}`);
}
