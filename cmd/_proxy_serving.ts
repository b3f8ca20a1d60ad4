/**
 * What the scripts that pass connections on have in common: one line of the log for each, and
 * the end.
 *
 * @module
 */

import { formatAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import { serveProxy, type ServeProxyOptions } from "../lib/proxy/proxy.ts";
import { proxyLine, type ProxyRecord } from "../lib/proxy/proxy_record.ts";
import type { ServerEvent } from "../lib/server/events.ts";
import type { TcpServer } from "../lib/server/server.ts";
import { FailureError, type Log } from "./_cli.ts";
import { need } from "./_permissions.ts";
import type { ProxyFlags } from "./_proxy_flags.ts";

/**
 * Serves as the command line says, and logs every connection once it has ended.
 *
 * @throws {MissingPermissionError} If it may not listen there.
 * @throws {FailureError} If it cannot.
 */
export function serveFlags(
  given: ProxyFlags,
  more: Pick<ServeProxyOptions, "connect" | "tap" | "reusePort" | "onConn">,
  log: Log,
): TcpServer {
  const { listen: addr, idleTimeout, halfClosedTimeout, maxLife, sendProxy } = given;
  const { allow, deny, acceptProxy, connectTimeout, maxConns, maxConnsPerClient } = given;
  need({ kind: "net", to: formatAddr(addr) });
  try {
    return serveProxy({
      ...more,
      hostname: addr.hostname,
      port: addr.port,
      connectTimeout,
      idleTimeout: idleTimeout || Infinity,
      halfClosedTimeout: halfClosedTimeout || Infinity,
      maxLife: maxLife || Infinity,
      maxConns,
      maxConnsPerClient,
      ...allow && { allow },
      ...deny && { deny },
      ...acceptProxy && { acceptProxy: { trusted: acceptProxy } },
      ...sendProxy !== "no" && { sendProxy: sendProxy === "1" ? 1 : 2 },
      onConn: (record) => {
        tell(log, record);
        more.onConn?.(record);
      },
      onEvent: (event) => tellEvent(log, event),
    });
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}

/** What the proxy itself is to blame for is an error, whom it could not serve a warning. */
function tell(log: Log, record: ProxyRecord): void {
  const [by, phase] = record.end.code;
  const level = by === "I" ? "error" : /[RQC]/.test(phase!) ? "warn" : "info";
  log[level]("{line}", { line: proxyLine(record) });
}

function tellEvent(log: Log, event: ServerEvent): void {
  switch (event.type) {
    case "listening":
      return log.info("listening on {addr}", { addr: formatAddr(event.addr) });
    case "refused":
      return log.warn("{peer} refused: the server has ended", {
        peer: formatAddr(event.remoteAddr),
      });
    case "acceptError":
      return log.warn("accepting failed, again in {retryIn} ms: {why}", {
        retryIn: event.retryIn,
        why: explainLine(event.error, { op: "accept" }),
      });
  }
}
