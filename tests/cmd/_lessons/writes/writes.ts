#!/usr/bin/env -S deno run
/**
 * A program that writes beside the file that it is told to write
 *
 * Chapter §1: Made to go wrong
 *
 * @module
 */

const file = Deno.args.find((arg) => arg.startsWith("--svg="))!.slice("--svg=".length);
await Deno.writeTextFile(file, "<svg></svg>\n");
try {
  await Deno.writeTextFile(`${file}.more`, "more");
} catch (error) {
  if (!(error instanceof Deno.errors.NotCapable)) throw error;
  Deno.stdout.writeSync(new TextEncoder().encode(`writes: not ${file}.more\n`));
  Deno.exit(1);
}
