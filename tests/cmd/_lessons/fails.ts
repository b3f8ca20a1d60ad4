#!/usr/bin/env -S deno run
/**
 * A lesson with a claim that is not true
 *
 * Chapter §2: Made to go wrong
 *
 * @module
 */

import { run } from "../../../cmd/_cli.ts";
import { scenario } from "../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  await Promise.resolve();
  lab.check("one is one", 1, 1);
  lab.check("one is two", "one", "two");
});

if (import.meta.main) await run(main, import.meta);
