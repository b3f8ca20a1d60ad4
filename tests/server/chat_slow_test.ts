/** Readers who are slow, and what that means for the others: nothing. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { chat, type SlowPolicy } from "../../lib/server/mod.ts";
import { writeAll } from "../../lib/stream/conn.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { CLOSING, House, type Person, WELCOME, youAre } from "./_chatters.ts";

const SMALL = { queue: 4096, maxLine: 128, stallTimeout: Infinity };
const POLICIES: readonly SlowPolicy[] = ["buffer", "drop", "disconnect"];

/** A room with ada and cyd, who read, and bob, who does not: his pipe holds one byte. */
async function withSlowBob(house: House) {
  const ada = await house.join("ada");
  const bob = house.connect(1);
  const named = bob.say("bob");
  await house.still();
  await named;
  const cyd = await house.join("cyd");
  assertEquals(await ada.hear(2), ["* bob joined", "* cyd joined"]);
  return { ada, bob, cyd };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `message ${i}`);
}

for (const slow of POLICIES) {
  Deno.test(`chat() with "${slow}": 10,000 messages come in order to all who read`, async () => {
    using house = new House({ ...SMALL, slow });
    const { ada, cyd, bob } = await withSlowBob(house);
    const said = numbered(5000);
    const hears = async (person: Person, count: number) => {
      const heard: string[] = [];
      while (heard.length < count) {
        heard.push(...(await person.hear(1)).filter((line) => !line.startsWith("* ")));
      }
      return heard;
    };
    const dan = await house.join("dan");
    const hearing = [hears(ada, 5000), hears(cyd, 5000), hears(dan, 10_000)];
    const saying = [ada.say(...said), cyd.say(...said)];
    await house.still();
    // He was waited for, once; what follows takes no time at all.
    await house.world.advance(100);
    const [byAda, byCyd, byDan] = await Promise.all(hearing);
    await Promise.all(saying);
    assertEquals(byAda, said.map((text) => `cyd: ${text}`));
    assertEquals(byCyd, said.map((text) => `ada: ${text}`));
    assertEquals(byDan!.filter((line) => line.startsWith("cyd")), byAda);
    assertEquals(byDan!.filter((line) => line.startsWith("ada")), byCyd);
    assertEquals(house.world.now(), 100);

    // Nor was more held for him than may be.
    const rest = bob.rest();
    house.closing.abort();
    await house.world.advance(1000);
    const held = (await rest).length;
    const words = `… 10000 lines were dropped\n${CLOSING}\n`;
    assert(held <= SMALL.queue + words.length, `${held} bytes`);
  });
}

Deno.test('chat() with "buffer" keeps what waits, and says how much came after it', async () => {
  using house = new House({ ...SMALL, slow: "buffer" });
  const { ada, bob } = await withSlowBob(house);
  await tellAll(house, ada, numbered(1000));
  const lines = await heardByBob(house, ada, bob);
  const kept = lines.slice(3, -2);
  assertEquals(lines.slice(0, 3), [WELCOME, youAre("ada", "bob"), "* cyd joined"]);
  assertEquals(kept, numbered(kept.length).map((text) => `ada: ${text}`));
  assert(kept.length > 100);
  assertEquals(lines.slice(-2), [
    `… ${1000 - kept.length} lines were dropped`,
    "ada: still there?",
  ]);
});

Deno.test('chat() with "drop" keeps the newest, and says how much came before it', async () => {
  using house = new House({ ...SMALL, slow: "drop" });
  const { ada, bob } = await withSlowBob(house);
  await tellAll(house, ada, numbered(1000));
  const lines = await heardByBob(house, ada, bob);
  const kept = lines.slice(2, -1);
  assertEquals(lines[0], WELCOME); // was being written
  // The two lines that told him who is there are among those.
  assertEquals(lines[1], `… ${1002 - kept.length} lines were dropped`);
  assertEquals(kept, numbered(1000).slice(-kept.length).map((text) => `ada: ${text}`));
  assert(kept.length > 100);
  assertEquals(lines.slice(-1), ["ada: still there?"]);
});

Deno.test('chat() with "disconnect" says so, ends, and tells the others why', async () => {
  using house = new House({ ...SMALL, slow: "disconnect" });
  const { ada, bob, cyd } = await withSlowBob(house);
  await tellAll(house, ada, numbered(1000));
  assertEquals(await bob.rest(), `${WELCOME}\n* you read too slowly for this room. Goodbye!\n`);
  assertEquals(await bob.served, undefined);
  const heard = await cyd.hear(1001);
  assertEquals(heard.filter((line) => line.startsWith("* ")), ["* bob left (read too slowly)"]);
  assertEquals(house.room.names, ["ada", "cyd"]);
});

