/**
 * A server in a process of its own, for tests/server/process_test.ts: it echoes, tells its
 * events by one line each, and does what it is told by its arguments.
 */

import { serveTcp } from "../../lib/server/server.ts";
import { realWorld, seededWorld } from "../../lib/world.ts";
import { echo } from "./_served.ts";

// Deno 2.9.6 opens what it needs for signals half a second after its start, and panics if no
// descriptor is left by then; or as soon as somebody listens to one.
const hear = () => {};
Deno.addSignalListener("SIGINT", hear);
Deno.removeSignalListener("SIGINT", hear);

const told = new Set(Deno.args);
/** Keeps the process alive until somebody comes. */
const reasonToLive = new AbortController();
if (told.has("--unref-early")) {
  realWorld.sleep(1e9, { signal: reasonToLive.signal }).catch(() => {});
}

const server = serveTcp({
  idleTimeout: 3_600_000,
  // In a frozen world no time passes.
  world: told.has("--frozen") ? seededWorld(1) : realWorld,
  onEvent: (event) => {
    if (event.type === "listening") say(`listening on ${event.addr.port}`);
    if (event.type === "acceptError") say(`acceptError in ${event.retryIn} ms: ${event.error}`);
    if (event.type === "accepted") {
      if (told.has("--unref-later")) server.unref();
      reasonToLive.abort();
      say("accepted");
    }
  },
}, echo);
if (told.has("--suspend")) {
  server.suspend();
  // Nothing in this keeps the process alive, so it gets there only if the server does.
  Deno.addSignalListener("SIGUSR1", async () => {
    for (let i = 0; i < 20; i++) await realWorld.sleep(1, { ref: false });
    told.has("--unref-later") ? server.unref() : server.resume();
  });
  say("suspended");
}
if (told.has("--unref") || told.has("--unref-early")) server.unref();
if (told.has("--ref")) server.ref();

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
