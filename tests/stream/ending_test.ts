import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { type EndingKind, EndingWatch } from "../../lib/stream/ending.ts";
import { endingOf, watchEnding } from "../../lib/stream/ending_of.ts";
import { memoryPair } from "../../lib/stream/memory.ts";
import { seededWorld } from "../../lib/world.ts";
import { bytes } from "../_conformance.ts";

const { BrokenPipe, BadResource, ConnectionReset, Interrupted, TimedOut } = Deno.errors;

/** What a call may say, or what this end may do. */
type Report =
  | "bytes"
  | "null"
  | "read: reset"
  | "read: timed out"
  | "read: other"
  | "read: interrupted"
  | "wrote"
  | "write: pipe"
  | "write: reset"
  | "finish"
  | "close"
  | "silent";

const SAY: Record<Report, (watch: EndingWatch) => void> = {
  "bytes": (watch) => watch.read(5),
  "null": (watch) => watch.read(null),
  "read: reset": (watch) => watch.readFailed(new ConnectionReset("")),
  "read: timed out": (watch) => watch.readFailed(new TimedOut("")),
  "read: other": (watch) => watch.readFailed(new Error("")),
  "read: interrupted": (watch) => watch.readFailed(new Interrupted("")),
  "wrote": (watch) => watch.wrote(3),
  "write: pipe": (watch) => watch.writeFailed(new BrokenPipe("")),
  "write: reset": (watch) => watch.writeFailed(new ConnectionReset("")),
  "finish": (watch) => watch.finishing(),
  "close": (watch) => watch.closing(),
  "silent": (watch) => watch.silent(),
};

function heard(reports: readonly Report[]) {
  const watch = new EndingWatch();
  for (const report of reports) SAY[report](watch);
  return watch.ending;
}

/** What is said, what it means, whether all has come, and whether that is the last word. */
const MEANINGS: readonly (readonly [Report[], EndingKind, whole: boolean, settled: boolean])[] = [
  [[], "open", false, false],
  [["bytes", "wrote"], "open", false, false],
  [["bytes", "null"], "fin", true, false],
  [["null", "wrote"], "fin", true, false],
  [["null", "finish", "write: pipe"], "fin", true, false],
  [["null", "close", "read: interrupted"], "fin", true, false],
  [["null", "write: pipe"], "fin-rst", true, true],
  [["null", "wrote", "write: pipe"], "fin-rst", true, true],
  [["null", "finish", "write: reset"], "fin-rst", true, true],
  [["write: pipe", "bytes", "null"], "fin-rst", true, true],
  [["write: pipe"], "fin-rst", false, false],
  [["write: pipe", "read: reset"], "rst", false, true],
  [["read: reset"], "rst", false, true],
  [["bytes", "read: reset", "null"], "rst", false, true],
  [["write: reset", "null", "null"], "rst", false, true],
  [["write: reset", "bytes", "null"], "rst", false, true],
  [["finish", "read: reset", "write: pipe"], "rst", false, true],
  [["silent"], "silence", false, false],
  [["silent", "bytes"], "open", false, false],
  [["silent", "null"], "fin", true, false],
  [["silent", "read: reset"], "rst", false, true],
  [["read: timed out", "null"], "silence", false, true],
  [["read: other", "null"], "failed", false, true],
  [["close", "read: interrupted"], "local", false, true],
  [["read: interrupted"], "local", false, true],
  [["finish", "write: pipe", "close"], "local", false, true],
  [["close", "null", "read: reset"], "local", false, true],
];

for (const [reports, how, whole, settled] of MEANINGS) {
  Deno.test(`EndingWatch takes ${reports.join(", ") || "nothing"} for ${how}`, () => {
    const ending = heard(reports);
    assertEquals([ending.how, ending.whole, ending.settled], [how, whole, settled]);
  });
}

const report = fc.constantFrom(...Object.keys(SAY) as Report[]);
const day = fc.array(report, { maxLength: 12 });

