import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Balancer } from "../../lib/proxy/balancer.ts";
import { decisionText } from "../../lib/proxy/decision_text.ts";
import { DispatchError, redispatch } from "../../lib/proxy/redispatch.ts";
import {
  NoServerError,
  ServerQueue,
  type ServerQueueOptions,
} from "../../lib/proxy/server_queue.ts";
import { seededWorld } from "../../lib/world.ts";

function queueing(limits: Record<string, number>, options: ServerQueueOptions = {}) {
  const world = seededWorld(1);
  const balancer = new Balancer<string>({ world });
  for (const [id, maxConns] of Object.entries(limits)) balancer.add(id, id, { maxConns });
  return { world, balancer, queue: new ServerQueue(balancer, { world, ...options }) };
}

async function reason(promise: Promise<unknown>): Promise<string> {
  return (await assertRejects(() => promise, NoServerError)).reason;
}

Deno.test("ServerQueue serves those who wait in the order they came", async () => {
  const { queue } = queueing({ a: 1 });
  const lease = await queue.place();
  const served: number[] = [];
  const waiting = [1, 2, 3].map(async (who) => {
    const lease = await queue.place();
    served.push(who);
    lease.release();
  });
  assertEquals(queue.waiting, 3);
  lease.release();
  await Promise.all(waiting);
  assertEquals([served, queue.waiting], [[1, 2, 3], 0]);
});

Deno.test("ServerQueue lets nobody overtake, but whom the others cannot use the place of", async () => {
  const { queue } = queueing({ a: 1, b: 1 });
  const [a] = [await queue.place(), await queue.place()];
  const triedA = queue.place({ tried: ["a"] });
  const any = queue.place();
  a.release();
  assertEquals((await any).id, "a");
  assertEquals(queue.waiting, 1);
  (await any).release();
  assertEquals((await queue.place()).id, "a");
  assertEquals(queue.waiting, 1);
  void triedA;
});

Deno.test("ServerQueue refuses whom it has no room for, and whom nobody will serve", async () => {
  const { queue, balancer } = queueing({ a: 1 }, { maxWaiting: 1 });
  await queue.place();
  const waiting = queue.place();
  assertEquals(await reason(queue.place()), "queue full");
  const gone = reason(waiting);
  balancer.set("a", { up: false });
  assertEquals(await gone, "all down");
  assertEquals(await reason(queue.place()), "all down");
  assertEquals(await reason(queueing({}).queue.place()), "no servers");
});

Deno.test("ServerQueue tells every decision, and decisionText() what speaks for whom", async () => {
  const told: string[] = [];
  const { queue, balancer } = queueing({ a: 1, b: 1 }, {
    onDecision: (decision, { key }) => told.push(`${key} to ${decisionText(decision)}`),
  });
  balancer.add("c", "c", { up: false });
  const [a] = [await queue.place({ key: "x" }), await queue.place({ key: "y" })];
  const waiting = queue.place({ key: "z" });
  a.release();
  assertEquals((await waiting).id, "a");
  for (const id of ["a", "b"]) balancer.set(id, { mode: "drain" });
  await assertRejects(() => queue.place({ key: "x" }));
  assertEquals(told, [
    "x to a by round-robin among primary: " +
    "a chosen (weight 1, 0 active), b passed over (weight 1, 0 active), c down",
    "y to b by round-robin among primary: a full (limit 1), b chosen (weight 1, 0 active), c down",
    "z to nobody (all full): a full (limit 1), b full (limit 1), c down",
    "z to a by round-robin among primary: a chosen (weight 1, 0 active), b full (limit 1), c down",
    "x to nobody (none ready): a draining, b draining, c down",
  ]);
});

Deno.test("ServerQueue gives up on whoever waits too long, or is told to", async () => {
  const { queue, world } = queueing({ a: 1 }, { timeout: 5000 });
  const lease = await queue.place();
  const stop = new AbortController();
  const [late, aborted] = [queue.place(), queue.place({ signal: stop.signal })];
  const outcomes = [reason(late), aborted.catch((error) => error)];
  stop.abort("enough");
  assertEquals(queue.waiting, 1);
  await world.advance(4999);
  assertEquals(queue.waiting, 1);
  await world.advance(1);
  assertEquals(await Promise.all(outcomes), ["queue timeout", "enough"]);
  lease.release();
  assertEquals((await queue.place()).id, "a"); // the place went to none of them
});

Deno.test("ServerQueue notices what changes: a limit, a server that is new or back", async () => {
  const { queue, balancer } = queueing({ a: 1 });
  await queue.place();
  const second = queue.place();
  balancer.set("a", { maxConns: 2 });
  assertEquals((await second).id, "a");
  const third = queue.place();
  balancer.add("b", "b");
  assertEquals((await third).id, "b");
});

Deno.test("ServerQueue refuses options that are none", () => {
  assertThrows(() => queueing({}, { maxWaiting: -1 }), RangeError);
  assertThrows(() => queueing({}, { timeout: 0 }), RangeError);
});

Deno.test("redispatch() asks the next server at once, and nobody twice before all were", async () => {
  const { queue, world, balancer } = queueing({ a: 9, b: 9, c: 9 });
  const asked: string[] = [];
  const { conn, lease, failures } = await redispatch(queue, (id) => {
    asked.push(id);
    return id === "c" ? Promise.resolve(`${id}!`) : Promise.reject(new Error(id));
  }, { world });
  assertEquals([conn, lease.id, asked], ["c!", "c", ["a", "b", "c"]]);
  assertEquals(failures.map(({ id }) => id), ["a", "b"]);
  assertEquals(balancer.servers.map(({ active }) => active), [0, 0, 1]);
  assertEquals(world.sleeps, []);
});

Deno.test("redispatch() waits before it asks the same server again, and gives up at last", async () => {
  const { queue, balancer } = queueing({ a: 9, b: 9 });
  const world = seededWorld(1, { auto: true });
  const told: string[] = [];
  const error = await assertRejects(
    () =>
      redispatch(queue, (id) => Promise.reject(new Error(id)), {
        world,
        retries: 3,
        onFailure: ({ id }) => told.push(id),
      }),
    DispatchError,
  );
  assertEquals([told, world.sleeps], [["a", "b", "b", "a"], [1000]]);
  assertEquals(error.failures.length, 4);
  assertEquals(balancer.servers.map(({ active }) => active), [0, 0]);
});

Deno.test("redispatch() says that there is no server, without asking any", async () => {
  const { queue, balancer } = queueing({ a: 9 });
  balancer.set("a", { up: false });
  const error = await assertRejects(
    () => redispatch(queue, () => Promise.reject(new Error("asked"))),
    DispatchError,
  );
  assertEquals([(error.cause as NoServerError).reason, error.failures], ["all down", []]);
});

Deno.test("redispatch() leaves off when it is told to, and holds no place", async () => {
  const { queue, balancer } = queueing({ a: 9, b: 9 });
  const stop = new AbortController();
  const asked: string[] = [];
  const given = await redispatch(queue, (id) => {
    asked.push(id);
    stop.abort("enough");
    return Promise.reject(new Error("cut off"));
  }, { signal: stop.signal }).catch((error) => error);
  assertEquals([given, asked], ["enough", ["a"]]);
  assertEquals(balancer.servers.map(({ active }) => active), [0, 0]);
});
