#!/usr/bin/env -S deno run --allow-net --allow-read
/**
 * Sends a file to whoever receives one: `deno task receive`, or any program that speaks
 * the protocol of the chapter.
 *
 *     deno task send FILE HOST:PORT                the size in 8 bytes, then the file
 *     deno task send FILE HOST:PORT --extended     verified, and resumed if it broke
 *     deno task send FILE HOST:PORT --half-close   the file, then FIN; a line comes back
 *
 * Flags:
 *
 *     --extended          send name, mode, age and SHA-256 as well, and only what the receiver
 *                         does not have yet; it confirms when the file is verified
 *     --half-close        the end of the stream is the end of the file: the receiver must
 *                         know, and confirms with a line of text
 *     --name NAME         the name to send, with --extended; that of FILE
 *     --timeout TIME      how long the receiver may take over one step; 30s
 *     --help, --version
 *
 * The SHA-256 and the name go to standard output, as sha256sum prints them; what happens, to
 * standard error, with a progress bar on a terminal. Ctrl-C ends it; with --extended the next
 * try goes on from there.
 *
 * Exit codes: 0, sent, and confirmed where the protocol confirms; 1, not so, and one line says
 * why; 2, wrong command line; 130 or 143, ended at once.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { dial } from "../lib/client/dial.ts";
import { explain, explainLine } from "../lib/errors.ts";
import type { Duplex } from "../lib/stream/conn.ts";
import { dialResettable } from "../lib/stream/resettable.ts";
import { TransferError } from "../lib/transfer/error.ts";
import { sendFile, type SendReport } from "../lib/transfer/send.ts";
import { checkName } from "../lib/transfer/name.ts";
import { openSource } from "../lib/transfer/source.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { duration, path, peer, text, toggle } from "./_flag.ts";
import { parseFlags, UsageError } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { ProgressBar, sizeText } from "./_progress.ts";

/** What the command line may say. */
export const flags = {
  extended: toggle(),
  halfClose: toggle(),
  name: text(""),
  timeout: duration({ min: 1, fallback: 30_000 }),
};

/** Sends the file. */
export async function main(args: string[], io: Io): Promise<void> {
  const given = parseFlags(args, flags, { FILE: path(), "HOST:PORT": peer() });
  const { FILE: file, "HOST:PORT": addr, extended, halfClose, name, timeout } = given;
  if (extended && halfClose) throw new UsageError("only one of --extended and --half-close");
  if (name !== "" && !extended) throw new UsageError("--name is only sent with --extended");
  need({ kind: "read", to: file });
  need({ kind: "net", to: formatAddr(addr) });
  const { interrupted: signal, log, print } = io;
  const protocol = extended ? "extended" : halfClose ? "half-close" : "plain";
  try {
    using source = await openSource(file, { name: name || undefined });
    if (extended) checkSendable(source.head.name);
    using conn = await connect(addr, halfClose, { timeout, signal });
    using bar = new ProgressBar();
    const onProgress = bar.show.bind(bar, 0);
    const report = await sendFile(conn, source, { protocol, timeout, signal, onProgress });
    bar.end(0);
    log.info("{peer} {what}", { peer: formatAddr(addr), what: outcome(report) });
    await print(`${report.sha256}  ${report.name}\n`);
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    if (signal.aborted && extended) log.warn("called off: the next try goes on from here");
    signal.throwIfAborted();
    throw new FailureError(reason(error, addr), { cause: error });
  }
}

/** What every receiver refuses need not be dialled for. */
function checkSendable(name: string): void {
  try {
    checkName(name);
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
    throw new FailureError(`${error.message}; try: --name`, { cause: error });
  }
}

/** Only a reset tells a receiver that a half-close transfer broke: FIN would be its end. */
async function connect(
  addr: TcpAddr,
  resettable: boolean,
  options: { timeout: number; signal: AbortSignal },
): Promise<Duplex> {
  try {
    return resettable ? await dialResettable(addr, options) : await dial(addr, options);
  } catch (error) {
    options.signal.throwIfAborted();
    throw new FailureError(explainLine(error, { op: "connect", addr }), { cause: error });
  }
}

function outcome({ size, resumed, verified, answer }: SendReport): string {
  const sent = `got ${sizeText(size - resumed)}`;
  const already = resumed > 0 ? `, after ${sizeText(resumed)} that it had` : "";
  const word = answer === "" ? "" : `: ${JSON.stringify(answer)}`;
  return `${sent}${already}${verified ? " and verified the file" : ""}${word}`;
}

/** One line: what the receiver says, or what we found, and what is known about its cause. */
function reason({ told, message, cause }: TransferError, addr: TcpAddr): string {
  if (told) return `${formatAddr(addr)} says: ${message}`;
  if (cause instanceof Deno.errors.NotFound) return message; // which says so already
  const known = cause !== undefined && explain(cause, { addr }).whose !== "unknown";
  return known ? `${message}: ${explainLine(cause, { addr })}` : message;
}

if (import.meta.main) await run(main, import.meta);
