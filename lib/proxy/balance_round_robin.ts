/**
 * Smooth weighted round robin: in turn, the heavier the more often, and never in bursts.
 * With weights 5, 1 and 1 it goes a a b a c a a, not a a a a a b c.
 *
 * Each turn, every candidate gains its weight in credit; the richest is chosen, and pays
 * for all of them.
 *
 * @module
 */

import type { Candidate, Chooser } from "./balance_chooser.ts";

/** Remembers whose turn it is. */
export class RoundRobin implements Chooser {
  readonly #credit = new Map<string, number>();

  /** The one whose turn it is. Equals take their turns in the order that they stand in. */
  choose(candidates: readonly Candidate[]): Candidate {
    let total = 0;
    let richest = candidates[0]!;
    let most = -Infinity;
    for (const candidate of candidates) {
      const credit = (this.#credit.get(candidate.id) ?? 0) + candidate.weight;
      this.#credit.set(candidate.id, credit);
      total += candidate.weight;
      if (credit > most) {
        richest = candidate;
        most = credit;
      }
    }
    this.#credit.set(richest.id, most - total);
    return richest;
  }

  /** Drops the credit: who was away for long must not be flooded for it, nor shunned. */
  forget(id: string): void {
    this.#credit.delete(id);
  }
}
