/**
 * Least connections: whoever has the fewest for its weight; equals take turns.
 *
 * @module
 */

import type { Candidate, Chooser } from "./balance_chooser.ts";
import { RoundRobin } from "./balance_round_robin.ts";

/** Compares loads; among equals it is smooth weighted round robin. */
export function leastConns(): Chooser {
  const turns = new RoundRobin();
  return {
    choose(candidates) {
      const least = candidates.reduce((best, candidate) => lighter(candidate, best) ?? best);
      const equals = candidates.filter((candidate) => lighter(least, candidate) === undefined);
      return turns.choose(equals);
    },
    forget: (id) => turns.forget(id),
  };
}

/** The one with fewer connections for its weight; `undefined` if there is no difference. */
export function lighter(a: Candidate, b: Candidate): Candidate | undefined {
  // Multiplied crosswise, since quotients that should be equal may not be.
  const difference = a.active * b.weight - b.active * a.weight;
  return difference === 0 ? undefined : difference < 0 ? a : b;
}
