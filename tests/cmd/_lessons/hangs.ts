#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A lesson that waits for a byte that nobody sends
 *
 * Chapter §2.3: Made to go wrong
 *
 * @module
 */

import { run } from "../../../cmd/_cli.ts";
import { scenario } from "../../../cmd/scenarios/_scenario.ts";

export const main = scenario(import.meta, async (lab) => {
  lab.check("one is one", 1, 1);
  await using server = lab.serve(async (conn) => void await conn.read(new Uint8Array(1)));
  using client = await lab.dial(server.addr);
  await client.read(new Uint8Array(1));
}, { deadline: 200 });

if (import.meta.main) await run(main, import.meta);
