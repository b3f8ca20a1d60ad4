/**
 * Source hash: the same client, the same server, as long as that is there. When a server
 * leaves, its clients are spread over the others, and nobody else moves; when one joins, it
 * takes its share, and nobody moves between the others.
 *
 * This is rendezvous hashing: each server bids for the client with a number that only the
 * two of them determine, and the highest bid wins. Bids are made so that servers win in
 * proportion to their weights (Schindelhauer and Schomaker, 2005), and so that a change of
 * weight moves no more clients than it must.
 *
 * @module
 */

import type { Candidate, Chooser } from "./balance_chooser.ts";

/** Has no memory: two balancers with the same servers agree. */
export const sourceHash: Chooser = {
  choose(candidates, { key }) {
    let best = candidates[0]!;
    let highest = -Infinity;
    for (const candidate of candidates) {
      const bid = candidate.weight / -Math.log(unit(candidate, key));
      if (bid > highest) {
        best = candidate;
        highest = bid;
      }
    }
    return best;
  },
};

/** A number between 0 and 1, neither of them included, that looks like one of the dice. */
function unit({ id }: Candidate, key: string): number {
  return (hash(key, hash(id, 0)) + 0.5) / 2 ** 32;
}

/** FNV-1a over UTF-16, then murmur3's finalizer, which makes near keys far. */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
