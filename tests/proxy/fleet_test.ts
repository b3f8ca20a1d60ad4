import { assertEquals, assertRejects } from "@std/assert";
import { Fleet } from "../../lib/proxy/fleet.ts";
import type { CheckResult } from "../../lib/proxy/health_state.ts";
import { parseServerList } from "../../lib/proxy/server_list.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";

const OK: CheckResult = { ok: true, status: "L4OK", detail: "", duration: 0 };
const BAD: CheckResult = { ok: false, status: "L4CON", detail: "refused", duration: 0 };
const context = { signal: new AbortController().signal, enter() {} };
const client = {
  id: 1,
  source: { hostname: "192.0.2.7", port: 1 },
  destination: { hostname: "192.0.2.1", port: 2 },
  peer: { transport: "tcp", hostname: "192.0.2.7", port: 1 },
  peek: () => Promise.resolve(undefined),
} as const;

/** A fleet whose servers are as well as the test says. */
function setUp(list: string, well: Record<string, boolean>, initial: "up" | "down" = "up") {
  const world = seededWorld(1);
  const changes: string[] = [];
  const asked: string[] = [];
  const fleet = new Fleet(parseServerList(list), {
    algorithm: "first",
    world,
    retryDelay: 1,
    open: ({ hostname }) =>
      well[hostname]
        ? Promise.resolve(memoryPair()[0])
        : Promise.reject(new Deno.errors.ConnectionRefused()),
    health: {
      probe: ({ hostname }) => {
        asked.push(hostname);
        return Promise.resolve(well[hostname] ? OK : BAD);
      },
      interval: 1000,
      jitter: 0,
      rise: 2,
      fall: 2,
      initial,
      errorLimit: 3,
    },
    onHealth: (id, { up }) => changes.push(`${id} ${up ? "up" : "down"}`),
  });
  return { world, changes, asked, fleet };
}

Deno.test("a Fleet blames no server when there is no descriptor left here", async () => {
  const error = Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  const fleet = new Fleet(parseServerList("x:1"), {
    open: () => Promise.reject(error),
    retries: 0,
    health: { probe: () => Promise.resolve(OK), errorLimit: 1, onError: "mark-down" },
  });
  await using _ = fleet;
  for (let i = 0; i < 3; i++) await assertRejects(() => fleet.connect(client, context));
  assertEquals(fleet.watch?.state("x:1")?.up, true);
});

Deno.test("a Fleet sends nobody to a server whose checks fail, and everybody back", async () => {
  const well = { x: true, y: true };
  const { world, changes, fleet } = setUp("a=x:1, b=y:1", well);
  const server = async () => (await fleet.connect(client, context)).server;
  assertEquals(await server(), "a");
  well.x = false;
  await world.advance(2000);
  assertEquals([changes, await server()], [["a down"], "b"]);
  well.x = true;
  await world.advance(2000);
  assertEquals([changes, await server()], [["a down", "a up"], "a"]);
  await fleet[Symbol.asyncDispose]();
  assertEquals(world.sleepers, 0);
});

Deno.test("a Fleet learns from real traffic that fails", async () => {
  const well = { x: true, y: true };
  const { world, changes, fleet } = setUp("a=x:1, b=y:1", well);
  await world.advance(1);
  well.x = false;
  for (let i = 0; i < 3; i++) {
    assertEquals((await fleet.connect(client, context)).server, "b");
  }
  // Three in a row are as one failed check, and the next one is made at once.
  await world.advance(0);
  assertEquals(changes, ["a down"]);
  await fleet[Symbol.asyncDispose]();
});

Deno.test("a Fleet forgets failures once real traffic succeeds", async () => {
  const well = { x: true, y: true };
  const { world, changes, fleet } = setUp("a=x:1, b=y:1", well);
  await world.advance(1);
  for (const up of [false, false, true, false, false]) {
    well.x = up;
    assertEquals((await fleet.connect(client, context)).server, up ? "a" : "b");
  }
  await world.advance(0);
  assertEquals(changes, []);
  await fleet[Symbol.asyncDispose]();
});

Deno.test("a Fleet that reloads checks who is new, and no more who is gone", async () => {
  const { world, asked, fleet } = setUp("a=x:1, b=y:1", { x: true, y: true, z: true }, "down");
  await world.advance(1000);
  assertEquals(fleet.balancer.servers.map(({ up }) => up), [true, true]);
  const changes = fleet.reload(parseServerList("b=y:1@2 maintenance, c=z:1"));
  assertEquals(changes, { added: ["c"], changed: ["b"], removed: ["a"] });
  // Who is new has to prove itself, where that was asked for.
  assertEquals(fleet.balancer.servers.map(({ id, up }) => [id, up]), [["b", true], ["c", false]]);
  asked.length = 0;
  await world.advance(3000);
  assertEquals(asked.every((host) => host === "z"), true);
  assertEquals(fleet.balancer.servers.map(({ id, up }) => [id, up]), [["b", true], ["c", true]]);
  assertEquals((await fleet.connect(client, context)).server, "c");
  fleet.reload(parseServerList("b=y:1@2, c=z:1"));
  await world.advance(1000);
  assertEquals(asked.includes("y"), true);
  await fleet[Symbol.asyncDispose]();
});
