/** Links, and the API, in a process that runs out of descriptors. */

import { assertEquals } from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { serveTcp } from "../../lib/server/mod.ts";
import { chunks, readExact, writeAll } from "../../lib/stream/mod.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";

async function roundTrip(conn: Deno.TcpConn): Promise<void> {
  await writeAll(conn, Uint8Array.of(7));
  assertEquals(await readExact(conn, 1), Uint8Array.of(7));
}

/** Opens more connections than the process can have, until nobody is answered any more. */
async function starve(addr: TcpAddr): Promise<void> {
  const crowd = await Promise.all(Array.from({ length: 100 }, () => Deno.connect(addr)));
  for (const conn of crowd) conn.close();
}

/** Comes again for as long as those who came before have all the descriptors. */
async function served(addr: TcpAddr): Promise<void> {
  try {
    using conn = await Deno.connect(addr);
    await roundTrip(conn);
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    await served(addr);
  }
}

for (const more of [[], ["--fast"]]) {
  const name = `a link ${more.join(" ")} serves again after a famine of descriptors`;
  needs({ run: ["sh", "deno"] }, name, async () => {
    await using server = serveTcp({}, async (conn) => {
      for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
    });
    const program = ["run", "--no-check", "--allow-net", "cmd/faults.ts", "--listen", "0"];
    const args = [Deno.execPath(), ...program, "--to", formatAddr(server.addr), ...more];
    await using script = startProgram("sh", ["-c", 'ulimit -n 64 && exec "$0" "$@"', ...args]);
    const addr = { ...await script.addr(), transport: "tcp" } as const;
    using before = await Deno.connect(addr);
    await roundTrip(before);
    await starve(addr);
    await roundTrip(before);
    await served(addr);
  });
}

needs({ run: ["sh", "deno"] }, "the API outlives a famine of descriptors", async () => {
  const program = ["run", "--no-check", "--allow-net", "cmd/faults.ts", "--control", "0"];
  const args = [Deno.execPath(), ...program];
  await using script = startProgram("sh", ["-c", 'ulimit -n 64 && exec "$0" "$@"', ...args]);
  const addr = { ...await script.addr(), transport: "tcp" } as const;
  const connecting = Array.from({ length: 100 }, () => Deno.connect(addr));
  const crowd = await Promise.allSettled(connecting); // some may be refused
  await script.logged(/the API is not served for a while: .*Too many open files/);
  for (const conn of crowd) if (conn.status === "fulfilled") conn.value.close();
  const version = async (): Promise<number> => {
    try {
      const answer = await fetch(`http://127.0.0.1:${addr.port}/version`);
      await answer.body?.cancel();
      return answer.status;
    } catch {
      return await version(); // until it listens again
    }
  };
  assertEquals(await version(), 200);
});
