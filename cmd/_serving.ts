/**
 * What the scripts that serve have in common: telling of the server's day, and its end.
 *
 * @module
 */

import { formatAddr, tcpAddr } from "../lib/addr.ts";
import { explain, explainLine } from "../lib/errors.ts";
import type { DrainReport } from "../lib/server/drain.ts";
import type { AcceptErrorEvent, ClosedEvent, ServerEvent } from "../lib/server/events.ts";
import type { ServeTcpOptions } from "../lib/server/options.ts";
import { serveTcp, type TcpServer } from "../lib/server/server.ts";
import type { ConnInfo, TcpHandler } from "../lib/server/session.ts";
import { FailureError, type Io, type Log } from "./_cli.ts";
import { durationText } from "./_flag.ts";
import { need } from "./_permissions.ts";

/**
 * Serves, and logs what happens: one line for each event.
 *
 * @throws {MissingPermissionError} If it may not listen there.
 * @throws {FailureError} If it cannot.
 */
export function serve(
  options: ServeTcpOptions & { hostname: string; port: number },
  handler: TcpHandler,
  log: Log,
): TcpServer {
  const addr = tcpAddr(options.hostname, options.port);
  need({ kind: "net", to: formatAddr(addr) });
  try {
    return serveTcp({ ...options, onEvent: teller(log), onError: bugTeller(log) }, handler);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}

/** Lets the server run until the script is interrupted, then drains it, in `patience` ms. */
export async function serveUntilInterrupted(
  server: TcpServer,
  { log, interrupted }: Io,
  patience: number,
): Promise<void> {
  await aborted(interrupted);
  log.info("{signal}: draining {conns} open, for at most {patience}; again ends at once", {
    signal: interrupted.reason.message,
    conns: server.conns,
    patience: durationText(patience),
  });
  tellReport(log, await server.shutdown({ signal: AbortSignal.timeout(patience) }));
}

function teller(log: Log): (event: ServerEvent) => void {
  return (event) => {
    switch (event.type) {
      case "listening":
        return log.info("listening on {addr}", { addr: formatAddr(event.addr) });
      case "accepted":
        return log.info("#{id} {peer} accepted", named(event));
      case "closed":
        return log.info("#{id} {peer} {how}", { ...named(event), how: howItEnded(event) });
      case "refused":
        return log.warn("{peer} refused: {why}", {
          peer: formatAddr(event.remoteAddr),
          why: event.reason === "full" ? "all places are taken" : "the server has ended",
        });
      case "acceptError":
        return tellAcceptError(log, event);
    }
  };
}

/** Says that nobody was accepted: a client's doing, or ours. */
export function tellAcceptError(log: Log, { error, retryIn }: AcceptErrorEvent): void {
  if (retryIn === 0) {
    log.info("a client reset its connection before it was accepted: who it was is not known");
  } else {
    const why = explainLine(error, { op: "accept" });
    log.warn("accepting failed, again in {retryIn} ms: {why}", { retryIn, why });
  }
}

/** A handler's mistake, with its stack: nobody foresaw it. */
function bugTeller(log: Log): (error: unknown, info: ConnInfo) => void {
  return (error, info) => {
    log.error("#{id} {peer} failed: {error}", { ...named(info), error: Deno.inspect(error) });
  };
}

function tellReport(log: Log, report: DrainReport): void {
  const { duration, finished, cut, unserved, held } = report;
  for (const conn of held.filter((conn) => conn.cut)) log.warn("#{id} {peer} cut", named(conn));
  log.info("drained in {duration} ms: {finished} finished, {cut} cut, {unserved} never served", {
    duration: Math.round(duration),
    finished,
    cut,
    unserved,
  });
}

function howItEnded(event: ClosedEvent): string {
  const { reason, by, bytesRead, bytesWritten, duration, error } = event;
  const { code, what } = explain(error);
  const why = error === undefined ? reason : `${reason} (${code ?? what})`;
  const counts = `${bytesRead} bytes in, ${bytesWritten} out, ${Math.round(duration)} ms`;
  return `closed by the ${by}: ${why}: ${counts}`;
}

function named({ id, remoteAddr }: Pick<ConnInfo, "id" | "remoteAddr">) {
  return { id, peer: formatAddr(remoteAddr) };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
