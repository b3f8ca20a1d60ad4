#!/usr/bin/env -S deno run --allow-net --allow-read
/**
 * Leads connections to a server through faults: latency, resets, lost FINs and more, the same
 * each time for the same seed.
 *
 *     deno task faults --listen 9000 --to 127.0.0.1:80 --down latency=100,jitter=20
 *     deno task faults --to 127.0.0.1:80 --up bandwidth=50 --seed 7 --script faults.txt
 *     deno task faults --control 8474       just toxiproxy's HTTP API, for its clients
 *
 * Flags:
 *
 *     --listen ADDR       where to listen: a port, or HOST:PORT; 127.0.0.1:9000
 *     --to ADDR           the server: HOST:PORT
 *     --up FAULTS         faults on the way to the server, such as latency=100,jitter=20
 *     --down FAULTS       faults on the way back
 *     --seed NUMBER       decides all chance; a new one, which is told
 *     --script FILE       what is to go wrong and when: docs/faults.md says how it is written
 *     --control ADDR      serve toxiproxy's HTTP API here: a port, or HOST:PORT
 *     --help, --version
 *
 * Faults are written type=value,attribute=value,…, one after another: latency, bandwidth,
 * slow_close, timeout, reset_peer, slicer, limit_data, blackhole, stall, refuse, corrupt, drop,
 * duplicate, reorder, swallow_fin, delay_fin, fin_early, rst_after_fin. docs/faults.md has them all.
 *
 * On a terminal there is a table of faults and connections, and keys change them; otherwise each
 * event is one line on standard error. Ctrl-C or SIGTERM ends it.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line or script; 130 or 143, ended at
 * once.
 *
 * @module
 */

import { formatAddr, parseAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import { serveControl } from "../lib/faults/control.ts";
import { makeFault, parseFaults } from "../lib/faults/fault_types.ts";
import { type FaultyLink, faultyLink } from "../lib/faults/faulty_link.ts";
import { eventLine, type LinkEvent } from "../lib/faults/link_event.ts";
import { parseTimeline, type Timeline, TimelineError } from "../lib/faults/timeline.ts";
import { realWorld } from "../lib/world.ts";
import { FailureError, type Io, type Log, run } from "./_cli.ts";
import { type Counts, faultsTable, pressKey } from "./_faults_table.ts";
import { type Flag, integer, path, peer } from "./_flag.ts";
import { parseFlags, UsageError, type Values } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { listenAddr } from "./_proxy_flags.ts";
import { Screen } from "./_screen.ts";

/** What the command line may say. */
export const flags = {
  listen: listenAddr(parseAddr("9000")),
  to: { ...peer(), fallback: null } as Flag<ReturnType<typeof parseAddr> | null>,
  up: faults(),
  down: faults(),
  seed: integer({ max: 2 ** 32 - 1, fallback: -1 }),
  script: path(""),
  control: listenAddr(null),
};

/** Milliseconds from one drawing of the table to the next. */
const REDRAW = 500;

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<void> {
  const given = parseFlags(args, flags);
  const { to, control, seed } = given;
  if (to === null && control === null) throw new UsageError("--to or --control must be given");
  const timeline = given.script === "" ? undefined : await readScript(given.script);
  const chance = seed < 0 ? {} : { seed };
  await using _api = control === null ? undefined : await opened(io.log, control, () => {
    const api = serveControl({
      ...control,
      ...chance,
      onEvent: (event, proxy) =>
        io.log.info("{proxy} {line}", { proxy, line: eventLine(event).trim() }),
    });
    return Promise.resolve(api);
  });
  const shown = io.columns !== undefined && io.stdin.isTerminal();
  await using link = to === null ? undefined : await opened(io.log, given.listen, () => {
    const tell = (event: LinkEvent) => io.log.info("{line}", { line: eventLine(event).trim() });
    return faultyLink(to, {
      ...given.listen,
      ...chance,
      up: named(given.up, "up"),
      down: named(given.down, "down"),
      ...timeline && { timeline },
      ...shown ? {} : { onEvent: tell },
    });
  });
  if (link) io.log.info("seed {seed}", { seed: link.seed });
  if (link && shown) await showing(link, io);
  else await aborted(io.interrupted);
  if (link) io.log.info("to have this again: --seed {seed}", { seed: link.seed });
}

/** Draws the table and reads keys until one of them, or a signal, ends it. */
async function showing(link: FaultyLink, io: Io): Promise<void> {
  const screen = new Screen(io);
  const counts: Counts = new Map();
  const quit = new AbortController();
  const over = AbortSignal.any([io.interrupted, quit.signal]);
  io.stdin.setRaw?.(true, { cbreak: true });
  try {
    readKeys(link, io, quit).catch(() => {});
    while (!over.aborted) {
      await screen.draw(faultsTable(link, counts, REDRAW / 1000));
      await realWorld.sleep(REDRAW, { signal: over }).catch(() => {});
    }
  } finally {
    io.stdin.setRaw?.(false);
  }
}

async function readKeys(link: FaultyLink, io: Io, quit: AbortController): Promise<void> {
  const buffer = new Uint8Array(16);
  for (let n; (n = await io.stdin.read(buffer)) !== null;) {
    for (const key of new TextDecoder().decode(buffer.subarray(0, n))) {
      if (await pressKey(key, link) === "quit") quit.abort();
    }
  }
}

async function opened<T extends { readonly addr: { hostname: string; port: number } }>(
  log: Log,
  addr: { hostname: string; port: number },
  open: () => Promise<T>,
): Promise<T> {
  need({ kind: "net", to: formatAddr(addr) });
  try {
    const server = await open();
    log.info("listening on {addr}", { addr: formatAddr(server.addr) });
    return server;
  } catch (error) {
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}

async function readScript(path: string): Promise<Timeline> {
  need({ kind: "read", to: path });
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new FailureError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return parseTimeline(text);
  } catch (error) {
    if (!(error instanceof TimelineError)) throw error;
    const [what] = error.message.split("\n");
    throw new UsageError(`--script ${path}:${error.line}:${error.column}: ${what}`);
  }
}

function named(given: Values<typeof flags>["up"], direction: "up" | "down") {
  return (given ?? []).map((spec, i) => ({
    name: `${spec.type} ${direction} ${i + 1}`,
    fault: makeFault(spec),
    toxicity: spec.toxicity,
  }));
}

/** Faults, with commas between them. */
function faults(): Flag<ReturnType<typeof parseFaults> | null> {
  return {
    allowed: "faults such as latency=100,jitter=20 (docs/faults.md has all)",
    read(text) {
      try {
        return parseFaults(text);
      } catch (error) {
        throw new UsageError((error as Error).message, { cause: error });
      }
    },
    fallback: null,
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

if (import.meta.main) await run(main, import.meta);
