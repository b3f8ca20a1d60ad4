#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Replay: what failed by chance fails again, as one seed decides all chance
 *
 * Chapter §8: Pièges courants et bonnes pratiques
 *
 * A test with random faults finds what nobody thought of, and is worth nothing if the failure
 * cannot be had again. Here a protocol with a mistake (it takes each read for a message) works
 * on most days. The seed of a day on which it did not gives just that day again: the same bytes
 * at the same times through the same faults, so that a fix can be tried on it.
 *
 *     deno task lab replay
 *
 * Flags:
 *
 *     --json           print what happens as JSON, one event on each line
 *     --quiet          print the verdict only
 *     --mermaid        print the pictures as a Mermaid sequence diagram
 *     --svg FILE       write the pictures as SVG as well
 *     --pcapng FILE    write the packets for Wireshark as well
 *     --help, --version
 *
 * Exit codes: 0, every check held; 1, one did not; 2, wrong command line.
 *
 * @module
 */

import { hastyWorld } from "../../lib/faults/hasty_world.ts";
import { latency } from "../../lib/faults/latency.ts";
import { memoryLink } from "../../lib/faults/memory_link.ts";
import { slicer } from "../../lib/faults/slicer.ts";
import { eventLine } from "../../lib/faults/link_event.ts";
import { LineConn } from "../../lib/framing/messages.ts";
import { traced } from "../../lib/observe/trace.ts";
import { type Duplex, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** What is said. */
const MESSAGES = ["temperature 21\n", "pressure 1013\n", "humidity 40\n"];

/** What the protocol makes of a stream. */
type Receive = (conn: Duplex) => Promise<string[]>;

/** Days until one goes wrong, that day again, and the fix on that day. */
export const main = scenario(import.meta, async (lab) => {
  lab.say("Each seed is a day: pieces of 30 to 170 bytes, on their way for 0 to 50 ms.");
  const wanted = MESSAGES.map((message) => message.trim());
  let seed = 1;
  let day = await live(seed, oneReadEach);
  while (seed < 200 && day.got.join() === wanted.join()) day = await live(++seed, oneReadEach);
  lab.say(
    `The days 1 to ${seed - 1} went well. On day ${seed} the receiver got ${quoted(day.got)}.`,
  );
  for (const line of day.log.slice(-4)) lab.say(line);
  lab.check("chance finds the mistake", day.got.join() !== wanted.join());
  lab.check("but not at once, so one try would have proved nothing", seed > 1);

  lab.say(`Day ${seed} again.`);
  const again = await live(seed, oneReadEach, lab);
  lab.draw();
  lab.check("the receiver gets the same wrong messages", again.got, day.got);
  lab.check("and the link's log is the same, line by line", again.log, day.log);

  lab.say("Every other day is another.");
  const other = await live(seed + 1, oneReadEach);
  lab.check("another seed, another log", other.log.join() !== day.log.join());

  lab.say(`The fix, on day ${seed}: messages end where their line ends, however they come.`);
  const fixed = await live(seed, byLine);
  lab.check("the same day goes well", fixed.got, wanted);
  lab.check("and it was the same day: the link did the same", fixed.log, day.log);
});

/** Lets the messages come through a link of that seed. */
async function live(
  seed: number,
  receive: Receive,
  lab?: Lab,
): Promise<{ got: string[]; log: string[] }> {
  await using world = hastyWorld(seed);
  const log: string[] = [];
  await using link = memoryLink({
    world,
    seed,
    up: [
      { name: "pieces", fault: slicer(100, { variation: 70 }) },
      { name: "late", fault: latency(25, { jitter: 25 }) },
    ],
    onEvent: (event) => log.push(eventLine(event)),
  });
  const ends = link.connect();
  const client = lab ? traced(ends.client, "client", lab.trace) : ends.client;
  const server = lab ? traced(ends.server, "server", lab.trace) : ends.server;
  const receiving = receive(server);
  for (const message of MESSAGES) {
    await writeAll(client, new TextEncoder().encode(message));
    await world.sleep(40);
  }
  await client.closeWrite();
  const got = await receiving;
  await server.closeWrite();
  await ends.link.finished;
  return { got, log };
}

/** The mistake: what one read brings is taken for one message. */
async function oneReadEach(conn: Duplex): Promise<string[]> {
  const got: string[] = [];
  const buffer = new Uint8Array(1024);
  for (let n; (n = await conn.read(buffer)) !== null;) {
    got.push(new TextDecoder().decode(buffer.subarray(0, n)).trimEnd());
  }
  return got;
}

async function byLine(conn: Duplex): Promise<string[]> {
  return await Array.fromAsync(new LineConn(conn));
}

function quoted(messages: readonly string[]): string {
  return messages.map((message) => JSON.stringify(message)).join(", ");
}

if (import.meta.main) await run(main, import.meta);
