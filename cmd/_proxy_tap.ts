/**
 * Shows on standard output what goes through a proxy, as text or as a hex dump.
 *
 * @module
 */

import { hexLines, textLines } from "../lib/proxy/tap_text.ts";
import type { Tap } from "../lib/proxy/tap.ts";
import type { ProxyClient } from "../lib/proxy/upstream.ts";
import type { Io } from "./_cli.ts";

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
