import { assertEquals } from "@std/assert";
import { Turns } from "../../lib/client/pool_turn.ts";
import { realWorld, seededWorld } from "../../lib/world.ts";

Deno.test("who asks while a turn runs waits for one that begins later, with all others who do", async () => {
  const world = seededWorld(1);
  let sleeps = 0;
  using turns = new Turns("timer", {
    ...world,
    sleep: (ms, options) => (sleeps++, world.sleep(ms, options)),
  });
  const first = turns.turn();
  const [second, third] = [turns.turn(), turns.turn()];
  assertEquals([first === second, second === third, sleeps], [false, true, 1]);
  await world.advance(0);
  await Promise.all([first, second]);
  assertEquals(sleeps, 4, "two for each turn");
});

for (const by of ["socket", "timer"] as const) {
  Deno.test(`Turns let go of everything when they are disposed in the middle of one, by ${by}`, async () => {
    const turns = new Turns(by, realWorld);
    const turn = turns.turn();
    turns[Symbol.dispose]();
    await turn;
  });
}
