import { assertEquals } from "@std/assert";
import { WaitLine, waitLine } from "../../lib/stream/_wait_line.ts";
import { seededWorld } from "../../lib/world.ts";

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

Deno.test("waitLine() is the same for the same world and length, while somebody waits", async () => {
  const [one, two] = [seededWorld(1), seededWorld(2)];
  const line = waitLine(5, one);
  const woken: number[] = [];
  line.add(() => woken.push(one.now()));
  assertEquals(waitLine(5, one) === waitLine(5, one), true);
  assertEquals(waitLine(5, one) === waitLine(6, one), false);
  assertEquals(waitLine(5, one) === waitLine(5, two), false);
  await one.advance(5);
  assertEquals(waitLine(5, one) === line, false); // it was forgotten
  line.add(() => woken.push(one.now())); // and works nevertheless
  await one.advance(5);
  assertEquals(woken, [5, 10]);
});
