import { assertEquals, assertRejects } from "@std/assert";
import { Floor } from "../../lib/server/_floor.ts";

/** A room that can be pressed, and counts how often somebody looks. */
class Room {
  looks = 0;
  #relief: PromiseWithResolvers<void> | undefined;

  get pressed(): Promise<void> | undefined {
    this.looks++;
    return this.#relief?.promise;
  }

  press(): void {
    this.#relief = Promise.withResolvers();
  }

  release(): void {
    const relief = this.#relief;
    this.#relief = undefined;
    relief?.resolve();
  }
}

Deno.test("Floor lets a speaker speak at once if there is nothing to wait for", async () => {
  const floor = new Floor(new Room());
  const spoken: number[] = [];
  const turn = floor.take(() => spoken.push(1));
  assertEquals(spoken, [1]);
  assertEquals(await turn, 1);
});

Deno.test("Floor lets speakers go on in the order in which they came, however often they wait", async () => {
  const room = new Room();
  const floor = new Floor(room);
  const spoken: number[] = [];
  room.press();
  const turns = Array.from({ length: 5 }, (_, i) => {
    return floor.take(() => {
      spoken.push(i);
      if (i % 2 === 0) room.press();
    });
  });
  room.release();
  await turns[0];
  assertEquals(spoken, [0]);
  const late = floor.take(() => spoken.push(5));
  room.release();
  await turns[2];
  assertEquals(spoken, [0, 1, 2]);
  room.release();
  await turns[4];
  room.release();
  await late;
  assertEquals(spoken, [0, 1, 2, 3, 4, 5]);
});

Deno.test("Floor looks at the room once or twice for each turn, however many wait", async () => {
  const room = new Room();
  const floor = new Floor(room);
  room.press();
  const turns = Array.from({ length: 1000 }, () => floor.take(() => room.press()));
  for (const turn of turns) {
    room.release();
    await turn;
  }
  assertEquals(room.looks <= 4 * turns.length, true, `${room.looks} looks`);
});

Deno.test("Floor goes to the next when somebody's words fail", async () => {
  const room = new Room();
  const floor = new Floor(room);
  room.press();
  const bad = floor.take(() => {
    throw new Error("no words");
  });
  const good = floor.take(() => "words");
  room.release();
  await assertRejects(() => bad, Error, "no words");
  assertEquals(await good, "words");
});
