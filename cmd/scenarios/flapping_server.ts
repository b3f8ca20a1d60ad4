#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A server that flaps: gone, half there, there; who tries again gets through
 *
 * Chapter §9.3: Health Check de serveurs
 *
 * A server that restarts refuses connections for a while, then takes them and breaks them off,
 * then works. A client that tries once fails, one that tries again with a growing pause gets
 * through. A check that only connects says that the server is well as soon as anything listens;
 * one that talks to it knows better.
 *
 *     deno task lab flapping_server
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

import { dial } from "../../lib/client/dial.ts";
import { explain } from "../../lib/errors.ts";
import { faultyLink } from "../../lib/faults/faulty_link.ts";
import { connectProbe, talkProbe } from "../../lib/proxy/probes.ts";
import { readExact, writeAll } from "../../lib/stream/conn.ts";
import { realWorld } from "../../lib/world.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Which connections the server breaks off, half there as it is, at their first byte. */
const SCRIPT = "connections 1-5 up: at 1B rst";

/** One who tries once, one who tries again, and two checks. */
export const main = scenario(import.meta, async (lab) => {
  await using server = lab.serve(async (conn) => {
    // Who only looks in says nothing, and some are broken off.
    const asked = await readExact(conn, 4).catch(() => new Uint8Array());
    await writeAll(conn, asked).catch(() => {});
  });
  await using link = await faultyLink(server.addr, { timeline: SCRIPT, seed: 1 });
  const { addr } = link;

  lab.say("Gone: nothing listens. The kernel refuses.");
  await link.disable();
  const once = await lab.dial(addr).then(() => "connected", (error) => explain(error).code);
  lab.check("gone: who tries once fails", once, "ECONNREFUSED");

  lab.say("Who tries again gets through when it comes back, after the second try.");
  let tries = 0;
  using tried = await dial(addr, {
    attempts: 5,
    signal: lab.signal,
    onAttempt: () => {
      if (++tries === 2) link.enable();
    },
  });
  lab.check("back: it took more than two tries", tries > 2);
  await writeAll(tried, new TextEncoder().encode("ping"));
  const broken = await readExact(tried, 4).catch((error) => error.name);
  lab.check("half there: it is connected, and broken off as it asks", broken, "ConnectionReset");

  lab.say("Two checks of a server that is half there.");
  const options = { timeout: 2000, signal: lab.signal, world: realWorld };
  const connects = await connectProbe()(addr, options);
  const talks = await talkProbe([{ send: "ping" }, { expect: "ping" }])(addr, options);
  lab.check("half there: a check that connects says that it is well", connects.ok);
  lab.check("half there: one that talks says that it is not", talks.ok, false);
  lab.say(`It says: ${talks.status}: ${talks.detail}`);

  lab.say("A client that starts anew when it is broken off, until it has its answer.");
  const rounds = await untilAnswered(lab, addr);
  lab.check("it had its answer from the third", rounds, 3);
  const again = await talkProbe([{ send: "ping" }, { expect: "ping" }])(addr, options);
  lab.check("there: the check that talks says so", again.ok);
  const broke = link.events.flatMap(({ type, connection }) => type === "reset" ? connection : []);
  lab.check("those that asked too early were broken off, and no others", broke, [1, 3, 4, 5]);
  await server.idle();
});

/** How many connections it takes until one brings the answer. */
async function untilAnswered(lab: Lab, addr: { hostname: string; port: number }): Promise<number> {
  for (let round = 1; round <= 10; round++) {
    using conn = await lab.dial({ transport: "tcp", ...addr });
    try {
      await writeAll(conn, new TextEncoder().encode("ping"));
      await readExact(conn, 4);
      lab.draw();
      return round;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }
  return 0;
}

if (import.meta.main) await run(main, import.meta);
