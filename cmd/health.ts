#!/usr/bin/env -S deno run --allow-net
/**
 * Asks servers whether they are well, and says so, a line for each.
 *
 *     deno task health 127.0.0.1:80 127.0.0.1:6379
 *     deno task health 127.0.0.1:80 --check http:/health     it answers 2xx or 3xx
 *     deno task health 127.0.0.1:6379 --check 'talk:PING\r\n:+PONG'
 *     deno task health 127.0.0.1:80 --watch --rise 2 --fall 3
 *
 * The checks end with FIN, and leave nothing in a server's log that says otherwise.
 *
 * Flags:
 *
 *     --check HOW         connect, tls, http:/PATH, or talk:SEND:EXPECT; connect
 *     --timeout TIME      for one check, name resolution included; 2s
 *     --watch             go on, and tell when one goes up or down
 *     --interval TIME     with --watch, from one check to the next; 2s
 *     --fast-interval TIME the same while the last check spoke against its state; 0: --interval
 *     --down-interval TIME the same while it is down; 0: --interval
 *     --initial STATE     with --watch, before the first check: up, down, or fully-up or
 *                         fully-down, which take as many checks as ever to leave; up
 *     --rise COUNT        with --watch, so many successes in a row bring one up; 2
 *     --fall COUNT        with --watch, so many failures in a row bring one down; 3
 *     --json              a JSON object on each line, with the status and the time it took, and
 *                         with --watch since when it is up or down
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
import { check, healthPolicy, policyFlags } from "./_health_flags.ts";
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
  onlyWith(given, flags, "watch", Object.keys(policy) as (keyof typeof policy)[]);
  const servers = given["HOST:PORT"].map((addr) => ({ id: formatAddr(addr), target: addr }));
  const ids = servers.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) < i);
  if (twice !== undefined) throw new UsageError(`HOST:PORT must be there once: ${twice} is twice`);
  if (given.check === null) throw new UsageError("--check must not be off: then nothing is asked");
  for (const { id } of servers) need({ kind: "net", to: id });
  const voice = given.json ? jsonLine : plainLine;
  const tell: Tell = (...told) => io.print(`${voice(...told)}\n`);
  const watching = { ...healthPolicy(given), timeout: given.timeout, probe: given.check };
  return given.watch
    ? await watch(servers, watching, io.interrupted, tell)
    : await once(servers, given.check, given.timeout, io.interrupted, tell);
}

interface Server {
  readonly id: string;
  readonly target: TcpAddr;
}

/** Says how a server is; `since` when, in milliseconds of the clock, is known of one under watch. */
type Voice<R> = (id: string, result: CheckResult, up: boolean, reason: string, since?: number) => R;
type Tell = Voice<Promise<void>>;

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
    onCheck(id, result, { up, reason, changedAt }) {
      if (told.get(id) === up) return;
      told.set(id, up);
      // Nobody reads it any more: that ends the watch as well.
      const why = reason === "initially" ? found(result) : reason;
      tell(id, result, up, why, changedAt).catch(failed.reject);
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

function jsonLine(...[server, result, up, reason, since]: Parameters<Voice<string>>): string {
  const { status, detail, duration } = result;
  const ms = Math.round(duration);
  const at = since === undefined ? undefined : new Date(realWorld.epoch! + since).toISOString();
  return JSON.stringify({ server, up, status, detail, ms, reason, since: at });
}

if (import.meta.main) await run(main, import.meta);
