import { assertEquals, assertRejects } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { flagsText, segments } from "../../lib/observe/mod.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { onTheWire } from "./_on_the_wire.ts";
import { ask, STANDING_IN } from "./_tools.ts";
import { needs } from "../_needs.ts";

onTheWire("segments() yields what passes, until the loop is left", async () => {
  await using server = serveTcp({}, async (conn) => {
    await writeAll(conn, await readToEnd(conn));
  });
  const flags: string[] = [];
  let data: Uint8Array | undefined;
  const watching = (async () => {
    for await (const segment of segments(server.addr.port)) {
      flags.push(flagsText(segment));
      if (segment.length === 0) continue;
      data = segment.data;
      break;
    }
  })();
  // Nobody is told when the capture has begun, so clients come until one has been seen.
  while (data === undefined) {
    using client = await dial(server.addr);
    await writeAll(client, new TextEncoder().encode("hello"));
    await client.closeWrite();
    await readToEnd(client);
  }
  await watching;
  assertEquals(new TextDecoder().decode(data), "hello");
  assertEquals(flags.at(-1), "PSH-ACK");
});

onTheWire("segments() ends with its signal's reason, also while nothing passes", async () => {
  const reason = new Error("enough");
  const aborted = new AbortController();
  const { signal } = aborted;
  const waiting = segments(1, { signal }).next();
  aborted.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
});

Deno.test("segments() refuses a port that is none", async () => {
  await assertRejects(() => segments(0).next(), RangeError, "current value is [0]");
});

needs(STANDING_IN, "segments() says why nothing can be seen", async () => {
  assertEquals(await ask("segments"), {
    name: "Error",
    message: "Cannot see segments of port 80: tcpdump is not installed",
  });
});

needs(STANDING_IN, "segments() ends when tcpdump does", async () => {
  const tcpdump = "echo listening on lo >&2";
  assertEquals(await ask("segments", { tools: { tcpdump } }), { is: [] });
});
