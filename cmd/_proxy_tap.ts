/**
 * Shows on standard output what goes through a proxy, as text or as a hex dump; and looking on
 * that ends by itself when it cannot go on.
 *
 * @module
 */

import { hexLines, textLines } from "../lib/proxy/tap_text.ts";
import type { Tap } from "../lib/proxy/tap.ts";
import type { ProxyClient } from "../lib/proxy/upstream.ts";
import { explainLine } from "../lib/errors.ts";
import { type Io, type Log, OutputClosedError } from "./_cli.ts";

/** Makes a tap for each client: `→` is from it to the server, `←` is back. */
export function printingTap(how: "text" | "hex", io: Io): (client: ProxyClient) => Tap {
  return ({ id }) => {
    const seen = { up: 0, down: 0 };
    return async (way, bytes) => {
      const head = `#${id} ${way === "up" ? "→" : "←"} `;
      const lines = bytes === null
        ? ["FIN"]
        : how === "text"
        ? textLines(bytes)
        : hexLines(bytes, seen[way]);
      seen[way] += bytes?.length ?? 0;
      await io.print(lines.map((line) => `${head}${line}\n`).join(""));
    };
  };
}

/**
 * The same taps, until one fails, as when nobody reads the output or the disk is full: then `what`
 * has ended, which is told once. The clients have no part in it, so their connections go on.
 */
export function whileItWorks(
  make: (client: ProxyClient) => Tap,
  what: string,
  log: Log,
): (client: ProxyClient) => Tap {
  let ended = false;
  return (client) => {
    const tap = make(client);
    return async (way, bytes) => {
      if (ended) return;
      try {
        await tap(way, bytes);
      } catch (error) {
        if (ended) return;
        ended = true;
        const why = error instanceof OutputClosedError
          ? "nobody reads the output any more"
          : explainLine(error);
        log.error("{what} has ended, and connections go on: {why}", { what, why });
      }
    };
  };
}
