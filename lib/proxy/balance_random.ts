/**
 * The better of two: two servers by the dice, the heavier the likelier, and of them the one
 * with fewer connections for its weight. As good as looking at all of them, nearly, and
 * balancers that know nothing of each other do not all pick the same one.
 *
 * @module
 */

import type { Asked, Candidate, Chooser } from "./balance_chooser.ts";
import { lighter } from "./balance_least_conns.ts";

/** Rolls twice. */
export class RandomOfTwo implements Chooser {
  /** The better of two different ones; the first of them if there is no difference. */
  choose(candidates: readonly Candidate[], { random }: Asked): Candidate {
    const one = drawn(candidates, random());
    const others = candidates.filter((candidate) => candidate !== one);
    if (others.length === 0) return one;
    return lighter(drawn(others, random()), one) ?? one;
  }
}

function drawn(candidates: readonly Candidate[], random: number): Candidate {
  let left = random * candidates.reduce((sum, { weight }) => sum + weight, 0);
  for (const candidate of candidates) {
    left -= candidate.weight;
    if (left < 0) return candidate;
  }
  return candidates.at(-1)!; // what rounding has left over
}
