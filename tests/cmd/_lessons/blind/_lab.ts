#!/usr/bin/env -S deno run --allow-run=deno --allow-read=tests/cmd/_lessons
/**
 * The lab, with lessons that were made to go wrong.
 *
 * @module
 */

import { run } from "../../../../cmd/_cli.ts";
import { lab } from "../../../../cmd/lab.ts";

if (import.meta.main) {
  await run((args, io) => lab(new URL("./", import.meta.url), args, io), import.meta);
}
