import { assertEquals } from "@std/assert";
import { Search } from "../../lib/proxy/passage_search.ts";
import type { ConnInfo } from "../../lib/server/session.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { type TcpSocket, TcpStream } from "../../lib/stream/tcp.ts";
import { seededWorld } from "../../lib/world.ts";

Deno.test("Search keeps to the first reason for giving up, however long that takes", async () => {
  const world = seededWorld(1);
  const search = new Search(100, world);
  search.giveUp("lost", "the client reset it");
  await world.advance(200);
  assertEquals([search.outcome, search.signal.reason], ["lost", "the client reset it"]);
  search.settle();
  assertEquals(search.outcome, "lost");
});

Deno.test("Search that is settled is given up by nobody, and holds no timer", async () => {
  const world = seededWorld(1);
  const search = new Search(100, world);
  search.settle();
  search.giveUp("lost", "too late");
  await world.advance(200);
  assertEquals([search.outcome, search.signal.aborted, world.sleepers], ["settled", false, 0]);
});

Deno.test("Search that is over asks nobody for a signal, which would have to be made", () => {
  const search = new Search(100, seededWorld(1));
  search.settle();
  const info = {
    get signal(): AbortSignal {
      throw new Error("nobody needs it");
    },
  } as ConnInfo;
  search.endWith(info, new TcpStream(memoryPair()[0] as unknown as TcpSocket));
});
