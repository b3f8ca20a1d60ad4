import { assertEquals } from "@std/assert";
import { WaitLine, waitLine } from "../../lib/stream/_wait_line.ts";
import { seededWorld, type World } from "../../lib/world.ts";

Deno.test("WaitLine wakes each when it is due, in order, under one timer", async () => {
  const world = seededWorld(1);
  const line = new WaitLine(100, world);
  const woken: string[] = [];
  const wait = (name: string) => line.add(() => woken.push(`${name} ${world.now()}`));
  wait("a");
  await world.advance(30);
  const b = wait("b");
  wait("c");
  assertEquals(world.sleepers, 1);
  line.remove(b);
  line.remove(b); // again is harmless
  await world.advance(70);
  assertEquals(woken, ["a 100"]);
  await world.advance(30);
  assertEquals(woken, ["a 100", "c 130"]);
  assertEquals(world.sleepers, 0);
});

Deno.test("WaitLine lets go of its timer when nobody waits any more", async () => {
  const world = seededWorld(1);
  const line = new WaitLine(100, world);
  const woken: number[] = [];
  const first = line.add(() => woken.push(1));
  line.remove(first);
  // Before the timer has noticed, somebody else begins to wait.
  line.add(() => woken.push(2));
  await world.advance(100);
  assertEquals(woken, [2]);
  const third = line.add(() => woken.push(3));
  await world.advance(50);
  line.remove(third);
  await world.advance(0);
  assertEquals([world.sleepers, woken], [0, [2]]);
});

Deno.test("WaitLine: who is woken may wait again, or end another's wait", async () => {
  const world = seededWorld(1);
  const line = new WaitLine(100, world);
  const woken: string[] = [];
  line.add(() => {
    woken.push(`a ${world.now()}`);
    line.remove(b);
    line.add(() => woken.push(`again ${world.now()}`));
  });
  const b = line.add(() => woken.push("b"));
  await world.advance(250);
  assertEquals(woken, ["a 100", "again 200"]);
  assertEquals(world.sleepers, 0);
});

Deno.test("WaitLine: an error of who is woken does not keep others waiting", async () => {
  const world = seededWorld(1);
  const line = new WaitLine(100, world);
  const woken: number[] = [];
  const failed = Promise.withResolvers<unknown>();
  const unhandled = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    failed.resolve(event.reason);
  };
  addEventListener("unhandledrejection", unhandled, { once: true });
  line.add(() => {
    throw new Error("mine");
  });
  await world.advance(1);
  line.add(() => woken.push(world.now()));
  await world.advance(100);
  assertEquals(`${await failed.promise}`, "Error: mine");
  assertEquals(woken, [101]);
});

Deno.test("WaitLine: who is woken may take longer than the next one has left", async () => {
  const base = seededWorld(1);
  let spent = 0;
  const world: World = {
    now: () => base.now() + spent,
    sleep: (ms, options) => base.sleep(ms, options),
    random: base.random,
  };
  const line = new WaitLine(100, world);
  const woken: number[] = [];
  line.add(() => void (spent += 50));
  await base.advance(10);
  line.add(() => woken.push(world.now()));
  await base.advance(90);
  assertEquals(woken, [150]);
  assertEquals(base.sleeps, [100, 0]);
});

Deno.test("waitLine() is the same for the same world and length", () => {
  const [one, two] = [seededWorld(1), seededWorld(2)];
  assertEquals(waitLine(5, one) === waitLine(5, one), true);
  assertEquals(waitLine(5, one) === waitLine(6, one), false);
  assertEquals(waitLine(5, one) === waitLine(5, two), false);
});

Deno.test("waitLine() wakes those of all lengths in order, under one timer", async () => {
  const world = seededWorld(1);
  const woken: string[] = [];
  const wait = (length: number) =>
    waitLine(length, world).add(() => woken.push(`${length} ${world.now()}`));
  wait(100);
  wait(30); // is due sooner, so the timer is set anew
  const last = wait(200);
  const gone = wait(50);
  await world.advance(0);
  assertEquals(world.sleepers, 1);
  await world.advance(40);
  wait(30);
  waitLine(50, world).remove(gone);
  await world.advance(100);
  assertEquals(woken, ["30 30", "30 70", "100 100"]);
  assertEquals(world.sleepers, 1);
  waitLine(200, world).remove(last);
  await world.advance(0);
  assertEquals(world.sleepers, 0);
});

Deno.test("waitLine() forgets lines that nobody waits in, which work nevertheless", async () => {
  const world = seededWorld(1);
  const [line, kept] = [waitLine(5, world), waitLine(6, world)];
  const woken: number[] = [];
  kept.add(() => woken.push(world.now()));
  for (let length = 100; length < 200; length++) waitLine(length, world);
  assertEquals(waitLine(5, world) === line, false);
  assertEquals(waitLine(6, world) === kept, true);
  line.add(() => woken.push(world.now()));
  await world.advance(10);
  assertEquals(woken, [5, 6]);
});