Deno.test('chat() with "disconnect" cuts who does not even read that, after a second', async () => {
  using house = new House({ ...SMALL, slow: "disconnect" });
  const { ada, bob, cyd } = await withSlowBob(house);
  await tellAll(house, ada, numbered(1000));
  await house.world.advance(999);
  assertEquals(house.room.names, ["ada", "bob", "cyd"]);
  await house.world.advance(1);
  assertEquals(house.room.names, ["ada", "cyd"]);
  assertEquals(await bob.served, undefined);
  assertEquals(await bob.rest(), "W"); // half a line, so without a newline
  assertEquals((await cyd.hear(1001)).at(-1), "* bob left (read too slowly)");
});

Deno.test('chat() with "disconnect" hears no more from who was sent away', async () => {
  using house = new House({ ...SMALL, slow: "disconnect" });
  const { ada, bob } = await withSlowBob(house);
  await tellAll(house, ada, numbered(1000));
  await bob.rest();
  assertEquals(await bob.served, undefined);
  await bob.say("one more thing");
  await house.still();
  await ada.say("/who");
  assertEquals(await ada.hear(2), ["* bob left (read too slowly)", "* 2 here: ada, cyd"]);
});

Deno.test("chat() waits for a slow reader once, and again only when that one has caught up", async () => {
  using house = new House({ ...SMALL, slow: "drop" });
  const { ada, bob, cyd } = await withSlowBob(house);
  const flood = async (expected: number) => {
    const before = house.world.now();
    const flooded = Promise.all([ada.say(...numbered(300)), cyd.hear(300)]);
    let over = false;
    flooded.then(() => over = true);
    await house.still();
    assertEquals(over, expected === 0);
    await house.world.advance(expected);
    const [, heard] = await flooded;
    assertEquals(heard, numbered(300).map((text) => `ada: ${text}`));
    assertEquals(house.world.now() - before, expected);
  };
  await flood(100);
  await flood(0);
  // He reads on until all is read, which is when he is told something new.
  const reading = bob.hear(1 + 1 + 200);
  await house.still();
  await ada.say("still there?");
  await house.still();
  assertEquals(await cyd.hear(1), ["ada: still there?"]);
  let last: string | undefined;
  for (last = (await reading).at(-1); last !== "ada: still there?";) [last] = await bob.hear(1);
  await flood(100);
});

Deno.test("chat() does not wait for who has taken nothing for a second when a flood begins", async () => {
  using house = new House({ ...SMALL, slow: "drop" });
  const { ada, cyd } = await withSlowBob(house);
  const said = numbered(300).map((text) => `ada: ${text}`);
  await house.world.advance(1000);
  await ada.say(...numbered(300));
  assertEquals(await cyd.hear(300), said);
  assertEquals(house.world.now(), 1000);
});

Deno.test("chat() still waits for who has taken nothing for less than that", async () => {
  using house = new House({ ...SMALL, slow: "drop" });
  const { ada, cyd } = await withSlowBob(house);
  await house.world.advance(999);
  const flooded = Promise.all([ada.say(...numbered(300)), cyd.hear(300)]);
  await house.world.advance(100);
  await flooded;
  assertEquals(house.world.now(), 1099);
});

Deno.test("chat() waits less than that for a reader who keeps up", async () => {
  using house = new House(SMALL);
  const ada = await house.join("ada");
  const late = house.connect(1);
  await late.say("late");
  await late.hear(2);
  await ada.hear(1);
  const said = numbered(1000);
  const saying = ada.say(...said);
  await house.world.advance(99);
  // All in one trip, though the pipe is narrow and the queue short.
  assertEquals(await late.hear(1000), said.map((text) => `ada: ${text}`));
  await saying;
  assertEquals([house.world.now(), house.world.sleepers], [99, 0]);
});

Deno.test("chat() has room for all who speak at once, at a reader who keeps up", async () => {
  using house = new House(SMALL);
  const late = house.connect(1);
  await late.say("late");
  await late.hear(2);
  const people = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const person = house.connect();
      await person.say(`p${i}`);
      return person;
    }),
  );
  await late.hear(40);
  const text = "x".repeat(128);
  const saying = people.map((person) => person.say(...Array<string>(10).fill(text)));
  const heard = await late.hear(400);
  assertEquals(heard.filter((line) => line.endsWith(`: ${text}`)).length, 400);
  await Promise.all(saying);
});

Deno.test("chat() waits no more for who leaves", async () => {
  using house = new House(SMALL);
  const { ada, bob, cyd } = await withSlowBob(house);
  const flooded = Promise.all([ada.say(...numbered(300)), cyd.hear(301)]);
  await house.still();
  bob.conn.reset();
  const [, heard] = await flooded;
  assertEquals(heard.filter((line) => line.startsWith("* ")), ["* bob left (connection lost)"]);
  assertEquals(house.world.now(), 0);
});

