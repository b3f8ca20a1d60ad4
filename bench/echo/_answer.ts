// deno-lint-ignore-file no-console
/** How a server under test speaks to the bench: its port first, then what it used when asked. */

import process from "node:process";

/** Says the port, then answers each line on standard input with memory and CPU time. */
export async function answer(port: number): Promise<void> {
  console.log(port);
  for await (const _ of Deno.stdin.readable) {
    const { user, system } = process.cpuUsage();
    console.log(JSON.stringify({ rss: Deno.memoryUsage().rss, cpu: (user + system) / 1e6 }));
  }
}
