#!/usr/bin/env -S deno run --allow-run=ss,nstat
/**
 * Counts the TCP sockets of this machine by state, as the kernel has them; watches them, and
 * raises an alarm when something piles up.
 *
 *     deno task states                             how many in each state
 *     deno task states --by port --port 80,443     ... on these ports, for each of them
 *     deno task states --watch                     again and again, with where it came from
 *     deno task states --watch --json              ... as JSON, an object for each look
 *
 * Flags:
 *
 *     --by GROUP            for each port or process as well: none, port or process; none
 *     --port PORTS          sockets with one of these ports at either end, such as 80,443
 *     --state STATES        sockets in one of these states, such as LISTEN,CLOSE-WAIT
 *     --process NAME        sockets that a program of this name holds
 *     --watch               go on until Ctrl-C
 *     --interval TIME       with --watch, from one look to the next; 2s
 *     --times COUNT         with --watch, end after so many looks; no limit
 *     --json                JSON on standard output
 *     --half-open COUNT     alarm at so many sockets in SYN-RECEIVED; 100, and 0 for no alarm
 *     --close-wait COUNT    alarm at so many sockets in CLOSE-WAIT; 100, and 0 for no alarm
 *     --queue PERCENT       alarm at an accept queue that is so full; 90, and 0 for no alarm
 *     --quiet TIME          for how long it must be quiet until an alarm is over; 30s
 *     --help, --version
 *
 * A group of --by port is the port that somebody listens on here, or else that of the peer. To
 * see whose sockets other users hold takes root.
 *
 * With --watch there is an alarm as well when the kernel turns connections away for want of room
 * in an accept queue, and when it sends SYN cookies; but not with --port, as it counts those of all
 * ports together. Alarms go to standard error as they come and go. They look at every state and
 * process; only --port narrows them. One that is raised at 100 is over when there were 50 or less
 * for --quiet.
 *
 * On macOS it needs --allow-run=netstat instead.
 *
 * Exit codes: 0, all is quiet; 1, the kernel could not be asked; 2, wrong command line; 3, an
 * alarm stands, with --watch at the end. 141, nobody reads the output.
 *
 * @module
 */

import { type AlarmReport, AlarmWatch } from "../lib/observe/alarms.ts";
import { realWorld, type World } from "../lib/world.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { choice, duration, durationText, integer, text, toggle } from "./_flag.ts";
import { onlyWith, parseFlags, type Values } from "./_flags.ts";
import { Screen } from "./_screen.ts";
import { limitsOf, ports, states } from "./_states_flags.ts";
import { type Look, Looker } from "./_states_look.ts";
import {
  groupLines,
  History,
  json,
  line,
  standingLines,
  table,
  tellAlarms,
} from "./_states_text.ts";

/** What the command line may say. */
export const flags = {
  by: choice(["none", "port", "process"], "none"),
  port: ports(),
  state: states(),
  process: text(""),
  watch: toggle(),
  interval: duration({ min: 100, fallback: 2000 }),
  times: integer({ min: 1, fallback: Infinity }),
  json: toggle(),
  halfOpen: integer({ fallback: 100 }),
  closeWait: integer({ fallback: 100 }),
  queue: integer({ max: 100, fallback: 90 }),
  quiet: duration({ fallback: 30_000 }),
};

/** The exit code of somebody who left while an alarm stood. */
const ALARM = 3;

/** Looks once, or until it is interrupted. */
export async function main(args: string[], io: Io, world: World = realWorld): Promise<number> {
  const given = parseFlags(args, flags);
  onlyWith(given, flags, "watch", ["interval", "times", "quiet"]);
  const looker = new Looker(given, world, io.interrupted);
  const alarms = new AlarmWatch({ limits: limitsOf(given), quiet: given.quiet });
  if (given.watch) return await watch(given, looker, alarms, io, world);
  const look = await looker.look();
  const report = alarms.look(look.sample);
  tellAlarms(report, io.log);
  await io.print(`${given.json ? json(look, report) : table(look).join("\n")}\n`);
  return report.standing.length > 0 ? ALARM : 0;
}

type Given = Values<typeof flags>;

/** Milliseconds that our own signal may be behind that of a program which Ctrl-C ended as well. */
const BEHIND = 100;

async function watch(
  given: Given,
  looker: Looker,
  alarms: AlarmWatch,
  io: Io,
  world: World,
): Promise<number> {
  const { interval, times } = given;
  const tell = voice(given, io);
  let standing = 0;
  try {
    for (let looks = 1;; looks++) {
      const next = world.now() + interval;
      const look = await looker.look();
      if (looks === 1 && looker.blind !== undefined) {
        io.log.warn("no alarm if connections are turned away: {why}", { why: looker.blind });
      }
      const report = alarms.look(look.sample);
      standing = report.standing.length;
      await tell(look, report);
      if (looks >= times) break;
      await world.sleep(Math.max(0, next - world.now()), { signal: io.interrupted });
    }
  } catch (error) {
    if (error instanceof FailureError && !io.interrupted.aborted) await world.sleep(BEHIND);
    // To be ended is the way it ends.
    if (!io.interrupted.aborted) throw error;
  }
  return standing > 0 ? ALARM : 0;
}

/** How a look is told: as JSON, drawn again in its place on a terminal, or a line each. */
function voice({ json: asJson, interval }: Given, io: Io) {
  const screen = new Screen(io);
  const history = new History();
  return async (look: Look, report: AlarmReport): Promise<void> => {
    const news = report.raised.length + report.cleared.length > 0;
    const drawn = !asJson && io.columns !== undefined;
    if (drawn && news) await screen.clear();
    tellAlarms(report, io.log);
    if (!drawn) return await io.print(`${asJson ? json(look, report) : line(look).join("\n")}\n`);
    await screen.draw([
      `every ${durationText(interval)}; Ctrl-C ends`,
      ...history.picture(look, io.columns!),
      ...standingLines(report.standing, look),
      ...groupLines(look.groups),
    ]);
  };
}

if (import.meta.main) await run(main, import.meta);