Deno.test("chat() ends when a write fails, whatever the reads do", async () => {
  using house = new House(SMALL);
  const ada = await house.join("ada");
  const [hand, conn] = memoryPair();
  const broken = new Deno.errors.BrokenPipe();
  const handled = chat(house.room, SMALL)({
    read: (p) => conn.read(p),
    write: () => house.room.names.includes("bob") ? Promise.reject(broken) : Promise.resolve(40),
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]: () => {},
  }, { signal: house.closing.signal });
  await writeAll(hand, new TextEncoder().encode("bob\n"));
  assertEquals(await assertRejects(() => handled), broken);
  assertEquals(await ada.hear(2), ["* bob joined", "* bob left (connection lost)"]);
});

Deno.test("chat() lets nobody in who was sent away at the door", async () => {
  using house = new House({ ...SMALL, slow: "disconnect" });
  const eve = house.connect(1);
  await eve.say(...Array<string>(100).fill("no name"));
  await eve.rest();
  assertEquals(await eve.served, undefined);
  await eve.say("eve");
  await house.still();
  assertEquals(house.room.names, []);
});

for (const slow of POLICIES) {
  Deno.test(`chat() with "${slow}" cuts who takes nothing for stallTimeout`, async () => {
    using house = new House({ ...SMALL, slow, stallTimeout: 5000 });
    const { ada, bob } = await withSlowBob(house);
    await house.world.advance(4999);
    assertEquals(house.room.names, ["ada", "bob", "cyd"]);
    await house.world.advance(1);
    assertEquals(await ada.hear(1), ["* bob left (did not read)"]);
    assertEquals(await bob.served, undefined);
    assertEquals(house.world.sleepers, 0);
  });
}

Deno.test("chat() writes what waits when it closes, if the reader takes it in time", async () => {
  using house = new House(SMALL);
  const { ada, bob } = await withSlowBob(house);
  await tellAll(house, ada, ["one", "two"]);
  house.closing.abort();
  await house.world.advance(4000);
  assertEquals(
    (await bob.rest()).split("\n").slice(3),
    ["ada: one", "ada: two", CLOSING, ""],
  );
  assertEquals(await bob.served, undefined);
  assertEquals(house.world.sleepers, 0);
});

Deno.test("chat() cuts at the end who does not take it in time", async () => {
  using house = new House({ ...SMALL, endTimeout: 2000 });
  const { ada, bob } = await withSlowBob(house);
  let over = false;
  bob.served.then(() => over = true);
  house.closing.abort();
  await house.world.advance(100 + 1999);
  assertEquals(over, false);
  await house.world.advance(1);
  assertEquals(over, true);
  assertEquals(await ada.served, undefined);
  assertEquals(house.world.sleepers, 0);
});

Deno.test("chat() ends well with who leaves while being written to", async () => {
  for (const leave of ["/quit", "FIN", "RST", "close"]) {
    using house = new House(SMALL);
    const { ada, bob, cyd } = await withSlowBob(house);
    await tellAll(house, ada, numbered(100));
    await cyd.hear(100);
    if (leave === "/quit") await bob.say("/quit");
    if (leave === "FIN") await bob.conn.closeWrite();
    if (leave === "RST") bob.conn.reset();
    if (leave === "close") bob.conn[Symbol.dispose]();
    const [told] = await cyd.hear(1);
    assertMatch(told!, /^\* bob left \((quit|end of input|connection lost)\)$/);
    if (leave === "/quit" || leave === "FIN") {
      const lines = (await bob.rest()).split("\n");
      assertEquals(lines.slice(3, 103), numbered(100).map((text) => `ada: ${text}`));
      assertEquals(lines.slice(103), leave === "FIN" ? [""] : ["Goodbye!", ""]);
    }
    await bob.served;
    assertEquals(house.room.names, ["ada", "cyd"]);
    assertEquals(house.world.sleepers, 0);
  }
});

/** All that bob finds when he reads at last, up to something that ada says then. */
async function heardByBob(house: House, ada: Person, bob: Person): Promise<string[]> {
  const lines: string[] = [];
  let last: string | undefined;
  const reading = (async () => {
    do lines.push(...[last] = await bob.hear(1)); while (last !== "ada: still there?");
  })();
  await house.still(); // he has caught up
  await ada.say("still there?");
  await reading;
  return lines;
}

/** Lets ada say it, whatever that takes. */
async function tellAll(house: House, ada: Person, lines: string[]): Promise<void> {
  await ada.say(...lines);
  await house.world.advance(100);
}
