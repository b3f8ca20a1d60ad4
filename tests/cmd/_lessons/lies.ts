#!/usr/bin/env -S deno run
/**
 * A lesson whose word and deed differ
 *
 * Chapter §2.5: Made to go wrong
 *
 * @module
 */

const verdict = { at: 0, who: "", kind: "verdict", ok: true, checks: 1, failed: 0, text: "lies" };
Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(verdict)}\n`));
Deno.exit(3);
