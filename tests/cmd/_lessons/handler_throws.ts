#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A lesson whose server stumbles
 *
 * Chapter §2.2: Made to go wrong
 *
 * @module
 */

import { run } from "../../../cmd/_cli.ts";
import { scenario } from "../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  lab.check("one is one", 1, 1);
  await using server = lab.serve(() => Promise.reject(new Error("in the handler")));
  using client = await lab.dial(server.addr);
  await client.read(new Uint8Array(1));
  await server.idle();
});

if (import.meta.main) await run(main, import.meta);
