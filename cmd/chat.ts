#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A chat for many people, in which one who does not read slows nobody.
 *
 * The first line that a client sends is a name; each line after it goes to all others as
 * `name: text`. `/who` says who is there, `/name NAME` changes a name, `/quit` leaves.
 *
 *     deno task chat                      on 127.0.0.1:9999
 *     deno task talk 127.0.0.1:9999       ... and a client; ncat and telnet do as well
 *
 * Flags:
 *
 *     --host NAME             where to listen; 127.0.0.1. Another one needs its own --allow-net
 *     --port PORT             9999; 0 lets the system choose
 *     --slow WHAT             what becomes of one whose queue is full; buffer
 *     --queue SIZE            the most that waits for one reader; 64KiB
 *     --max-line SIZE         the longest line; 1KiB. At most an eighth of --queue
 *     --stall-timeout TIME    cut one who takes nothing for so long; 30s
 *     --max-conns COUNT       the most clients at once; 1000
 *     --when-full WHAT        then let others wait, or refuse them; wait
 *     --idle-timeout TIME     close a connection that is silent for so long; 0, which is never
 *     --drain TIME            how long clients may take to finish at the end; 10s
 *     --help, --version
 *
 * With --slow buffer, what waits is kept, and what comes after it is dropped until all of
 * that is read; with drop, the oldest makes room for the newest; both times the reader is
 * told how many lines are missing. With disconnect, the reader is told so, and cut.
 *
 * Who comes and goes is logged to standard error; what people say is not. At the first Ctrl-C
 * or SIGTERM all are told that the room closes, and it ends within --drain. The second ends
 * at once.
 *
 * Exit codes: 0, ended; 1, could not serve; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import { chat } from "../lib/server/chat.ts";
import { ChatRoom } from "../lib/server/chat_room.ts";
import { type Io, run } from "./_cli.ts";
import { bytes, choice, duration, integer, port, text } from "./_flag.ts";
import { parseFlags, UsageError } from "./_flags.ts";
import { serve, serveUntilInterrupted } from "./_serving.ts";

/** What the command line may say. */
export const flags = {
  host: text("127.0.0.1"),
  port: port(9999),
  slow: choice(["buffer", "drop", "disconnect"], "buffer"),
  queue: bytes({ min: 4096, fallback: 64 * 1024 }),
  maxLine: bytes({ fallback: 1024 }),
  stallTimeout: duration({ min: 1, fallback: 30_000 }),
  maxConns: integer({ min: 1, fallback: 1000 }),
  whenFull: choice(["wait", "refuse"], "wait"),
  idleTimeout: duration({ fallback: 0 }),
  drain: duration({ fallback: 10_000 }),
};

/** Serves until it is interrupted. */
export async function main(args: string[], io: Io): Promise<void> {
  const given = parseFlags(args, flags);
  const { host, slow, queue, maxLine, stallTimeout, drain, ...options } = given;
  if (queue < 8 * maxLine) {
    throw new UsageError(`--queue must be at least 8 times --max-line: got ${queue}`);
  }
  const limits = { slow, queue, maxLine, stallTimeout, endTimeout: drain / 2 };
  const handler = chat(new ChatRoom(), limits);
  await using server = serve({ hostname: host, ...options }, handler, io.log);
  await serveUntilInterrupted(server, io, drain);
}

if (import.meta.main) await run(main, import.meta);
