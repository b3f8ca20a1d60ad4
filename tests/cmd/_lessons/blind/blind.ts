#!/usr/bin/env -S deno run
/**
 * A lesson that cannot see everything
 *
 * Chapter §1: Made to look away
 *
 * @module
 */

import { run } from "../../../../cmd/_cli.ts";
import { scenario } from "../../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  await Promise.resolve();
  lab.check("one is one", 1, 1);
  lab.unseen("two is two", "nobody has looked");
});

if (import.meta.main) await run(main, import.meta);
