#!/usr/bin/env -S deno run
/**
 * A program that does not end
 *
 * Chapter §1: Made to go wrong
 *
 * @module
 */

const say = (word: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${word}\n`));

Deno.addSignalListener("SIGTERM", () => {
  say("goodbye");
  Deno.exit();
});
setInterval(() => {}, 1_000_000); // keeps it alive
say("ready");
