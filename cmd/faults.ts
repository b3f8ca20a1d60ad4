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
 *     --fast              carry two to three times as much, with every RST a close
 *     --control ADDR      serve toxiproxy's HTTP API here: a port, or HOST:PORT; --to is its
 *                         proxy `main`
 *     --help, --version
 *
 * Faults are written type=value,attribute=value,…, one after another: latency, bandwidth,
 * slow_close, timeout, reset_peer, slicer, limit_data, blackhole, stall, refuse, corrupt, drop,
 * duplicate, reorder, swallow_fin, delay_fin, fin_early, rst_after_fin, noop. docs/faults.md has
 * them all.
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
import { makeFault } from "../lib/faults/fault_types.ts";
import { parseFaults } from "../lib/faults/parse_faults.ts";
import { type FaultyLink, faultyLink } from "../lib/faults/faulty_link.ts";
import { eventLine, type LinkEvent } from "../lib/faults/link_event.ts";
import { defaultsOf, type ToxicJson } from "../lib/faults/toxi_proxy.ts";
import { parseTimeline, type Timeline, TimelineError } from "../lib/faults/timeline.ts";
import { realWorld } from "../lib/world.ts";
import { FailureError, type Io, type Log, run } from "./_cli.ts";
import { type Counts, faultsTable, KEYS, pressKey } from "./_faults_table.ts";
import { type Flag, integer, path, peer, toggle } from "./_flag.ts";
import { beforeDashes, parseFlags, UsageError, type Values } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { listenAddr } from "./_proxy_flags.ts";
import { Screen } from "./_screen.ts";

/** What the command line may say. */
export const flags = {
  listen: listenAddr(parseAddr("9000")),
  to: { ...peer(), fallback: null } as Flag<ReturnType<typeof parseAddr> | null>,
  up: faults("--up"),
  down: faults("--down"),
  seed: integer({ max: 2 ** 32 - 1, fallback: -1 }),
  script: path(""),
  fast: toggle(),
  control: listenAddr(null),
};

/** Milliseconds from one drawing of the table to the next. */
const REDRAW = 500;

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<void> {
  const given = parseFlags(args, flags);
  // Of a flag that is given twice the last counts, and the first would be lost without a word.
  for (const name of ["--up", "--down"]) {
    const said = beforeDashes(args).filter((arg) => arg === name || arg.startsWith(`${name}=`));
    if (said.length > 1) {
      throw new UsageError(
        `${name} must be given once, with all its faults: ${name} latency=100,drop=0.1`,
      );
    }
  }
  const { to, control, seed } = given;
  if (to === null && control === null) throw new UsageError("--to or --control must be given");
  for (const name of ["up", "down", "script"] as const) {
    if (to === null && given[name]) {
      throw new UsageError(`--${name} needs --to, whose link it is about`);
    }
  }
  const timeline = given.script === "" ? undefined : await readScript(given.script);
  const common = { ...seed < 0 ? {} : { seed }, resets: !given.fast };
  const shown = io.columns !== undefined && io.stdin.isTerminal();
  const tell = (event: LinkEvent, proxy?: string) => {
    const line = `${proxy === undefined ? "" : `${proxy} `}${eventLine(event).trim()}`;
    if (!shown) io.log.info("{line}", { line });
  };
  const onError = (error: unknown) => {
    const { message } = error as Error;
    io.log.error("the API is not served for a while: {message}", { message });
  };
  await using api = control === null ? undefined : await opened(
    io.log,
    control,
    () => Promise.resolve(serveControl({ ...control, ...common, onEvent: tell, onError })),
  );
  await using link = to === null
    ? undefined
    : await opened(io.log, given.listen, () =>
      faultyLink(to, {
        ...given.listen,
        ...common,
        ...timeline && { timeline },
        onEvent: (event) => tell(event),
      }));
  const toxics = [...named(given.up, "up"), ...named(given.down, "down")];
  if (link) {
    if (api) api.adopt("main", link, toxics);
    else for (const toxic of toxics) link.add(...added(toxic));
    io.log.info("seed {seed}", { seed: link.seed });
  }
  if (shown) await showing(() => [...api?.links.values() ?? (link ? [link] : [])], io);
  else await aborted(io.interrupted);
  if (link) io.log.info("to have this again: --seed {seed}", { seed: link.seed });
}

/** Draws a table for each link, and reads keys for the first, until one of them or a signal ends it. */
async function showing(links: () => readonly FaultyLink[], io: Io): Promise<void> {
  const screen = new Screen(io);
  const counts = new Map<FaultyLink, Counts>();
  const quit = new AbortController();
  const over = AbortSignal.any([io.interrupted, quit.signal]);
  io.stdin.setRaw?.(true, { cbreak: true });
  try {
    let failed = "";
    readKeys(links, io, quit, (line) => failed = line).catch(() => {});
    while (!over.aborted) {
      const tables = links().map((link) => {
        if (!counts.has(link)) counts.set(link, new Map());
        return faultsTable(link, counts.get(link)!, REDRAW / 1000);
      });
      const keys = tables.length > 0 ? KEYS : "no proxies yet; q quits";
      await screen.draw([...tables.flat(), ...failed === "" ? [] : [failed], keys]);
      await realWorld.sleep(REDRAW, { signal: over }).catch(() => {});
    }
  } finally {
    io.stdin.setRaw?.(false);
  }
}

async function readKeys(
  links: () => readonly FaultyLink[],
  io: Io,
  quit: AbortController,
  tell: (line: string) => void,
): Promise<void> {
  const buffer = new Uint8Array(16);
  for (let n; (n = await io.stdin.read(buffer)) !== null;) {
    for (const key of new TextDecoder().decode(buffer.subarray(0, n))) {
      const outcome = await pressKey(key, links()[0]);
      if (outcome === "quit") quit.abort();
      else tell(outcome ?? "");
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

/** The faults of a flag, as the API knows them. */
function named(given: Values<typeof flags>["up"], direction: "up" | "down"): ToxicJson[] {
  return (given ?? []).map((spec, i) => ({
    attributes: { ...defaultsOf(spec.type), ...spec.attributes },
    name: `${spec.type} ${direction} ${i + 1}`,
    type: spec.type,
    stream: `${direction}stream`,
    toxicity: spec.toxicity,
  }));
}

function added({ name, type, attributes, stream, toxicity }: ToxicJson) {
  const direction = stream === "upstream" ? "up" : "down";
  return [name, direction, makeFault({ type, attributes }), { toxicity }] as const;
}

/** Faults, with commas between them. */
function faults(name: string): Flag<ReturnType<typeof parseFaults> | null> {
  return {
    allowed: "faults such as latency=100,jitter=20 (docs/faults.md has all)",
    read(text) {
      try {
        return parseFaults(text);
      } catch (error) {
        throw new UsageError(`${name}: ${(error as Error).message}`, { cause: error });
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
