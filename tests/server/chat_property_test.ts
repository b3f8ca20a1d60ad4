/** Whatever people do: what a room promises to each of them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import type { SlowPolicy } from "../../lib/server/mod.ts";
import { writeAll } from "../../lib/stream/conn.ts";
import type { MemoryConn } from "../../lib/stream/memory.ts";
import { House } from "./_chatters.ts";

const NAMES = ["ada", "bob", "cyd", "dan", "eve"];

/** Somebody who reads all the time, but for while they do not. */
class Visitor {
  heard = "";
  /** How the reading ended. */
  end: "FIN" | "broken" | undefined;
  /** Whether they ever stopped reading, and whether they sent FIN or a reset. */
  stalled = false;
  gone = false;
  #pause: PromiseWithResolvers<void> | undefined;
  #done: Promise<void> = Promise.resolve();

  constructor(readonly name: string, readonly conn: MemoryConn, readonly served: Promise<unknown>) {
    this.#read();
  }

  stall(): void {
    this.stalled = true;
    this.#pause ??= Promise.withResolvers();
  }

  goOn(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  /** Says a line after those before it; nobody waits, for the room may take no more. */
  say(text: string): void {
    this.#do(() => writeAll(this.conn, new TextEncoder().encode(`${text}\n`)));
  }

  finish(): void {
    this.#do(() => this.conn.closeWrite());
  }

  #do(act: () => Promise<void>): void {
    this.#done = this.#done.then(act).catch(() => {});
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const buffer = new Uint8Array(512);
    try {
      while (true) {
        await this.#pause?.promise;
        const n = await this.conn.read(buffer);
        if (n === null) break;
        this.heard += decoder.decode(buffer.subarray(0, n), { stream: true });
      }
      this.end = "FIN";
    } catch {
      this.end = "broken";
    }
  }
}

type Step =
  | { do: "join"; who: number; capacity: number }
  | { do: "say"; who: number; times: number; length: number }
  | { do: "stall" | "go on" | "/quit" | "FIN" | "RST" | "close"; who: number }
  | { do: "wait"; ms: number };

const who = fc.nat(NAMES.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("join" as const),
    who,
    capacity: fc.constantFrom(1, 7, 100, 65536),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("say" as const),
      who,
      times: fc.integer({ min: 1, max: 60 }),
      length: fc.nat(100),
    }),
  },
  fc.record({ do: fc.constantFrom("stall" as const, "go on" as const), who }),
  fc.record({
    do: fc.constantFrom("/quit" as const, "FIN" as const, "RST" as const, "close" as const),
    who,
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(0, 100, 1000, 6000) }),
);

for (const slow of ["buffer", "drop", "disconnect"] as const satisfies SlowPolicy[]) {
  Deno.test(`chat() with "${slow}": lines are whole and in order, whatever people do`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), (steps) => evening(slow, steps)),
      { numRuns: 60 },
    );
  });
}

async function evening(slow: SlowPolicy, steps: readonly Step[]): Promise<void> {
  using house = new House({ slow, queue: 4096, maxLine: 128, stallTimeout: 5000 });
  const here = new Map<number, Visitor>();
  const all: Visitor[] = [];
  let said = 0;
  for (const step of steps) {
    if (step.do === "wait") {
      await house.world.advance(step.ms);
      continue;
    }
    const visitor = here.get(step.who);
    if (step.do === "join") {
      if (visitor) continue;
      const { conn, served } = house.connect(step.capacity);
      const newcomer = new Visitor(NAMES[step.who]!, conn, served);
      here.set(step.who, newcomer);
      all.push(newcomer);
      newcomer.say(newcomer.name);
    } else if (visitor) {
      if (step.do === "stall") visitor.stall();
      if (step.do === "go on") visitor.goOn();
      if (step.do === "say") {
        for (let i = 0; i < step.times; i++) {
          visitor.say(`${said++} ${"é".repeat(step.length / 2)}`);
        }
      }
      if (step.do === "/quit") visitor.say("/quit");
      if (step.do === "FIN") visitor.finish();
      if (step.do === "RST") visitor.conn.reset();
      if (step.do === "close") visitor.conn[Symbol.dispose]();
      if (["/quit", "FIN", "RST", "close"].includes(step.do)) {
        visitor.gone = true;
        here.delete(step.who);
      }
    }
    await house.still();
  }
  for (const visitor of all) visitor.goOn();
  house.closing.abort();
  await house.world.advance(7000);

  for (const visitor of all) judge(visitor);
  await Promise.all(all.map(({ served }) => served));
  assertEquals(house.room.names, []);
  assertEquals(house.world.sleepers, 0);
}

const LINE = new RegExp(
  [
    /Welcome to the chat! What is your name\?/,
    /\* you are \w+; \d here: \w+(, \w+)*; try \/who, \/name NAME, \/quit/,
    /\* \w+ joined/,
    /\* \w+ left \((quit|end of input|connection lost|did not read|read too slowly)\)/,
    /… \d+ lines? w\w+ dropped/,
    /ERROR: a name must be free: \w+ is taken/,
    /ERROR: a name must have .*/, // what is said after that goes for names
    /\w+: \d+ é*/,
    /\* you read too slowly for this room\. Goodbye!/,
    /\* the room is closing\. Goodbye!/,
    /Goodbye!/,
  ].map(({ source }) => `^${source}$`).join("|"),
);

function judge({ name, heard, end, stalled, gone }: Visitor): void {
  const lines = heard.split("\n");
  const half = lines.pop();
  for (const line of lines) assertMatch(line, LINE);
  // Half a line comes last, and only to who did not read, or broke off.
  if (!stalled && end === "FIN") assertEquals(half, "");
  const last = new Map<string, number>();
  for (const line of lines) {
    const [, speaker, number] = /^(\w+): (\d+) /.exec(line) ?? [];
    if (speaker === undefined || speaker === "ERROR") continue;
    assert(speaker !== name, `${name} hears themselves: ${line}`);
    assert(Number(number) > (last.get(speaker) ?? -1), `out of order: ${line}`);
    last.set(speaker, Number(number));
  }
  // Who always reads misses nothing.
  if (!stalled && !gone) assertEquals(lines.filter((line) => line.startsWith("… ")), []);
}
