#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Says back whatever it hears, to many clients at once.
 *
 * A client is welcomed with its own address; each line it sends comes back as
 * `ECHO: <line>`; `quit` is answered by `Goodbye!`, which ends the connection.
 *
 *     deno task echo                      on 127.0.0.1:9999
 *     deno task echo --port 7 --raw       bytes as they come, as RFC 862 has it
 *     deno task talk 127.0.0.1:9999       ... and a client
 *
 * Flags:
 *
 *     --host NAME             where to listen; 127.0.0.1. Another one needs its own --allow-net
 *     --port PORT             9999; 0 lets the system choose
 *     --raw                   give back bytes as they come, without a welcome
 *     --max-line SIZE         the longest line; 64KiB. A longer one is answered by an error
 *     --max-conns COUNT       the most clients at once; no limit
 *     --when-full WHAT        then let others wait, or refuse them; wait
 *     --idle-timeout TIME     close a connection that is silent for so long; 0, which is never
 *     --drain TIME            how long clients may take to finish at the end; 10s
 *     --help, --version
 *
 * What happens is logged to standard error. The first Ctrl-C or SIGTERM lets no one else
 * in, answers what has arrived (for half of --drain at most, as whole answers and then FIN),
 * and ends within --drain. The second ends at once.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import { echo, rawEcho } from "../lib/server/echo.ts";
import type { TcpHandler } from "../lib/server/session.ts";
import { type Io, run } from "./_cli.ts";
import { bytes, choice, duration, integer, port, text, toggle } from "./_flag.ts";
import { parseFlags } from "./_flags.ts";
import { serve, serveUntilInterrupted } from "./_serving.ts";

/** What the command line may say. */
export const flags = {
  host: text("127.0.0.1"),
  port: port(9999),
  raw: toggle(),
  maxLine: bytes({ min: 1, fallback: 64 * 1024 }),
  maxConns: integer({ min: 1, fallback: Infinity }),
  whenFull: choice(["wait", "refuse"], "wait"),
  idleTimeout: duration({ fallback: 0 }),
  drain: duration({ fallback: 10_000 }),
};

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<void> {
  const { host, raw, maxLine, drain, ...options } = parseFlags(args, flags);
  const answers = { maxLine, endTimeout: drain / 2 };
  const handler: TcpHandler = (conn, info) => (raw ? rawEcho : echo)(conn, info, answers);
  await using server = serve({ hostname: host, ...options }, handler, io.log);
  await serveUntilInterrupted(server, io, drain);
}

if (import.meta.main) await run(main, import.meta);
