import { assert, assertEquals } from "@std/assert";
import { Outbox } from "../../lib/server/_outbox.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";

const LINE = new TextEncoder().encode(`${"x".repeat(99)}\n`);

Deno.test("Outbox.finish() lets those go on who wait for its reader", async () => {
  const world = seededWorld(1);
  const [reader, ours] = memoryPair({ capacity: 1 });
  const outbox = new Outbox(ours, { slow: "drop", queue: 4096, stallTimeout: Infinity, world });
  for (let i = 0; i < 30; i++) outbox.tell(LINE);
  const { pressed } = outbox;
  assert(pressed, "more than half of the queue waits");
  const finished = outbox.finish(1000);
  await pressed;
  assertEquals([outbox.pressed, world.now()], [undefined, 0]);
  await world.advance(1000);
  await finished.catch(() => {});
  reader[Symbol.dispose]();
});

Deno.test("Outbox.tell() after finish() is not heard", async () => {
  const world = seededWorld(1);
  const [reader, ours] = memoryPair();
  const outbox = new Outbox(ours, { slow: "drop", queue: 4096, stallTimeout: Infinity, world });
  outbox.tell(LINE);
  await outbox.finish(1000);
  outbox.tell(LINE);
  outbox.insist("late");
  await ours.closeWrite();
  const buffer = new Uint8Array(1000);
  assertEquals([await reader.read(buffer), await reader.read(buffer)], [LINE.length, null]);
  for (const conn of [reader, ours]) conn[Symbol.dispose]();
});
