#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Health checks: one failure is no outage, and one success no recovery
 *
 * Chapter §9.3: Health Check de serveurs
 *
 * The chapter asks each server once, by connecting. That says what is so at that moment. Who
 * takes servers in and out by it makes them flap: here the same two minutes of ups and downs
 * are judged under different rules, `rise` and `fall`: so many results in a row that it takes.
 *
 *     deno task lab health
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

import { formatAddr } from "../../lib/addr.ts";
import { watchHealth } from "../../lib/proxy/health.ts";
import type { CheckResult } from "../../lib/proxy/health_state.ts";
import { connectProbe } from "../../lib/proxy/probes.ts";
import { readToEnd } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { realWorld, seededWorld } from "../../lib/world.ts";
import { dial } from "../../lib/client/dial.ts";
import { closeGracefully } from "../../lib/stream/close.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** Asks for real once, then watches a trace in a world whose clock is ours. */
export const main = scenario(import.meta, async (lab) => {
  await askOnce(lab);
  await flaps(lab);
  lab.draw();
});

async function askOnce(lab: Lab): Promise<void> {
  lab.say("Is anybody there? The check connects, says FIN, and waits for the server's.");
  let heard: number | undefined;
  await using server = lab.serve(async (conn) => {
    heard = (await readToEnd(conn)).length;
  });
  {
    // What connectProbe() does, on the record.
    const conn = await lab.connect(server.addr, "client", () => dial(server.addr));
    await closeGracefully(conn);
  }
  await server.idle();
  const gone = await listenResettable();
  gone.close();
  const context = { timeout: 2000, signal: lab.signal, world: realWorld };
  const results = await Promise.all(
    [server.addr, gone.addr].map((addr) => connectProbe()(addr, context)),
  );
  for (const [i, addr] of [server.addr, gone.addr].entries()) {
    const { ok } = results[i]!;
    lab.say(ok ? `✓ ${formatAddr(addr)} - OK` : `✗ ${formatAddr(addr)} - DOWN`);
  }

  lab.check("the server saw an end like any other: FIN, no error", heard, 0);
  lab.check("who is there is OK", results[0]!.status, "L4OK");
  lab.check("who is not is DOWN, and it says why", results[1]!.status, "L4CON");
}

/**
 * A check a second for two minutes, from when the server is fully up: `.` is a success, `x` a
 * failure. Single losses, a real outage of fifteen seconds, and a recovery that stutters.
 */
const TRACE = [
  "..........x.........x..........",
  "xxxxxxxxxxxxxxx",
  ".x..x.",
  "....................x...................",
  "............................",
].join("");

/** When it was down, by our eyes: from the first check of the outage to the last. */
const OUTAGE = { from: 31, to: 46 };

async function flaps(lab: Lab): Promise<void> {
  lab.say(`Two minutes, a check each second, x is one that fails: ${inPieces(TRACE)}`);
  const changes = new Map<string, number>();
  for (const [rise, fall] of [[1, 1], [2, 3], [5, 3]] as const) {
    const told = await judged(rise, fall);
    const seen = told.map(({ up, at }) => `${up ? "up" : "down"} at ${at} s`);
    lab.say(`rise ${rise}, fall ${fall}: ${told.length} changes: ${seen.join(", ")}`);
    changes.set(`${rise}/${fall}`, told.length);
    if (fall === 3) {
      const down = told.find(({ up }) => !up)!;
      const late = down.at - OUTAGE.from;
      lab.check(`rise ${rise}, fall ${fall}: the outage is seen after ${fall} checks`, late, 2);
    }
  }

  lab.check("1/1: each lost check takes the server out", changes.get("1/1")! >= 10);
  lab.check("2/3: only the outage does", changes.get("2/3"), 2);
  lab.check("5/3: so do the doubts in its wake, but once", changes.get("5/3"), 2);
}

/** What becomes of the trace under a rule, to the second. */
async function judged(rise: number, fall: number): Promise<{ up: boolean; at: number }[]> {
  const world = seededWorld(1);
  const told: { up: boolean; at: number }[] = [];
  let next = 0;
  await using _watch = watchHealth([{ id: "server", target: "it" }], {
    probe: () => Promise.resolve(result(TRACE[next++] ?? ".")),
    rise,
    fall,
    initial: "fully-up",
    interval: 1000,
    jitter: 0,
    world,
    onChange: (_id, { up }) => told.push({ up, at: Math.round(world.now() / 1000) }),
  });
  await world.advance(TRACE.length * 1000);
  return told;
}

function inPieces(text: string): string {
  return text.match(/.{1,30}/g)!.join(" ");
}

function result(mark: string): CheckResult {
  const ok = mark === ".";
  return { ok, status: ok ? "L4OK" : "L4TOUT", detail: "", duration: 1 };
}

if (import.meta.main) await run(main, import.meta);