Deno.test("EndingWatch never takes a connection that broke for one that ended", () => {
  fc.assert(
    fc.property(day, (reports) => {
      const first = reports.findIndex((said) =>
        [
          "null",
          "close",
          "read: reset",
          "write: reset",
          "read: timed out",
          "read: other",
          "read: interrupted",
        ].includes(said)
      );
      const whole = first >= 0 && reports[first] === "null";
      assertEquals(heard(reports).whole, whole);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("EndingWatch does not go back on what it calls settled", () => {
  fc.assert(
    fc.property(day, day, (before, after) => {
      const then = heard(before);
      if (then.settled) assertEquals(heard([...before, ...after]).how, then.how);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("EndingWatch blames no peer for our own doing", () => {
  const ours = fc.constantFrom<Report>("finish", "close", "read: interrupted", "bytes", "wrote");
  fc.assert(fc.property(fc.array(ours), (reports) => {
    const said = reports.flatMap((said): Report[] =>
      said === "finish" ? [said, "write: pipe"] : [said]
    );
    assert(["open", "local"].includes(heard(said).how));
  }));
});

Deno.test("EndingWatch always says what it does not know, unless it knows", () => {
  fc.assert(
    fc.property(day, (reports) => {
      const { how, settled, doubt, afterFin } = heard(reports);
      if (!settled) assert(doubt !== undefined);
      if (settled) assertEquals(doubt !== undefined, how === "fin-rst" && afterFin > 0);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("EndingWatch counts what came, and what was written after FIN", () => {
  const { bytesRead, afterFin } = heard(["bytes", "wrote", "bytes", "null", "wrote", "wrote"]);
  assertEquals([bytesRead, afterFin], [10, 6]);
});

Deno.test("EndingWatch keeps the error that told", () => {
  const watch = new EndingWatch();
  const error = new ConnectionReset("this one");
  watch.readFailed(error);
  watch.readFailed(new ConnectionReset("and not this one"));
  assertStrictEquals(watch.ending.error, error);
});

Deno.test("watchEnding() does not let a reset pass for an end, as a Deno.TcpConn does", async () => {
  const error = new ConnectionReset("told once");
  const [deno] = memoryPair();
  let told = false;
  const watched = watchEnding({
    write: (p: Uint8Array) => deno.write(p),
    closeWrite: () => deno.closeWrite(),
    [Symbol.dispose]: () => deno[Symbol.dispose](),
    read() {
      if (told) return Promise.resolve(null);
      told = true;
      return Promise.reject(error);
    },
  });
  for (let i = 0; i < 3; i++) {
    assertStrictEquals(await assertRejects(() => watched.read(new Uint8Array(1))), error);
  }
  assertEquals(watched.ending.how, "rst");
});

Deno.test("watchEnding() can be reset if what it watches can", async () => {
  const [a, b] = memoryPair();
  const watched = watchEnding(a);
  watched.reset();
  await assertRejects(() => b.read(new Uint8Array(1)), ConnectionReset);
  await assertRejects(() => watched.read(new Uint8Array(1)), BadResource);
  assertEquals(watched.ending.how, "local");
});

Deno.test("watchEnding() hears what a program does with the connection", async () => {
  const [a, b] = memoryPair();
  using watched = watchEnding(a);
  await writeAll(b, bytes("all"));
  assertEquals(watched.ending.how, "open");
  await b.closeWrite();
  await readToEnd(watched);
  await writeAll(watched, bytes("ok"));
  const { how, whole, bytesRead, afterFin } = watched.ending;
  assertEquals({ how, whole, bytesRead, afterFin }, {
    how: "fin",
    whole: true,
    bytesRead: 3,
    afterFin: 2,
  });
  b[Symbol.dispose]();
  await assertRejects(() => watched.write(bytes("more")), BrokenPipe);
  assertEquals(watched.ending.how, "fin-rst");
});

Deno.test("endingOf() hands over what comes, and leaves the connection open", async () => {
  const [a, b] = memoryPair();
  const got: number[] = [];
  const ending = endingOf(a, { onData: (chunk) => got.push(...chunk) });
  await writeAll(b, Uint8Array.of(1, 2, 3));
  await b.closeWrite();
  assertEquals((await ending).how, "fin");
  assertEquals(got, [1, 2, 3]);
  await writeAll(a, bytes("still open"));
});

Deno.test("endingOf() calls silence what lasts for its timeout, to the millisecond", async () => {
  const world = seededWorld(1);
  const [a, b] = memoryPair();
  const ending = endingOf(a, { timeout: 100, world });
  await world.advance(60);
  await writeAll(b, bytes("x"));
  await world.advance(99);
  assertEquals(world.sleepers, 1);
  await world.advance(1);
  const { how, settled, bytesRead } = await ending;
  assertEquals([how, settled, bytesRead], ["silence", false, 1]);
  assertEquals(world.sleepers, 0);
});

Deno.test("endingOf() without a probe leaves FIN in doubt, and writes nothing", async () => {
  const [a, b] = memoryPair();
  await b.closeWrite();
  const { how, doubt } = await endingOf(a);
  assertEquals([how, b.buffered], ["fin", 0]);
  assert(doubt!.includes("only a write would tell"));
});

Deno.test("endingOf() probes no more often than it may, and waits in between", async () => {
  const world = seededWorld(1);
  const [a, b] = memoryPair();
  await b.closeWrite();
  const ending = endingOf(a, { probe: bytes("?"), probes: 2, probeWait: 70, world });
  await world.advance(69);
  assertEquals(b.buffered, 1);
  await world.advance(1);
  const { how, afterFin } = await ending;
  assertEquals([how, afterFin, b.buffered], ["fin", 2, 2]);
  assertEquals(world.sleepers, 0);
});

Deno.test("endingOf() does not wait for ever for a probe to be taken", async () => {
  const world = seededWorld(1);
  const [a, b] = memoryPair({ capacity: 1 });
  await a.write(bytes("x"));
  await b.closeWrite();
  const ending = endingOf(a, { probe: bytes("?"), probes: 2, probeWait: 70, world });
  await world.advance(140);
  assertEquals((await ending).how, "fin");
  a[Symbol.dispose]();
});

Deno.test("endingOf() tells a peer that closed from one that only said FIN", async () => {
  const [a, b] = memoryPair();
  b[Symbol.dispose]();
  const { how, settled } = await endingOf(a, { probe: bytes("?") });
  assertEquals([how, settled], ["fin-rst", true]);
});

Deno.test("endingOf() ends with the reason of its signal, while it reads and while it probes", async () => {
  const reason = new Error("enough");
  for (const says of ["nothing", "FIN"]) {
    const world = seededWorld(1);
    const controller = new AbortController();
    const [a, b] = memoryPair();
    if (says === "FIN") await b.closeWrite();
    const ending = assertRejects(() =>
      endingOf(a, { probe: bytes("?"), signal: controller.signal, world })
    );
    await world.advance(10);
    controller.abort(reason);
    assertStrictEquals(await ending, reason);
    await world.advance(0);
    assertEquals(world.sleepers, 0);
    a[Symbol.dispose]();
  }
});

Deno.test("endingOf() of a connection that is disposed meanwhile is local", async () => {
  const [a] = memoryPair();
  const ending = endingOf(a);
  a[Symbol.dispose]();
  assertEquals((await ending).how, "local");
});
