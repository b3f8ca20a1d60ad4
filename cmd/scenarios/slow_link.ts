#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A slow link: a delay is not a lack of room, and what each of them costs
 *
 * Chapter §4.3.2: Pattern 2 : Lecture avec timeout
 *
 * Latency delays everything by the same time and lets it come as fast as it was sent, so it is
 * paid once for each question that waits for its answer. Bandwidth is paid for each byte. A read
 * that gives up sooner than the link can answer takes a slow server for a dead one. The times are
 * exact, as the clock is one that jumps ahead while everybody waits.
 *
 *     deno task lab slow_link
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

import { bandwidth } from "../../lib/faults/bandwidth.ts";
import type { Fault } from "../../lib/faults/fault.ts";
import { faultyLink } from "../../lib/faults/faulty_link.ts";
import { hastyWorld } from "../../lib/faults/hasty_world.ts";
import { latency } from "../../lib/faults/latency.ts";
import { memoryLink } from "../../lib/faults/memory_link.ts";
import { type Duplex, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { TimedReader } from "../../lib/stream/timed_reader.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Milliseconds each way, kilobytes in a second, questions, and bytes of a file. */
const LATENCY = 100;
const RATE = 100;
const QUESTIONS = 10;
const FILE = 100_000;

/** Questions one by one and all at once, a file, a read with a deadline; then a real link. */
export const main = scenario(import.meta, async (lab) => {
  lab.say(
    `${LATENCY} ms each way, ${QUESTIONS} questions, each after the answer to the one before.`,
  );
  const slow = () => latency(LATENCY);
  const oneByOne = await timed([slow()], async (client) => {
    for (let i = 0; i < QUESTIONS; i++) {
      await writeAll(client, Uint8Array.of(i));
      await readExact(client, 1);
    }
  });
  lab.check("one by one: each pays there and back", oneByOne, QUESTIONS * 2 * LATENCY);

  lab.say("The same questions, without waiting in between.");
  const atOnce = await timed([slow()], async (client) => {
    for (let i = 0; i < QUESTIONS; i++) await writeAll(client, Uint8Array.of(i));
    await readExact(client, QUESTIONS);
  });
  lab.check("all at once: there and back is paid once", atOnce, 2 * LATENCY);

  lab.say(`A file of ${FILE / 1000} kB over the same link, and back.`);
  const wide = await timed([slow()], echoed);
  lab.check("a delay does not throttle", wide, 2 * LATENCY);
  lab.say(`The same file at ${RATE} kB/s.`);
  const narrow = await timed([bandwidth(RATE)], echoed);
  // The answer begins to come while the question is still on its way.
  lab.check("room is paid for each byte", narrow >= FILE / RATE && narrow < FILE / RATE + 100);
  lab.say(`That took ${Math.round(narrow)} ms by the link's clock.`);

  lab.say("A read that gives up after one delay, where two have to pass.");
  let gaveUp = 0;
  const patient = await timed([slow()], async (client, world) => {
    const reader = new TimedReader(client, { world });
    await writeAll(client, Uint8Array.of(1));
    const buffer = new Uint8Array(1);
    await reader.read(buffer, { timeout: LATENCY * 1.5 }).catch(() => gaveUp = world.now());
    await reader.read(buffer, { timeout: LATENCY });
  });
  lab.check("too short: it gives up on a server that is well", gaveUp, LATENCY * 1.5);
  lab.check("the next read has the answer: nothing was lost", patient, 2 * LATENCY);

  await realLink(lab);
});

/** The same on a real link, which can only be held to what is the least. */
async function realLink(lab: Lab): Promise<void> {
  lab.say("A real link on loopback, 20 ms each way.");
  await using server = lab.serve(async (conn) => {
    await writeAll(conn, await readToEnd(conn));
  });
  const fault = latency(20);
  await using link = await faultyLink(server.addr, { up: [fault], down: [fault] });
  using client = await lab.dial(link.addr);
  await writeAll(client, new TextEncoder().encode("hello"));
  await client.closeWrite();
  const heard = await readToEnd(client);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
  lab.check("real: the answer is whole", new TextDecoder().decode(heard), "hello");
  const [sent] = lab.calls("client", "write");
  const [got] = lab.calls("server", "read");
  const [back] = lab.calls("client", "read");
  // A timer may be a millisecond early.
  lab.check("real: it came to the server 20 ms later, or more", got!.end! - sent!.at >= 19);
  lab.check("real: and back as much later again", back!.end! - sent!.at >= 38);
}

/** How many milliseconds of its own time it takes, with an echo behind faults both ways. */
async function timed(
  faults: Fault[],
  use: (client: Duplex, world: ReturnType<typeof hastyWorld>) => Promise<void>,
): Promise<number> {
  await using world = hastyWorld(1);
  await using link = memoryLink({ world, up: faults, down: faults, seed: 1 });
  const { client, server } = link.connect();
  const echo = async () => {
    const buffer = new Uint8Array(16 * 1024);
    for (let n; (n = await server.read(buffer)) !== null;) {
      await writeAll(server, buffer.subarray(0, n));
    }
  };
  const echoing = echo().catch(() => {});
  await use(client, world);
  const took = world.now();
  client.reset();
  await echoing;
  return took;
}

async function echoed(client: Duplex): Promise<void> {
  await Promise.all([writeAll(client, new Uint8Array(FILE)), readExact(client, FILE)]);
}

if (import.meta.main) await run(main, import.meta);
