#!/usr/bin/env -S deno run --allow-net
/**
 * Talks to a server: standard input goes to it, and what it says to standard output,
 * both at once and byte for byte.
 *
 *     deno task talk 127.0.0.1:9999
 *     printf 'HEAD / HTTP/1.0\r\n\r\n' | deno task talk example.com:80
 *     deno task talk 127.0.0.1:9999 <picture.png >same.png
 *
 * The end of input (Ctrl-D) becomes FIN, and what comes back is printed until the
 * server's FIN. If the server finishes first, it ends at a terminal; from a pipe or a file
 * it goes on sending until the input ends or the server takes no more.
 *
 * Flags:
 *
 *     --timeout TIME     how long connecting may take, name resolution included; 10s
 *     --wait TIME        how long one side may be silent when the other has finished; 30s
 *     --idle TIME        how long both may be silent; 10m
 *     --help, --version
 *
 * For --wait and --idle, 0 means for ever. The first Ctrl-C or SIGTERM ends the input; the
 * server may then go on for --wait. The second ends at once.
 *
 * Exit codes: 0, both finished; 1, refused, reset, or silent for too long, and one line on
 * standard error says which; 2, wrong command line; 130 or 143, ended at once; 141, nobody
 * reads the output.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { dial, type DialOptions } from "../lib/client/dial.ts";
import { DialError } from "../lib/client/dial_error.ts";
import { explainLine } from "../lib/errors.ts";
import { relay, type RelayReport } from "../lib/stream/relay.ts";
import type { TcpStream } from "../lib/stream/tcp.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { duration, durationText, peer } from "./_flag.ts";
import { parseFlags } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { Stdio } from "./_stdio.ts";

/** What the command line may say. */
export const flags = {
  timeout: duration({ min: 1, fallback: 10_000 }),
  wait: duration({ fallback: 30_000 }),
  idle: duration({ fallback: 600_000 }),
};

/** Connects, and relays until both sides have finished. */
export async function main(args: string[], io: Io): Promise<void> {
  const given = parseFlags(args, flags, { "HOST:PORT": peer() });
  const { "HOST:PORT": addr, timeout, wait, idle } = given;
  need({ kind: "net", to: formatAddr(addr) });
  const server = await connect(addr, { timeout, signal: io.interrupted });
  const here = new Stdio(io);
  const report = await relay(here, server, {
    signal: ending(here, io, wait),
    idleTimeout: idle || Infinity,
    halfClosedTimeout: wait || Infinity,
  });
  judge(report, addr, io);
}

async function connect(addr: TcpAddr, options: DialOptions): Promise<TcpStream> {
  try {
    return await dial(addr, options);
  } catch (error) {
    if (!(error instanceof DialError)) throw error;
    throw new FailureError(explainLine(error, { op: "connect", addr }), { cause: error });
  }
}

/** Ends the input at the first Ctrl-C; what is returned aborts `wait` ms later. */
function ending(here: Stdio, { interrupted, log }: Io, wait: number): AbortSignal {
  const cut = new AbortController();
  const end = () => {
    const patience = wait === 0 ? "for ever" : `for at most ${durationText(wait)}`;
    log.info("{signal}: no more input, waiting for the server {patience}; again ends at once", {
      signal: interrupted.reason.message,
      patience,
    });
    here.endInput();
    if (wait > 0) AbortSignal.timeout(wait).addEventListener("abort", () => cut.abort());
  };
  if (interrupted.aborted) end();
  else interrupted.addEventListener("abort", end, { once: true });
  return cut.signal;
}

/** @throws {Error} If it did not end as it should. */
function judge({ reason, by, error }: RelayReport, addr: TcpAddr, { interrupted }: Io): void {
  const server = formatAddr(addr);
  switch (reason) {
    case "finished":
      return;
    case "aborted":
      throw interrupted.reason;
    case "idle":
      throw new FailureError(`neither ${server} nor standard input said anything for --idle`);
    case "half-closed": {
      const who = by === "a" ? "standard input" : server;
      throw new FailureError(`${who} did not finish, and was silent for --wait`);
    }
    default:
      if (by === "a") throw error;
      throw new FailureError(explainLine(error, { addr }), { cause: error });
  }
}

if (import.meta.main) await run(main, import.meta);
