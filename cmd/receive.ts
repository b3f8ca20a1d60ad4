#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-read --allow-write
/**
 * Receives files: from `deno task send`, or from any program that speaks the protocol of
 * the chapter.
 *
 *     deno task receive --output FILE         one file, then it ends
 *     deno task receive --dir DIR             files of any name, from many senders at once
 *
 * A file bears its name only when it is whole, verified and on the disk. Until then it is
 * `.NAME.part`, and a transfer that breaks leaves that: `send --extended` goes on from it.
 *
 * Flags:
 *
 *     --host NAME         where to listen; 127.0.0.1. Another one needs its own --allow-net
 *     --port PORT         9999; 0 lets the system choose
 *     --output FILE       store what comes as FILE, whatever its sender calls it
 *     --dir DIR           store what comes in DIR, under the name its sender gives, which a
 *                         sender without --extended does not; no name leads out of DIR
 *     --once              end after the first transfer; --output does so anyway
 *     --overwrite         replace files, rather than refuse what has the name of one
 *     --half-close        a file ends with the stream: what `send --half-close` speaks
 *     --timeout TIME      how long a sender may be silent; 30s
 *     --max-conns COUNT   the most senders at once; 64, others wait
 *     --help, --version
 *
 * The SHA-256 and the path of each file go to standard output, as sha256sum prints them;
 * what happens, to standard error, with a progress bar on a terminal. The first Ctrl-C or
 * SIGTERM calls off what runs, tells the senders, and keeps the parts; the second ends at once.
 *
 * Exit codes: 0, ended; 1, could not serve, or the only transfer failed; 2, wrong command
 * line; 130 or 143, ended at once.
 *
 * @module
 */

import { explain, explainLine } from "../lib/errors.ts";
import type { TcpHandler } from "../lib/server/session.ts";
import { TransferError } from "../lib/transfer/error.ts";
import { receiveFile, type ReceiveReport } from "../lib/transfer/receive.ts";
import { fileStore, folderStore } from "../lib/transfer/store.ts";
import { splitPath } from "../lib/transfer/name.ts";
import { FailureError, type Io, run } from "./_cli.ts";
import { duration, integer, path, port, text, toggle } from "./_flag.ts";
import { parseFlags, UsageError } from "./_flags.ts";
import { need } from "./_permissions.ts";
import { ProgressBar, sizeText } from "./_progress.ts";
import { serve, serveUntilInterrupted } from "./_serving.ts";
import { outliveFileLimit } from "./_signals.ts";

/** What the command line may say. */
export const flags = {
  host: text("127.0.0.1"),
  port: port(9999),
  output: path(""),
  dir: path(""),
  once: toggle(),
  overwrite: toggle(),
  halfClose: toggle(),
  timeout: duration({ min: 1, fallback: 30_000 }),
  maxConns: integer({ min: 1, fallback: 64 }),
};

/** How long the last words to a sender may take at the end, in milliseconds. */
const DRAIN = 5_000;

/** Receives until it is interrupted, or until the one file is there. */
export async function main(args: string[], io: Io): Promise<number> {
  const { host, port, output, dir, overwrite, halfClose, timeout, maxConns, ...more } = parseFlags(
    args,
    flags,
  );
  if (output === "" && dir === "") {
    throw new UsageError("either --output FILE or --dir DIR must be given");
  }
  if (output !== "" && dir !== "") throw new UsageError("only one of --output and --dir");
  if (halfClose && dir !== "") {
    throw new UsageError("--half-close needs --output FILE: its senders give no name");
  }
  const once = more.once || output !== "";
  await checkFolder(dir || splitPath(output)[0]);
  if (output !== "") await checkFile(output);
  const store = dir ? folderStore(dir, { overwrite }) : fileStore(output, { overwrite });

  using bar = new ProgressBar();
  const log = bar.around(io.log);
  const first = Promise.withResolvers<number>();
  const receive: TcpHandler = async (conn, { id, signal }) => {
    const onProgress = bar.show.bind(bar, id);
    try {
      const options = { halfClose, timeout, signal, onProgress };
      const report = await receiveFile(conn, store, options).finally(() => bar.end(id));
      log.info("#{id} {what}", { id, what: outcome(report) });
      await io.print(`${report.sha256}  ${report.path}\n`);
      first.resolve(0);
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      log.warn("#{id} {why}", { id, why: reason(error) });
      if (error.fault !== "nothing") first.resolve(1);
    }
  };
  await using server = serve({ hostname: host, port, maxConns }, receive, log);
  const interrupted = serveUntilInterrupted(server, { ...io, log }, DRAIN);
  if (!once) return await interrupted.then(() => 0);
  const code = await Promise.race([first.promise, interrupted.then(() => 1)]);
  await server.shutdown({ signal: AbortSignal.timeout(DRAIN) });
  return code;
}

async function checkFolder(path: string): Promise<void> {
  need({ kind: "read", to: path });
  need({ kind: "write", to: path });
  const isFolder = await Deno.stat(path).then(({ isDirectory }) => isDirectory).catch((error) => {
    throw error instanceof Deno.errors.NotFound ? new FailureError(`${path} is not there`) : error;
  });
  if (!isFolder) throw new FailureError(`${path} must be a folder`);
}

/** What no file can ever replace is better said before anybody sends one. */
async function checkFile(path: string): Promise<void> {
  const there = await Deno.lstat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile) throw new FailureError(`${path} must be a file`);
}

function outcome({ path, size, resumed, verified, told }: ReceiveReport): string {
  const already = resumed > 0 ? `, ${sizeText(resumed)} of them from before` : "";
  const proof = verified ? "verified" : "not verified: the sender gave no SHA-256";
  const deaf = told ? "" : "; the sender did not wait to hear so";
  return `${path} is whole: ${sizeText(size)}${already}, ${proof}${deaf}`;
}

/** One line: what failed, what is known about its cause, and what is left to go on from. */
function reason({ message, cause, kept }: TransferError): string {
  const known = cause !== undefined && explain(cause).whose !== "unknown";
  const why = known ? `: ${explainLine(cause)}` : "";
  const rest = kept > 0 ? `; ${sizeText(kept)} are kept as a part` : "";
  return `${message}${why}${rest}`;
}

if (import.meta.main) {
  outliveFileLimit();
  await run(main, import.meta);
}
