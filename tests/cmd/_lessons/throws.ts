#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A lesson that stumbles
 *
 * Chapter §2.10: Made to go wrong
 *
 * @module
 */

import { run } from "../../../cmd/_cli.ts";
import { scenario } from "../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  lab.check("one is one", 1, 1);
  const server = lab.serve(async () => {});
  await server[Symbol.asyncDispose]();
  await lab.dial(server.addr);
});

if (import.meta.main) await run(main, import.meta);
