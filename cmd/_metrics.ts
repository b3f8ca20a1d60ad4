/**
 * A page of metrics for Prometheus.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import { type Metric, PROMETHEUS_TYPE, prometheusPage } from "../lib/proxy/prometheus.ts";
import { FailureError, type Log } from "./_cli.ts";
import { need } from "./_permissions.ts";

/** Serves `/metrics` until disposed. */
export function serveMetrics(addr: TcpAddr, metrics: () => Metric[], log: Log): AsyncDisposable {
  need({ kind: "net", to: formatAddr(addr) });
  const { hostname, port } = addr;
  const onListen = ({ hostname, port }: Deno.NetAddr) =>
    log.info("metrics on http://{addr}/metrics", { addr: formatAddr({ hostname, port }) });
  try {
    return Deno.serve({ hostname, port, onListen }, (request) => {
      if (new URL(request.url).pathname !== "/metrics") {
        return new Response("See /metrics\n", { status: 404 });
      }
      const headers = { "content-type": PROMETHEUS_TYPE };
      return new Response(prometheusPage(metrics()), { headers });
    });
  } catch (error) {
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}
