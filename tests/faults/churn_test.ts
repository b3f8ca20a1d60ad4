/** Faults that come, change and go at random while many connections carry data that is checked. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  bandwidth,
  blackhole,
  corrupt,
  delayFin,
  type Direction,
  drop,
  duplicate,
  type Fault,
  faultyLink,
  finEarly,
  hastyWorld,
  latency,
  limit,
  type LinkEvent,
  memoryLink,
  refuse,
  reorder,
  reset,
  rstAfterFin,
  slicer,
  slowClose,
  stall,
  swallowFin,
  timeout,
} from "../../lib/faults/mod.ts";
import { dice, realWorld, type World } from "../../lib/world.ts";
import {
  dialResettable,
  type Duplex,
  listenResettable,
  readToEnd,
  writeAll,
} from "../../lib/stream/mod.ts";
import { joined, pattern } from "./_stream.ts";

type Make = (random: (n: number) => number) => Fault;

/** Those that lose nothing, with some numbers. */
const HARMLESS: Make[] = [
  (n) => latency(n(20)),
  (n) => latency(n(20), { jitter: n(20) }),
  (n) => latency(n(20), { jitter: n(20), spread: "pareto" }),
  (n) => bandwidth(n(500)),
  (n) => slicer(1 + n(2000)),
  () => slowClose(20),
  (n) => delayFin(n(50)),
  () => swallowFin(),
  (n) => stall(n(5000), { ms: n(50) }),
  () => stall(),
  () => corrupt(0),
  () => drop(0),
  () => duplicate(0, { unit: "line" }),
  (n) => reorder(0, { unit: 1 + n(100) }),
  () => reset({ timeout: 1e9 }),
  () => limit(1e9),
];

/** Those that do not. */
const HARMFUL: Make[] = [
  (n) => limit(n(5000)),
  (n) => timeout(n(20)),
  () => timeout(0),
  () => blackhole(),
  () => reset(),
  (n) => reset({ timeout: n(20) }),
  (n) => reset({ bytes: n(5000) }),
  () => reset({ onFin: true }),
  () => corrupt(0.01),
  () => drop(0.3),
  () => duplicate(0.3),
  () => reorder(0.3),
  () => refuse(),
  (n) => finEarly(n(5000)),
  (n) => rstAfterFin(n(20)),
];

const CHECKED = 100;
const CHANGES = 1000;

/** Runs it all, and returns the log of what happened. */
async function churn(seed: number): Promise<string[]> {
  await using clock = hastyWorld(seed);
  // Whole milliseconds, so that many wake at once and the test is fast.
  const world: World = {
    now: () => clock.now(),
    random: clock.random,
    sleep: (ms, options) => clock.sleep(Math.ceil(ms), options),
  };
  const log: string[] = [];
  const note = ({ at, connection, type, direction, fault, what, offset }: LinkEvent) =>
    log.push([at, connection, type, direction, fault, what, offset].join(" "));
  await using link = memoryLink({ seed, world, onEvent: note, capacity: 1024 });
  const roll = dice(seed);
  const random = (n: number) => Math.floor(roll() * n);

  const data = pattern(20_000);
  let stop = false;
  /** Sends the pattern in pieces until all changes are done, then FIN; resolves with what was sent. */
  const send = async (to: Duplex, pause: number): Promise<number> => {
    let sent = 0;
    while (!stop) {
      const at = sent % data.length;
      const piece = data.subarray(at, at + 100 + pause);
      await writeAll(to, piece);
      sent += piece.length;
      await world.sleep(pause);
    }
    await to.closeWrite();
    return sent;
  };
  const check = async (from: Duplex): Promise<number> => {
    let got = 0;
    const buffer = new Uint8Array(4096);
    for (let n; (n = await from.read(buffer)) !== null; got += n) {
      for (let i = 0; i < n; i++) {
        if (buffer[i] !== data[(got + i) % data.length]) throw new Error(`wrong at ${got + i}`);
      }
    }
    return got;
  };
  const checked: Promise<unknown>[] = [];
  for (let i = 0; i < CHECKED; i++) {
    const { client, server, link: conn } = link.connect();
    const both = Promise.all([
      send(client, 20 + i),
      check(server),
      send(server, 25 + i),
      check(client),
    ]);
    checked.push(both.then(([up, gotUp, down, gotDown]) => {
      assertEquals([gotUp, gotDown], [up, down]);
      return conn.finished;
    }));
  }

  /** Connections that anything may happen to. */
  const suffer = async (end: Duplex) => {
    try {
      await Promise.all([writeAll(end, data), readToEnd(end)]);
    } catch {
      // As it should be.
    }
  };
  const victims: Promise<unknown>[] = [];
  const names: string[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const harmful = random(3) === 0;
    const makes = harmful ? HARMFUL : HARMLESS;
    const make = makes[random(makes.length)]!;
    const dice = random(10);
    if (names.length > 0 && (dice < 4 || names.length > 12)) {
      link.remove(names.splice(random(names.length), 1)[0]!);
    } else if (names.length > 0 && dice < 5) {
      // What was harmful must stay with the victims.
      const name = names[random(names.length)]!;
      link.change(
        name,
        name.startsWith("x") ? { fault: make(random) } : {
          fault: HARMLESS[random(HARMLESS.length)]!(random),
          enabled: random(4) > 0,
        },
      );
    } else {
      const name = `${harmful ? "x" : "h"}${i}`;
      const direction: Direction = random(2) === 0 ? "up" : "down";
      link.add(name, direction, make(random), {
        toxicity: random(3) === 0 ? 0.5 : 1,
        connections: (n) => !harmful || n > CHECKED,
      });
      names.push(name);
    }
    if (i % 20 === 0) {
      try {
        const { client, server } = link.connect();
        victims.push(suffer(client), suffer(server));
      } catch (error) {
        assertEquals(error instanceof Deno.errors.ConnectionRefused, true);
      }
    }
    if (i % 3 === 0) await world.sleep(1 + random(3));
  }
  link.board.clear();
  stop = true;
  await Promise.all(checked);
  for (const { connection, up, down } of link.board.links) {
    assertEquals([connection > CHECKED, up.names, down.names], [true, [], []]);
  }
  await link[Symbol.asyncDispose]();
  await Promise.all(victims);
  assertEquals(link.board.links, []);
  return log;
}

