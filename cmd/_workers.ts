/**
 * One port, and several processes that serve it: the kernel shares its connections out among
 * them (SO_REUSEPORT).
 *
 * @module
 */

import { realWorld } from "../lib/world.ts";
import { FailureError, type Io } from "./_cli.ts";
import { need } from "./_permissions.ts";
import { onHangup } from "./_reload.ts";

/** Options for {@linkcode superviseWorkers}. */
export interface SuperviseOptions {
  /** The script that is started. */
  script: ImportMeta;
  /** How many. */
  count: number;
  /** What worker `number`, from 1, is given on its command line. */
  args: (number: number) => readonly string[];
  /** Files that it may read. */
  reads: readonly string[];
}

/** What stands on the first lines of the scripts that have workers: see docs/performance.md. */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=8";

/** A worker that ends sooner than this has not worked: starting it again would not help. */
const TOO_SOON = 1000;

/**
 * Starts workers, starts those again that die, passes SIGHUP on, and tells all to drain when it
 * is interrupted; then waits until they have ended.
 *
 * They are told by their standard input, not by signals: what is called `deno` may be a launcher
 * that keeps those to itself. It ends when we do, so that no worker is left behind.
 */
export async function superviseWorkers(options: SuperviseOptions, io: Io): Promise<number> {
  need({ kind: "run", to: "deno" });
  const { count } = options;
  const inputs = new Set<WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>>();
  const failed = new AbortController();
  const over = AbortSignal.any([io.interrupted, failed.signal]);
  const drain = () => {
    for (const input of inputs) input.close().catch(() => {});
  };
  over.addEventListener("abort", drain, { once: true });
  using _hangup = onHangup(io.log, () => {
    for (const input of inputs) input.write(new TextEncoder().encode(RELOAD)).catch(() => {});
    return Promise.resolve();
  });
  io.log.info("starting {count} workers", { count });
  const exitCodes = await Promise.all(Array.from({ length: count }, async (_, i) => {
    const number = i + 1;
    while (true) {
      const since = realWorld.now();
      const child = spawn(number, options);
      const input = child.stdin.getWriter();
      inputs.add(input);
      const { code } = await child.status;
      inputs.delete(input);
      input.close().catch(() => {});
      if (over.aborted) return code;
      if (realWorld.now() - since < TOO_SOON) {
        failed.abort(new FailureError(`worker ${number} ended at once, with exit code ${code}`));
        return code;
      }
      io.log.error("worker {number} ended with exit code {code}: starting another", {
        number,
        code,
      });
    }
  }));
  if (failed.signal.aborted) throw failed.signal.reason;
  return Math.max(...exitCodes);
}

/** What a worker is told at SIGHUP. */
const RELOAD = "reload\n";

function spawn(number: number, { script, args, reads }: SuperviseOptions): Deno.ChildProcess {
  return new Deno.Command("deno", {
    args: [
      ...["run", "--quiet", "--no-prompt", "--unstable-net", "--allow-net", V8_FLAGS],
      ...reads.length > 0 ? [`--allow-read=${reads.join(",")}`] : [],
      ...[script.url, ...args(number), "--workers", "1", "--worker", String(number)],
    ],
    stdin: "piped",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
}

/**
 * Hears what a worker is told: calls `reload` when it shall, and returns a signal that aborts
 * when it shall come to an end, as whoever started it does.
 */
export function hearSupervisor(
  { stdin }: Pick<Io, "stdin">,
  reload: () => void,
): AbortSignal {
  const over = new AbortController();
  (async () => {
    const buffer = new Uint8Array(RELOAD.length);
    while (await stdin.read(buffer).catch(() => null) !== null) reload();
    over.abort(new FailureError("the workers shall end"));
  })();
  return over.signal;
}

/**
 * Makes sure that several processes may listen on one port.
 *
 * @throws {FailureError} If Deno would end the process instead.
 */
export function needReusePort(): void {
  // What Deno has only where it was allowed to be unstable.
  if (typeof (Deno as { listenDatagram?: unknown }).listenDatagram === "function") return;
  throw new FailureError("several processes on one port are unstable in Deno: add --unstable-net");
}
