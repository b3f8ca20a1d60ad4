/**
 * Whom to choose: the ways that there are.
 *
 * @module
 */

import type { Chooser } from "./balance_chooser.ts";
import { first } from "./balance_first.ts";
import { leastConns } from "./balance_least_conns.ts";
import { RandomOfTwo } from "./balance_random.ts";
import { RoundRobin } from "./balance_round_robin.ts";
import { sourceHash } from "./balance_source_hash.ts";

/** The names of the ways to choose. */
export type Algorithm = "round-robin" | "least-conns" | "random" | "source-hash" | "first";

/** Every {@linkcode Algorithm}. */
export const ALGORITHMS: readonly Algorithm[] = [
  "round-robin",
  "least-conns",
  "random",
  "source-hash",
  "first",
];

/** A chooser with no memory yet. */
export function chooser(algorithm: Algorithm): Chooser {
  switch (algorithm) {
    case "round-robin":
      return new RoundRobin();
    case "least-conns":
      return leastConns();
    case "random":
      return new RandomOfTwo();
    case "source-hash":
      return sourceHash;
    case "first":
      return first;
  }
}
