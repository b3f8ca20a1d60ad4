/**
 * What the scripts that pass connections on have in common: workers, metrics, one line of the
 * log for each connection, and the end.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import type { Metric } from "../lib/proxy/prometheus.ts";
import { serveProxy, type ServeProxyOptions } from "../lib/proxy/proxy.ts";
import { proxyLine, type ProxyRecord } from "../lib/proxy/proxy_record.ts";
import { ProxyTally } from "../lib/proxy/proxy_tally.ts";
import type { ServerEvent } from "../lib/server/events.ts";
import type { TcpServer } from "../lib/server/server.ts";
import { realWorld } from "../lib/world.ts";
import { FailureError, type Io, type Log } from "./_cli.ts";
import { durationText } from "./_flag.ts";
import { UsageError } from "./_flags.ts";
import { exportMetrics, serveMetrics } from "./_metrics.ts";
import { MissingPermissionError, need } from "./_permissions.ts";
import { type ProxyFlags, unixPath } from "./_proxy_flags.ts";
import { listening } from "./_proxy_tls.ts";
import { onHangup } from "./_reload.ts";
import { serveUntilInterrupted, tellAcceptError } from "./_serving.ts";
import { hearSupervisor, needReusePort, superviseWorkers } from "./_workers.ts";

/** What {@linkcode runProxy} is told besides its flags. */
export interface RunProxyOptions extends Pick<ServeProxyOptions, "connect" | "tap"> {
  /** Reads again what there is to be read again. */
  reload?: () => Promise<void>;
  /** What else is on the page of metrics. */
  metrics?: () => Metric[];
}

/**
 * Serves as the command line says until it is interrupted, and then drains.
 *
 * @throws {MissingPermissionError} If it may not listen there.
 * @throws {FailureError} If it cannot.
 */
export async function runProxy(given: ProxyFlags, options: RunProxyOptions, io: Io): Promise<void> {
  const { metrics: page, worker, grace, drain } = given;
  const { reload = () => Promise.resolve(), metrics = () => [] } = options;
  if (worker > 0) needReusePort();
  const tally = new ProxyTally();
  await using server = await serveFlags(given, options, tally, io.log);
  using hangup = onHangup(io.log, reload);
  const told = worker > 0 ? [hearSupervisor(io, hangup.now)] : [];
  const interrupted = AbortSignal.any([io.interrupted, ...told]);
  const pages = {
    metrics: () => [...tally.metrics(server.conns), ...metrics()],
    ready: () => !interrupted.aborted,
  };
  exportMetrics(pages.metrics);
  await using _page = page === null ? undefined : serveMetrics(page, pages, io.log);
  await serveUntilInterrupted(
    server,
    { ...io, interrupted: later(interrupted, grace, io.log) },
    drain,
  );
}

/** A signal that aborts so much later. */
function later(signal: AbortSignal, ms: number, log: Log): AbortSignal {
  if (ms === 0) return signal;
  const abort = new AbortController();
  signal.addEventListener("abort", () => {
    log.info("{signal}: not ready for others any more, who are let in for another {grace}", {
      signal: signal.reason.message,
      grace: durationText(ms),
    });
    realWorld.sleep(ms).then(() => abort.abort(signal.reason));
  }, { once: true });
  return abort.signal;
}

/** Starts the workers that the command line wants; says whether it wants any. */
export async function runWorkers(
  given: ProxyFlags,
  script: ImportMeta,
  { args, reads }: { args: readonly string[]; reads: readonly string[] },
  io: Io,
): Promise<number | undefined> {
  const { workers, worker, listen, metrics } = given;
  if (workers === 1 || worker > 0) return undefined;
  if (listen.port === 0) {
    throw new UsageError("--listen must not be port 0 with --workers: each would get another one");
  }
  need({ kind: "net" });
  // Each is asked for its own metrics, on ports in a row.
  const page = (number: number) =>
    metrics === null
      ? []
      : ["--metrics", formatAddr({ ...metrics, port: metrics.port && metrics.port + number - 1 })];
  const each = (number: number) => [...args, ...page(number)];
  return await superviseWorkers({ script, count: workers, args: each, reads }, io);
}

async function serveFlags(
  given: ProxyFlags,
  { connect, tap }: RunProxyOptions,
  tally: ProxyTally,
  log: Log,
): Promise<TcpServer> {
  const { listen: addr, idleTimeout, halfClosedTimeout, maxLife, sendProxy, worker } = given;
  const { allow, deny, acceptProxy, acceptProxyTimeout: timeout } = given;
  const { connectTimeout, maxConns, maxConnsPerClient } = given;
  const nameless = acceptProxy ? "--accept-proxy" : allow && "--allow";
  if (nameless && unixPath(addr) !== undefined) {
    throw new UsageError(
      `${nameless} would let nobody in with --listen ${addr.hostname}: who connects there has no address`,
    );
  }
  need({ kind: "net", to: unixPath(addr) === undefined ? formatAddr(addr) : addr.hostname });
  const name = worker > 0 ? `worker=${worker} ` : "";
  try {
    return serveProxy({
      listener: await listening(given, log),
      connect,
      ...tap && { tap },
      hostname: addr.hostname,
      port: addr.port,
      reusePort: worker > 0,
      connectTimeout,
      idleTimeout: idleTimeout || Infinity,
      halfClosedTimeout: halfClosedTimeout || Infinity,
      maxLife: maxLife || Infinity,
      maxConns,
      maxConnsPerClient,
      ...allow && { allow },
      ...deny && { deny },
      ...acceptProxy && { acceptProxy: { trusted: acceptProxy, timeout } },
      ...sendProxy !== "no" && { sendProxy: sendProxy === "1" ? 1 : 2 },
      onConn: (record) => {
        tally.add(record);
        if (!given.quiet || record.end.code !== "--") tell(log, name, record);
      },
      onEvent: (event) => tellEvent(log, event),
    });
  } catch (error) {
    const told = [TypeError, RangeError, UsageError, FailureError, MissingPermissionError];
    if (told.some((kind) => error instanceof kind)) throw error;
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}

/** What the proxy itself is to blame for is an error, whom it could not serve a warning. */
function tell(log: Log, name: string, record: ProxyRecord): void {
  const [by, phase] = record.end.code;
  const level = by === "I" ? "error" : /[RQC]/.test(phase!) ? "warn" : "info";
  log[level]("{line}", { line: `${name}${proxyLine(record)}` });
}

function tellEvent(log: Log, event: ServerEvent): void {
  switch (event.type) {
    case "listening":
      return log.info("listening on {addr}", {
        addr: unixPath(event.addr) === undefined ? formatAddr(event.addr) : event.addr.hostname,
      });
    case "refused":
      return log.warn("{peer} refused: the server has ended", {
        peer: formatAddr(event.remoteAddr),
      });
    case "acceptError":
      return tellAcceptError(log, event);
  }
}
