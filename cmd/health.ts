#!/usr/bin/env -S deno run --allow-net
/**
 * Asks servers whether they are well, and says so, a line for each.
 *
 *     deno task health 127.0.0.1:80 127.0.0.1:6379
 *     deno task health 127.0.0.1:80 --check http:/health     it answers 2xx or 3xx
 *     deno task health 127.0.0.1:80 --watch --rise 2 --fall 3
 *
 * The checks end with FIN, and leave nothing in a server's log that says otherwise.
 *
 * Flags:
 *
 *     --check HOW         connect, tls, or http:/PATH; connect
 *     --timeout TIME      for one check, name resolution included; 2s
 *     --watch             go on, and tell when one goes up or down
 *     --interval TIME     with --watch, from one check to the next; 2s
 *     --rise COUNT        with --watch, so many successes in a row bring one up; 2
 *     --fall COUNT        with --watch, so many failures in a row bring one down; 3
 *     --json              a JSON object on each line, with the status and the time it took
 *     --help, --version
 *
 * Exit codes: 0, all are well; 1, one is not; 2, wrong command line. With --watch, Ctrl-C or
 * SIGTERM ends it, and the exit code says how they were then.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { type Probe, watchHealth } from "../lib/proxy/health.ts";
import type { CheckResult } from "../lib/proxy/health_state.ts";
import type { ProbeTarget } from "../lib/proxy/probes.ts";
import { realWorld } from "../lib/world.ts";
import { type Io, run } from "./_cli.ts";
import { peer, toggle } from "./_flag.ts";
import { onlyWith, parseFlags, UsageError } from "./_flags.ts";
import { check, policyFlags } from "./_health_flags.ts";
import { need } from "./_permissions.ts";

const { timeout, ...policy } = policyFlags;

/** What the command line may say. */
export const flags = {
  check: check("connect"),
  timeout,
  watch: toggle(),
  ...policy,
  json: toggle(),
};

/** Asks once, or until it is interrupted. */
export async function main(args: string[], io: Io): Promise<number> {
  const given = parseFlags(args, flags, {}, { "HOST:PORT": peer() });
  onlyWith(given, flags, "watch", ["interval", "rise", "fall"]);
  const servers = given["HOST:PORT"].map((addr) => ({ id: formatAddr(addr), target: addr }));
  if (given.check === null) throw new UsageError("--check must not be off: then nothing is asked");
  for (const { id } of servers) need({ kind: "net", to: id });
  const voice = given.json ? jsonLine : plainLine;
  const tell = (id: string, result: CheckResult, up: boolean, reason: string) =>
    io.print(`${voice(id, result, up, reason)}\n`);
  return given.watch
    ? await watch(servers, { ...given, probe: given.check }, io.interrupted, tell)
    : await once(servers, given.check, given.timeout, io.interrupted, tell);
}

interface Server {
  readonly id: string;
  readonly target: TcpAddr;
}

type Tell = (id: string, result: CheckResult, up: boolean, reason: string) => Promise<void>;

/** All at once, told in the order in which they were named. */
async function once(
  servers: readonly Server[],
  probe: Probe<ProbeTarget>,
  timeout: number,
  interrupted: AbortSignal,
  tell: Tell,
): Promise<number> {
  const late = () => AbortSignal.any([interrupted, AbortSignal.timeout(timeout)]);
  const asked = servers.map(({ target }) =>
    probe(target, { timeout, signal: late(), world: realWorld })
  );
  let allWell = true;
  for (const [i, { id }] of servers.entries()) {
    const result = await asked[i]!;
    interrupted.throwIfAborted();
    allWell &&= result.ok;
    await tell(id, result, result.ok, found(result));
  }
  return allWell ? 0 : 1;
}

/** Tells how each one is after its first check, and then every change. */
async function watch(
  servers: readonly Server[],
  options: Parameters<typeof watchHealth<TcpAddr>>[1],
  signal: AbortSignal,
  tell: Tell,
): Promise<number> {
  const told = new Map<string, boolean>();
  const failed = Promise.withResolvers<never>();
  await using watch = watchHealth(servers, {
    ...options,
    signal,
    onCheck(id, result, { up, reason }) {
      if (told.get(id) === up) return;
      told.set(id, up);
      // Nobody reads it any more: that ends the watch as well.
      tell(id, result, up, reason === "initially" ? found(result) : reason).catch(failed.reject);
    },
  });
  await Promise.race([watch.finished, failed.promise]);
  return [...watch.states.values()].every(({ up }) => up) ? 0 : 1;
}

function found({ status, detail }: CheckResult): string {
  return detail === "" ? status : `${status}: ${detail}`;
}

/** The chapter's line, and why. */
function plainLine(id: string, _result: CheckResult, up: boolean, reason: string): string {
  return up ? `✓ ${id} - OK` : `✗ ${id} - DOWN (${reason.replaceAll(/\p{Cc}/gu, " ")})`;
}

function jsonLine(id: string, result: CheckResult, up: boolean, reason: string): string {
  const { status, detail, duration } = result;
  return JSON.stringify({ server: id, up, status, detail, ms: Math.round(duration), reason });
}

if (import.meta.main) await run(main, import.meta);
