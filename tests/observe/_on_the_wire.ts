/** Tests that capture: ignored, with the reason, where nobody may. */

import { capture } from "../../lib/observe/wire.ts";
import { needs } from "../_needs.ts";

/** Why nobody may capture here; nothing for root, or who has been given the right to. */
async function whyNot(): Promise<string | undefined> {
  const { state } = Deno.permissions.querySync({ name: "run", command: "tcpdump" });
  if (state !== "granted") return "needs --allow-run=tcpdump";
  const wire = await capture({ ports: [1] });
  if (!wire.available) return wire.why;
  await wire[Symbol.asyncDispose]();
  return undefined;
}

const blind = await whyNot();

/** A test on a real wire. */
export function onTheWire(name: string, fn: () => Promise<void>): void {
  if (blind === undefined) needs({ run: ["tcpdump"] }, name, fn);
  else Deno.test({ name: `${name} [ignored: ${blind}]`, ignore: true, fn });
}
