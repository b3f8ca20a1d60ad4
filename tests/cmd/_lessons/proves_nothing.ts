#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A lesson without a claim
 *
 * Chapter §2.1: Made to go wrong
 *
 * @module
 */

import { run } from "../../../cmd/_cli.ts";
import { scenario } from "../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  await using server = lab.serve(async () => {});
  using _client = await lab.dial(server.addr);
});

if (import.meta.main) await run(main, import.meta);
