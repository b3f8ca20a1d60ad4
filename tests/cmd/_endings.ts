/**
 * A script that ends as it is told to.
 *
 *     _endings.ts failure|bug|system|dial|net|much|log|seven|interrupt
 *
 * @module
 */

import { FailureError, type Io, run } from "../../cmd/_cli.ts";
import { choice } from "../../cmd/_flag.ts";
import { parseFlags } from "../../cmd/_flags.ts";
import { need } from "../../cmd/_permissions.ts";
import { dial } from "../../lib/client/dial.ts";

async function main(args: string[], { print, log, interrupted }: Io): Promise<number | void> {
  const { HOW } = parseFlags(args, {}, {
    HOW: choice(["failure", "bug", "system", "dial", "net", "much", "log", "seven", "interrupt"]),
  });
  switch (HOW) {
    case "failure":
      throw new FailureError("it did not work");
    case "bug":
      throw new TypeError("nobody foresaw this");
    case "system":
      throw new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)");
    case "dial":
      return void await dial("127.0.0.1:9");
    case "net":
      return need({ kind: "net", to: "127.0.0.1:9" });
    case "much":
      for (let i = 0; i < 1_000_000; i++) await print(`line ${i}\n`);
      return;
    case "log":
      log.info("a fact: {fact}", { fact: "\x1b[31mred\nnew line" });
      return await print("data\n");
    case "seven":
      return 7;
    case "interrupt":
      await print("waiting\n");
      await new Promise((resolve) => {
        if (interrupted.aborted) resolve(undefined);
        else interrupted.addEventListener("abort", resolve);
      });
      throw interrupted.reason;
  }
}

if (import.meta.main) await run(main, import.meta);
