/** Asks the kernel or the wire as its argument says, and prints what came of it: see _tools.ts. */

import { counters, sockets } from "../../lib/observe/kernel.ts";
import { segments } from "../../lib/observe/segments.ts";
import { capture } from "../../lib/observe/wire.ts";
import { seededWorld } from "../../lib/world.ts";

const QUESTIONS: Record<string, () => Promise<unknown>> = {
  sockets: async () => (await sockets()).map(({ state }) => state),
  processes: async () => (await sockets({}, { processes: true })).map((it) => it.processes),
  timeWait: async () => (await sockets({ states: ["TIME-WAIT"] })).map(({ state }) => state),
  counters: () => counters(["TcpExtListenOverflows", "TcpExtListenDrops"]),
  // The clock does not wait.
  impatient: () => capture({ ports: [80], world: seededWorld(1, { auto: true }) }),
  segments: () => Array.fromAsync(segments(80)),
  capture: async () => {
    const wire = await capture({ ports: [80] });
    if (!wire.available) return wire;
    await using _ = wire;
    const seen = await wire.until((segments) => segments.length > 0);
    return { seen, segments: wire.segments };
  },
};

async function answer(): Promise<unknown> {
  try {
    return { is: await QUESTIONS[Deno.args[0]!]!() };
  } catch (error) {
    const { name, message, why, tool } = error as Error & { why?: string; tool?: string };
    return { name, message, ...why && { why }, ...tool && { tool } };
  }
}

await Deno.stdout.write(new TextEncoder().encode(JSON.stringify(await answer())));
