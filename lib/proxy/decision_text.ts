/**
 * A decision of the balancer in one line, for a log.
 *
 * @module
 */

import type { CandidateReport, Decision } from "./balancer.ts";

/**
 * Who was chosen, how, and what speaks for or against each server, such as
 * `b by least-conns among primary: a passed over (weight 1, 4 active), b chosen (weight 1,
 * 2 active), c down`; or why nobody was, such as `nobody (all down): a down`.
 */
export function decisionText({ lease, refusal, explain }: Decision<unknown>): string {
  const { algorithm, tier, candidates } = explain;
  const head = lease ? `${lease.id} by ${algorithm} among ${tier}` : `nobody (${refusal})`;
  return `${head}: ${candidates.map(reportText).join(", ") || "none"}`;
}

function reportText({ id, verdict, weight, active, limit }: CandidateReport): string {
  if (limit !== undefined) return `${id} ${verdict} (limit ${limit})`;
  if (weight === undefined) return `${id} ${verdict}`;
  return `${id} ${verdict} (weight ${Math.round(weight * 1000) / 1000}, ${active} active)`;
}
