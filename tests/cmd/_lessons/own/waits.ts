#!/usr/bin/env -S deno run --allow-run=unshare
/**
 * A lesson in its own network that waits until it is ended
 *
 * Chapter §1: Made to go wrong
 *
 * @module
 */

import { run } from "../../../../cmd/_cli.ts";
import { inOwnNetwork } from "../../../../cmd/scenarios/_own_network.ts";
import { scenario } from "../../../../cmd/scenarios/_scenario.ts";

export const main = inOwnNetwork(
  import.meta,
  "ip link set lo up",
  (network) =>
    scenario(import.meta, async (lab) => {
      lab.check("it has its own network", network, { own: true });
      await new Promise(() => {});
    }),
);

if (import.meta.main) await run(main, import.meta);
