// deno-lint-ignore-file no-console
/** How a server under test speaks to the bench: its port first, then what it used when asked. */

import process from "node:process";
import { getHeapSpaceStatistics } from "node:v8";

/** Says the port, then answers each line on standard input with memory and CPU time. */
export async function answer(port: number): Promise<void> {
  console.log(port);
  for await (const _ of Deno.stdin.readable) {
    const { user, system } = process.cpuUsage();
    const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
    console.log(JSON.stringify({
      cpu: (user + system) / 1e6,
      rss: Deno.memoryUsage().rss,
      young: young?.physical_space_size,
    }));
  }
}
