/**
 * Which lifeline an address belongs to, from what programs called.
 *
 * @module
 */

import { connName, type TraceEvent } from "../../lib/observe/events.ts";

/** Who is `local` in a connection with `peer`, both as `host:port`; `"peer"` if nobody says. */
export function whoIs(events: readonly TraceEvent[], local: string, peer: string): string {
  const conn = connName(local, peer);
  let listens: string | undefined;
  let dials: string | undefined;
  for (const event of events) {
    if (event.kind === "connect" && event.conn === conn && event.local === local) return event.who;
    if (event.kind === "accept" && event.conn === conn && event.remote === peer) return event.who;
    if (event.kind === "listen" && hears(event.local, local)) listens = event.who;
    // Who is not connected yet, or never was, has no address that could be compared.
    if (event.kind === "connect" && event.remote === peer) dials ??= event.who;
  }
  return listens ?? dials ?? "peer";
}

/** Whether who listens on `listening` is who is connected at `local`. */
function hears(listening: string | undefined, local: string): boolean {
  if (listening === undefined) return false;
  const [, anywhere] = /^(?:0\.0\.0\.0|\[::\]):(\d+)$/.exec(listening) ?? [];
  return anywhere === undefined ? listening === local : local.endsWith(`:${anywhere}`);
}
