import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { createPool, PoolTimeline } from "../../lib/client/mod.ts";
import { lifetime, plan } from "../../lib/client/pool_plan.ts";
import { seededWorld } from "../../lib/world.ts";
import { Factory, type Thing } from "./_things.ts";

Deno.test("PoolTimeline draws who was lent and idle when, and tells the waits", async () => {
  const world = seededWorld(1);
  await world.advance(1000);
  const timeline = new PoolTimeline();
  const { make } = new Factory();
  const pool = createPool<Thing>({ world, max: 2, open: make, onEvent: (it) => timeline.add(it) });
  const [a, b] = [await pool.acquire(), await pool.acquire()];
  const waiting = pool.acquire();
  await world.advance(20);
  a.release();
  const c = await waiting;
  await world.advance(10);
  b.destroy();
  await world.advance(10);
  c.release();
  await world.advance(20);
  await pool.shutdown();

  assertEquals(
    timeline.draw({ width: 12 }),
    [
      "    0 ms   60 ms",
      "#1  ████████····  lent 2 times, held 40 ms, idle 20 ms, closed: drained",
      "#2  ██████        lent 1 time, held 30 ms, idle 0 ms, closed: destroyed",
      "1 acquire waited, the longest 20 ms",
      "",
    ].join("\n"),
  );
  assertEquals(JSON.parse(JSON.stringify(timeline)), {
    lives: [
      { id: 1, opened: 1000, closed: 1060, reason: "drained" },
      { id: 2, opened: 1000, closed: 1030, reason: "destroyed" },
    ],
    spans: [
      { kind: "wait", start: 1000, end: 1000, ticket: 1, id: 1 },
      { kind: "hold", start: 1000, end: 1020, id: 1, ticket: 1 },
      { kind: "wait", start: 1000, end: 1000, ticket: 2, id: 2 },
      { kind: "hold", start: 1000, end: 1030, id: 2, ticket: 2 },
      { kind: "wait", start: 1000, end: 1020, ticket: 3, id: 1 },
      { kind: "hold", start: 1020, end: 1040, id: 1, ticket: 3 },
      { kind: "idle", start: 1040, end: 1060, id: 1 },
    ],
  });
  assertEquals([timeline.total("hold"), timeline.total("hold", 2), timeline.total("wait")], [
    70,
    30,
    20,
  ]);
});

Deno.test("PoolTimeline knows those who left, checks, and what goes on", () => {
  const timeline = new PoolTimeline();
  timeline.add({ type: "waiting", ticket: 1, at: 0 });
  timeline.add({ type: "left", ticket: 1, at: 8, waited: 8, error: "late" });
  timeline.add({ type: "opened", id: 1, at: 8, took: 8 });
  timeline.add({ type: "idle", id: 1, at: 8 });
  timeline.add({ type: "checking", id: 1, at: 12 });
  timeline.add({ type: "lent", id: 1, at: 14, ticket: 2, waited: 2 });
  assertEquals(
    timeline.draw({ width: 10, until: 20 }),
    [
      "    0 ms 20 ms",
      "#1      ··?███  lent 1 time, held 6 ms, idle 4 ms",
      "1 acquire waited, the longest 8 ms",
      "",
    ].join("\n"),
  );
  assertEquals(timeline.spans[0], { kind: "wait", start: 0, end: 8, ticket: 1 });
  assertEquals(new PoolTimeline().draw({ width: 4 }), "    0 ms 0 ms\n");
});

Deno.test("PoolTimeline tells the longest of very many waits", () => {
  const timeline = new PoolTimeline();
  for (let ticket = 1; ticket <= 200_000; ticket++) {
    timeline.add({ type: "waiting", ticket, at: 0 });
    timeline.add({ type: "left", ticket, at: 5, waited: 5, error: "late" });
  }
  assertStringIncludes(timeline.draw(), "200000 acquires waited, the longest 5 ms");
});

Deno.test("PoolTimeline refuses a width in which nothing can be drawn", () => {
  for (const width of [0, -1, 59.5, NaN]) {
    assertThrows(() => new PoolTimeline().draw({ width }), RangeError, `value is ${width}`);
  }
});

Deno.test("plan() begins one for each who waits, free ones first, and fills to min", () => {
  const none = { min: 0, max: 5, size: 0, idle: 0, checking: 0, opening: 0, waiting: 0 };
  const cases: [Partial<typeof none>, [check: number, open: number, fill: number]][] = [
    [{}, [0, 0, 0]],
    [{ waiting: 2 }, [0, 2, 0]],
    [{ waiting: 9 }, [0, 5, 0]],
    [{ waiting: 3, size: 2, idle: 2 }, [2, 1, 0]],
    [{ waiting: 3, size: 1, checking: 1, opening: 1 }, [0, 1, 0]],
    [{ waiting: 2, size: 5, idle: 0 }, [0, 0, 0]],
    [{ waiting: 2, size: 9, idle: 0 }, [0, 0, 0]],
    [{ min: 3 }, [0, 0, 3]],
    [{ min: 3, size: 1, opening: 1, waiting: 1 }, [0, 0, 1]],
    [{ min: 3, waiting: 2 }, [0, 2, 1]],
    [{ min: 5, waiting: 2, size: 3 }, [0, 2, 0]],
  ];
  for (const [counts, [check, open, fill]] of cases) {
    assertEquals([counts, plan({ ...none, ...counts })], [counts, { check, open, fill }]);
  }
});

Deno.test("lifetime() takes a share of up to jitter away", () => {
  assertEquals([0, 0.5, 1].map((dice) => lifetime(1000, 0.2, dice)), [1000, 900, 800]);
  assertEquals(lifetime(Infinity, 1, 1), Infinity);
});
