/**
 * Probes that measure nothing, made before the first: a program's first use of what it is
 * made of takes some milliseconds more than all others.
 *
 * @module
 */

import type { Family } from "../lib/client/eyeballs_plan.ts";
import { measureLatency } from "../lib/client/latency.ts";
import { mayUseAddresses, systemResolve } from "../lib/client/resolve.ts";
import { serveTcp } from "../lib/server/server.ts";
import { writeAll } from "../lib/stream/conn.ts";

/** The first takes some ten milliseconds more, the second one, and the others nothing: a guess. */
const COUNT = 5;

/**
 * Probes a server of our own on loopback. The servers to be measured hear nothing of it, nor
 * does a resolver, which might be slow, or remember the answer. Where only some addresses may
 * be used, or loopback is no good, nothing is done.
 */
export async function warmUp(): Promise<void> {
  if (!mayUseAddresses()) return;
  try {
    await using server = serveTcp({}, (conn) => writeAll(conn, new Uint8Array(1)));
    const local = { hostname: "localhost", port: server.addr.port };
    const how = { count: COUNT, interval: 0, firstByte: true };
    await Array.fromAsync(measureLatency(local, { ...how, resolve: lookUpAnAddress }));
  } catch {
    // No listener on loopback: the first probe has to do without.
  }
}

/** All that looking a name up takes, but for asking anybody. */
function lookUpAnAddress(_: string, family: Family): Promise<string[]> {
  return systemResolve("127.0.0.1", family);
}