Deno.test("1000 random changes of every fault while 100 connections carry checked data: no loss, no hang, and the same log for the same seed", async () => {
  const first = await churn(42);
  assertEquals(first.filter((line) => / added /.test(line)).length > 1000, true);
  assertEquals(await churn(42), first);
});

const anyHarmless = fc.tuple(fc.nat(HARMLESS.length - 1), fc.nat(1000)).map(([i, seed]) => {
  const roll = dice(seed);
  return HARMLESS[i]!((n) => Math.floor(roll() * n));
});

Deno.test("property: any row of faults that lose nothing, changed at any time, loses nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyHarmless, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(3000), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(30), { minLength: 2, maxLength: 2 }),
      fc.integer({ min: 1, max: 5000 }),
      async (faults, sizes, [changeAt, removeAt], capacity) => {
        await using world = hastyWorld(1);
        await using link = memoryLink({ world, seed: 1, capacity, up: faults });
        const { client, server } = link.connect();
        const total = sizes.reduce((sum, size) => sum + size, 0);
        const data = pattern(total);
        const send = async () => {
          let at = 0;
          for (const size of sizes) {
            await writeAll(client, data.subarray(at, at + size));
            at += size;
            await world.sleep(1);
          }
          await client.closeWrite();
        };
        const change = async () => {
          await world.sleep(changeAt!);
          link.change("up1", { fault: latency(5) });
          await world.sleep(removeAt!);
          link.board.clear();
        };
        const [got] = await Promise.all([readToEnd(server), send(), change()]);
        assertEquals(got, data);
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("property: faults that lose bytes lose only those: what comes through is in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(3000),
      fc.nat(3000),
      fc.constantFrom("limit", "finEarly", "drop", "stall"),
      fc.nat(2 ** 31),
      async (length, n, kind, seed) => {
        const fault = {
          limit: limit(n),
          finEarly: finEarly(n),
          drop: drop(0.5, { unit: 1 + n }),
          stall: stall(n, { ms: 10 }),
        }[kind];
        await using world = hastyWorld(1);
        await using link = memoryLink({ world, seed, up: [fault] });
        const { client, server } = link.connect();
        const data = pattern(length);
        const sending = writeAll(client, data).then(() => client.closeWrite()).catch(() => {});
        const got = await readToEnd(server);
        await sending;
        if (kind === "stall") assertEquals(got, data);
        else if (kind === "limit" && n === 0) assertEquals(got.length, 0);
        else if (kind !== "drop") assertEquals(got, data.subarray(0, n));
        else {
          const units = Math.floor(length / (1 + n));
          let from = 0;
          for (let unit = 0; unit <= units; unit++) {
            const at = unit * (1 + n);
            const expected = data.subarray(at, at + 1 + n);
            const found = got.subarray(from, from + expected.length);
            if (expected.length > 0 && String(found) === String(expected)) from += found.length;
          }
          assertEquals(from, got.length);
        }
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});

Deno.test("property: faults that change bytes change only what they say, and reorder only messages", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(2000),
      fc.integer({ min: 1, max: 300 }),
      fc.constantFrom("corrupt", "duplicate", "reorder", "reset", "rstAfterFin"),
      fc.nat(2 ** 31),
      async (length, n, kind, seed) => {
        const fault = {
          corrupt: corrupt(0.01),
          duplicate: duplicate(0.5, { unit: n }),
          reorder: reorder(0.5, { unit: n }),
          reset: reset({ bytes: n }),
          rstAfterFin: rstAfterFin(5),
        }[kind];
        await using world = hastyWorld(1);
        const hits: { what: string; offset: number }[] = [];
        await using link = memoryLink({
          world,
          seed,
          up: [fault],
          onEvent: ({ type, what = "", offset = 0 }) =>
            type === "effect" && hits.push({ what, offset }),
        });
        const { client, server } = link.connect();
        const data = pattern(length);
        const sending = writeAll(client, data).then(() => client.closeWrite()).catch(() => {});
        const parts: Uint8Array[] = [];
        const buffer = new Uint8Array(512);
        let broken = false;
        try {
          for (let n; (n = await server.read(buffer)) !== null;) parts.push(buffer.slice(0, n));
        } catch {
          broken = true;
        }
        await sending;
        const got = joined(parts);
        if (kind === "corrupt") {
          const wrong = [...got.keys()].filter((i) => got[i] !== data[i]);
          assertEquals([got.length, wrong], [length, hits.map(({ offset }) => offset)]);
        } else if (kind === "duplicate") {
          const whole = data.length - data.length % n;
          const expected: Uint8Array[] = [];
          for (let at = 0; at < whole; at += n) {
            const times = hits.some(({ offset }) => offset === at) ? 2 : 1;
            for (let i = 0; i < times; i++) expected.push(data.subarray(at, at + n));
          }
          assertEquals(got, joined([...expected, data.subarray(whole)]));
        } else if (kind === "reorder") {
          const order = Array.from({ length: Math.floor(length / n) }, (_, i) => i);
          for (const { offset } of hits) {
            const at = order.indexOf(offset / n);
            [order[at], order[at + 1]] = [order[at + 1]!, order[at]!];
          }
          const tail = length - length % n;
          // What is left over at the end may overtake the message before it as well.
          const swapped = hits.some(({ offset }) => offset / n === tail / n - 1 && tail < length);
          const units = order.filter((unit) => unit !== undefined)
            .map((unit) => data.subarray(unit * n, unit * n + n));
          const rest = data.subarray(tail);
          const expected = swapped
            ? [...units.slice(0, -1), rest, units.at(-1)!]
            : [...units, rest];
          assertEquals(got, joined(expected));
        } else if (kind === "reset") {
          assertEquals([broken, got], length >= n ? [true, data.subarray(0, n)] : [false, data]);
        } else {
          assertEquals([broken, got], [false, data]);
        }
      },
    ),
    { numRuns: 100, seed: 1 },
  );
});

