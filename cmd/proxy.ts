#!/usr/bin/env -S deno run --allow-net
/**
 * Passes connections on to a server, so that neither end can tell: FIN goes across, each way
 * by itself, and so does backpressure.
 *
 *     deno task proxy --listen 8080 --to 127.0.0.1:80
 *     deno task proxy --to example.com:80 --tap text      and show what is said
 *     deno task proxy --to 127.0.0.1:80 --send-proxy 2    and tell the server who is there
 *
 * Flags:
 *
 *     --listen ADDR                where to listen; 127.0.0.1:8080. Port 0 is any free one
 *     --to HOST:PORT               the server
 *     --connect-timeout TIME       for finding the server, name resolution included; 10s
 *     --idle-timeout TIME          without a byte either way; 10m. 0 is for ever, as below
 *     --half-closed-timeout TIME   the same, once one end has said FIN; 30s
 *     --max-life TIME              for all of a connection; 0
 *     --max-conns COUNT            the most connections at once, others wait; no limit
 *     --max-conns-per-client COUNT the most of one address, others are closed; no limit
 *     --allow CIDRS                serve only clients from here, such as 10.0.0.0/8,::1
 *     --deny CIDRS                 but none from here
 *     --accept-proxy CIDRS         expect a PROXY header of these, and serve nobody else
 *     --send-proxy VERSION         send the server a PROXY header: 1, 2, or no; no
 *     --tap HOW                    show what goes through: text, hex, or no; no
 *     --metrics ADDR               a page for Prometheus at http://ADDR/metrics; none
 *     --workers COUNT              so many processes on the same port; 1
 *     --worker NUMBER              be one of them: --workers starts it so
 *     --drain TIME                 how long connections may go on at the end; 10s
 *     --help, --version
 *
 * Each connection is one line on standard error once it has ended: both counts of bytes, times,
 * and why it ended, in two letters that docs/proxy.md explains, and in words. The first Ctrl-C
 * or SIGTERM lets no one else in, and connections go on for --drain; the second ends at once.
 * With --workers the kernel shares connections out among processes, which needs
 * `--allow-run=deno`; each has its own metrics, on ports in a row.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { toServer } from "../lib/proxy/upstream.ts";
import { type Io, run } from "./_cli.ts";
import { choice, peer } from "./_flag.ts";
import { parseFlags } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { proxyFlags } from "./_proxy_flags.ts";
import { runProxy, runWorkers } from "./_proxy_serving.ts";
import { printingTap } from "./_proxy_tap.ts";

const { listen, metrics, workers, worker, drain, ...limits } = proxyFlags;

/** What the command line may say. */
export const flags = {
  listen,
  to: peer(),
  ...limits,
  tap: choice(["no", "text", "hex"], "no"),
  metrics,
  workers,
  worker,
  drain,
};

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<number | void> {
  const given = parseFlags(args, flags);
  const { to, tap } = given;
  need({ kind: "net", to: formatAddr(to) });
  const ended = await runWorkers(given, import.meta, { args, reads: [] }, io);
  if (ended !== undefined) return ended;
  const connect = toServer(to, { timeout: given.connectTimeout });
  await runProxy(given, { connect, ...tap !== "no" && { tap: printingTap(tap, io) } }, io);
}

if (import.meta.main) await run(main, import.meta);
