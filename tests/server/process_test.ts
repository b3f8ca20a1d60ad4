/** What a server does to its process, and a process to its server. */

import { assert, assertEquals } from "@std/assert";
import { type TcpAddr, tcpAddr } from "../../lib/addr.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";
import { readExact, writeAll } from "../../lib/stream/conn.ts";
import { BYTE, roundTrip } from "./_served.ts";

const CROWD = ["run", "--quiet", "--no-prompt", "--allow-net=127.0.0.1", "tests/server/_crowd.ts"];

/** Starts the server of _crowd.ts, with at most `descriptors` if that is given. */
function startCrowd(args: readonly string[], descriptors?: number) {
  if (descriptors === undefined) return startProgram(Deno.execPath(), [...CROWD, ...args]);
  const limited = `ulimit -n ${descriptors} && exec "$0" "$@"`;
  return startProgram("sh", ["-c", limited, Deno.execPath(), ...CROWD, ...args]);
}

async function addrOf(crowd: ReturnType<typeof startCrowd>): Promise<TcpAddr> {
  const [, port] = await crowd.printed(/listening on (\d+)/);
  return tcpAddr("127.0.0.1", Number(port));
}

needs({ run: ["sh", "deno"] }, "TcpServer outlives a famine of descriptors", async () => {
  await using crowd = startCrowd([], 64);
  const addr = await addrOf(crowd);
  const clients = await Promise.all(Array.from({ length: 100 }, () => Deno.connect(addr)));
  await crowd.printed(/acceptError in 5 ms: Error: Too many open files/);
  await crowd.printed(/acceptError in 10 ms/);
  await roundTrip(clients[0]!);
  for (const client of clients.splice(0, 80)) client.close();
  for (const client of clients) await roundTrip(client);
  using late = await Deno.connect(addr);
  await roundTrip(late);
  for (const client of clients) client.close();
});

needs(
  { run: ["sh", "deno"] },
  "TcpServer has a descriptor again when a client leaves",
  async () => {
    await using crowd = startCrowd(["--frozen"], 64);
    const addr = await addrOf(crowd);
    const clients = await Promise.all(Array.from({ length: 100 }, () => Deno.connect(addr)));
    await crowd.printed(/acceptError in 5 ms/); // which will never be over
    while (clients.length > 0) {
      await roundTrip(clients[0]!);
      clients.shift()!.close();
    }
  },
);

/** Both processes need a descriptor for each of 5,000 clients, and some more. */
const ENOUGH = 5_200;

needs({ run: ["sh", "deno"] }, "TcpServer serves 5,000 idle clients", async () => {
  const limit = await startProgram("sh", ["-c", "ulimit -Hn"], "").output();
  assert(limit.trim() === "unlimited" || Number(limit) >= ENOUGH, `ulimit -Hn is ${limit}`);
  await using crowd = startCrowd([]);
  const addr = await addrOf(crowd);
  const clients: Deno.TcpConn[] = [];
  while (clients.length < 5_000) {
    const batch = await Promise.all(Array.from({ length: 100 }, () => Deno.connect(addr)));
    clients.push(...batch);
  }
  await Promise.all(clients.map(roundTrip));
  await Promise.all(clients.map(roundTrip));
  for (const client of clients) client.close();
});

needs({ run: ["deno"] }, "TcpServer.unref() lets the process end", async () => {
  await using crowd = startCrowd(["--unref"]);
  assertEquals((await crowd.ended()).code, 0);
});

for (const when of ["early", "later"]) {
  needs({ run: ["deno"] }, `TcpServer.unref() ${when} lets go of connections too`, async () => {
    await using crowd = startCrowd([`--unref-${when}`]);
    using client = await Deno.connect(await addrOf(crowd));
    await crowd.printed(/accepted/);
    assertEquals((await crowd.ended()).code, 0);
    assertEquals(await client.read(new Uint8Array(1)), null);
  });
}

needs({ run: ["deno"] }, "TcpServer.ref() keeps the process alive again", async () => {
  await using crowd = startCrowd(["--unref", "--ref"]);
  using client = await Deno.connect(await addrOf(crowd));
  await roundTrip(client);
});

needs({ run: ["deno"] }, "TcpServer keeps the process alive while it is suspended", async () => {
  await using crowd = startCrowd(["--suspend"]);
  const addr = await addrOf(crowd);
  await crowd.printed(/suspended/);
  using client = await Deno.connect(addr);
  await writeAll(client, BYTE);
  crowd.kill("SIGUSR1");
  assertEquals(await readExact(client, 1), BYTE);
});

needs(
  { run: ["deno"] },
  "TcpServer.unref() lets the process end while it is suspended",
  async () => {
    await using crowd = startCrowd(["--suspend", "--unref"]);
    assertEquals((await crowd.ended()).code, 0);
  },
);

needs(
  { run: ["deno"] },
  "TcpServer.unref() lets go of a process that is kept alive so",
  async () => {
    await using crowd = startCrowd(["--suspend", "--unref-later"]);
    const addr = await addrOf(crowd);
    await crowd.printed(/suspended/);
    using _client = await Deno.connect(addr);
    crowd.kill("SIGUSR1");
    assertEquals((await crowd.ended()).code, 0);
  },
);