Deno.test("100 changes on sockets while 20 connections carry checked data: no loss, no hang", async () => {
  using listener = await listenResettable();
  await using link = await faultyLink(listener.addr, { seed: 9 });
  const roll = dice(9);
  const random = (n: number) => Math.floor(roll() * n);
  const data = pattern(1000);
  let stop = false;
  const send = async (to: Duplex) => {
    let sent = 0;
    while (!stop) {
      await writeAll(to, data);
      sent += data.length;
      await realWorld.sleep(1);
    }
    await to.closeWrite();
    return sent;
  };
  const check = async (from: Duplex) => {
    let got = 0;
    const buffer = new Uint8Array(4096);
    for (let n; (n = await from.read(buffer)) !== null; got += n) {
      for (let i = 0; i < n; i++) {
        if (buffer[i] !== data[(got + i) % data.length]) throw new Error(`wrong at ${got + i}`);
      }
    }
    return got;
  };
  const talk = async () => {
    using client = await dialResettable(link.addr);
    using server = await listener.accept();
    const [up, down, gotUp, gotDown] = await Promise.all([
      send(client),
      send(server),
      check(server),
      check(client),
    ]);
    // Which of the server's ends is which client's does not matter for the sum.
    return [up + down, gotUp + gotDown] as const;
  };
  const talking = Promise.all(Array.from({ length: 20 }, talk));
  const names: string[] = [];
  for (let i = 0; i < 100; i++) {
    if (names.length > 0 && (random(2) === 0 || names.length > 4)) {
      link.remove(names.splice(random(names.length), 1)[0]!);
    } else {
      const fault = HARMLESS[random(HARMLESS.length)]!(random);
      link.add(`${i}`, random(2) === 0 ? "up" : "down", fault);
      names.push(`${i}`);
    }
    await realWorld.sleep(1);
  }
  link.board.clear();
  stop = true;
  let sent = 0;
  let got = 0;
  for (const [s, g] of await talking) {
    sent += s;
    got += g;
  }
  assertEquals(got, sent);
});
