import { assertEquals, assertMatch } from "@std/assert";
import type { Log } from "../../cmd/_cli.ts";
import { Screen } from "../../cmd/_screen.ts";
import type { Look } from "../../cmd/_states_look.ts";
import {
  groupLines,
  History,
  json,
  line,
  standingLines,
  table,
  tellAlarms,
} from "../../cmd/_states_text.ts";
import type { Alarm } from "../../lib/observe/alarms.ts";
import { countStates, type StateCounts } from "../../lib/observe/state_counts.ts";

const NOON = new Date(2026, 0, 1, 12, 0, 0);
const quiet = { raised: [], cleared: [], standing: [] };

const counts = (some: Partial<StateCounts>): StateCounts => ({ ...countStates([]), ...some });

function look(some: Partial<StateCounts>, groups: [string, Partial<StateCounts>][] = []): Look {
  return {
    time: NOON,
    counts: counts(some),
    groups: new Map(groups.map(([name, of]) => [name, counts(of)])),
    sample: { at: 90_000, counts: counts(some), listeners: [] },
  };
}

const alarm: Alarm = { kind: "close-wait", since: 30_000, value: 120, worst: 300 };
const full: Alarm = {
  kind: "accept-queue",
  subject: "[::1]:80",
  since: 60_000,
  value: 95,
  worst: 99,
};

Deno.test("table() has a line for each state in which there are some, and their sum", () => {
  assertEquals(table(look({ "TIME-WAIT": 8, LISTEN: 15, ESTABLISHED: 12345 })), [
    "LISTEN            15",
    "ESTABLISHED    12345",
    "TIME-WAIT          8",
    "total          12368",
  ]);
  assertEquals(table(look({})), ["total              0"]);
});

Deno.test("groupLines() tells the largest, and how many more there are", () => {
  const many = Array.from({ length: 23 }, (_, at) => [`:${at}`, { LISTEN: 1 }] as const);
  const lines = groupLines(look({}, many.map(([name, of]) => [name, of])).groups);
  assertEquals([lines[0], lines[1], lines.at(-1)], [
    "",
    ":0                 1  LISTEN 1",
    "… and 3 more",
  ]);
  assertEquals(lines.length, 22);
  assertEquals(groupLines(new Map()), []);
  const [, long, short] = groupLines(
    look({}, [
      ["a-program-of-15[4711]", { LISTEN: 1, "CLOSE-WAIT": 20 }],
      ["-", { "TIME-WAIT": 3 }],
    ]).groups,
  );
  assertEquals(long, "a-program-of-15[4711]      21  LISTEN 1, CLOSE-WAIT 20");
  assertEquals(short, "-                           3  TIME-WAIT 3");
});

Deno.test("groupLines() lets no program's name steer the terminal", () => {
  const [, told] = groupLines(look({}, [["\x1b[2Jx\r\n\x9b[7]", { LISTEN: 1 }]]).groups);
  assertEquals(told, "?[2Jx???[7]        1  LISTEN 1");
});

Deno.test("line() says all of it in one, and a line for each group", () => {
  assertEquals(line(look({ LISTEN: 1, CLOSING: 2 }, [[":80", { LISTEN: 1 }]])), [
    "12:00:00 3: LISTEN 1, CLOSING 2",
    "",
    ":80                1  LISTEN 1",
  ]);
  assertEquals(line(look({})), ["12:00:00 0: none"]);
});

Deno.test("History shows how each state came, from when there were some, in the room there is", () => {
  const history = new History();
  assertEquals(history.picture(look({ LISTEN: 1 }), 80), [
    "LISTEN             1  █",
    "total              1  █",
  ]);
  history.picture(look({ LISTEN: 1, ESTABLISHED: 7 }), 80);
  assertEquals(history.picture(look({ LISTEN: 1 }), 80), [
    "LISTEN             1  ███",
    "ESTABLISHED        0  ▁█▁",
    "total              1  ▂█▂",
  ]);
  const [first] = history.picture(look({ LISTEN: 8 }), 25);
  assertEquals(first, "LISTEN             8  ▂█");
  assertEquals(history.picture(look({ LISTEN: 8 }), 10)[0], "LISTEN             8  ");
});

Deno.test("standingLines() say since when, how it is and how it was", () => {
  assertEquals(standingLines([alarm, full], look({})), [
    "",
    "! close-wait since 11:59:00: 120, at worst 300",
    "! accept-queue [::1]:80 since 11:59:30: 95, at worst 99",
  ]);
  assertEquals(standingLines([], look({})), []);
});

Deno.test("tellAlarms() warns of what has come, and tells what is over", () => {
  const told: string[] = [];
  const say = (level: string) => (message: string, facts: Record<string, unknown> = {}) =>
    void told.push(
      `${level} ${message.replaceAll(/\{(\w+)\}/g, (_, name) => String(facts[name]))}`,
    );
  const log: Log = { info: say("info"), warn: say("warn"), error: say("error") };
  tellAlarms({ raised: [alarm], cleared: [full], standing: [alarm] }, log);
  assertEquals(told, [
    "warn close-wait: 120 connections are in CLOSE-WAIT: " +
    "a program does not close what its peers have closed",
    "info accept-queue [::1]:80: over; at worst 99",
  ]);
});

Deno.test("json() is one line, with alarms by the clock of the world", () => {
  const text = json(look({ LISTEN: 2 }), {
    ...quiet,
    standing: [alarm],
    raised: [alarm],
    cleared: [full],
  });
  assertMatch(text, /^\{.*\}$/);
  const { time, total, states, alarms, raised, cleared, ...rest } = JSON.parse(text);
  assertEquals([time, total, states], [NOON.toISOString(), 2, counts({ LISTEN: 2 })]);
  const since = new Date(NOON.getTime() - 60_000).toISOString();
  assertEquals(alarms, [{ kind: "close-wait", value: 120, worst: 300, since }]);
  assertEquals([raised, cleared], [["close-wait"], ["accept-queue [::1]:80"]]);
  assertEquals(rest, { listeners: [] });
});

/** A terminal so large, and what it has been sent. */
function terminal(columns: number, rows: number) {
  const sent: string[] = [];
  const print = (data: string | Uint8Array) => Promise.resolve(void sent.push(String(data)));
  return { sent, screen: new Screen({ print, columns, rows }) };
}

Deno.test("Screen draws over what it drew before, also if that was more", async () => {
  const { sent, screen } = terminal(20, 10);
  await screen.draw(["one", "two", "three"]);
  await screen.draw(["four"]);
  await screen.clear();
  await screen.clear();
  await screen.draw(["five"]);
  assertEquals(sent, [
    "one\ntwo\nthree\n",
    "\x1b[3A\r\x1b[Jfour\n",
    "\x1b[1A\r\x1b[J",
    "",
    "five\n",
  ]);
});

Deno.test("Screen draws nothing that would wrap or scroll, which it could not take back", async () => {
  const { sent, screen } = terminal(6, 3);
  await screen.draw(["12345", "▁▂▃▄▅▆▇█", "three"]);
  await screen.draw(["x"]);
  assertEquals(sent, ["12345\n▁▂▃▄▅\n", "\x1b[2A\r\x1b[Jx\n"]);
});
