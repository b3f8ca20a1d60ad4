/**
 * A page of metrics for Prometheus.
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../lib/addr.ts";
import { explainLine } from "../lib/errors.ts";
import { type Metric, PROMETHEUS_TYPE, prometheusPage } from "../lib/proxy/prometheus.ts";
import { lastingHttp } from "../lib/server/lasting_http.ts";
import { FailureError, type Log } from "./_cli.ts";
import { need } from "./_permissions.ts";

/**
 * Hands the metrics to Deno's OpenTelemetry, which exports them where `OTEL_DENO=true` and the
 * other variables of OpenTelemetry say so; without it, nothing happens. Histograms are left out:
 * their buckets are for who reads the page.
 */
export function exportMetrics(metrics: () => Metric[]): void {
  let meter: ReturnType<typeof Deno.telemetry.meterProvider.getMeter>;
  try {
    meter = Deno.telemetry.meterProvider.getMeter("tcplab");
  } catch {
    return; // it is off
  }
  for (const { name, help, type } of metrics()) {
    if (type === "histogram") continue;
    const instrument = type === "counter"
      ? meter.createObservableCounter(name, { description: help })
      : meter.createObservableGauge(name, { description: help });
    instrument.addCallback((result: Observed) => {
      const now = metrics().find((metric) => metric.name === name);
      for (const { labels, value } of now?.samples ?? []) result.observe(value, { ...labels });
    });
  }
}

/** What OpenTelemetry has values put into. */
interface Observed {
  observe(value: number, attributes: Record<string, string>): void;
}

/** What there is to be asked. */
export interface Pages {
  /** What `/metrics` has. */
  metrics(): Metric[];
  /** Whether `/ready` says 200, or 503 to who balances: send nobody else. */
  ready(): boolean;
}

/** Serves `/metrics` and `/ready` until disposed, which cuts who is still at asking or reading. */
export function serveMetrics(addr: TcpAddr, pages: Pages, log: Log): AsyncDisposable {
  need({ kind: "net", to: formatAddr(addr) });
  const onError = (error: unknown) => {
    const { message } = error as Error;
    log.error("the metrics are not served for a while: {message}", { message });
  };
  try {
    const server = lastingHttp({ ...addr, onError }, (request) => {
      if (!URL.canParse(request.url)) return new Response("Malformed Host\n", { status: 400 });
      const { pathname } = new URL(request.url);
      if (pathname === "/ready") {
        const ready = pages.ready();
        return new Response(ready ? "ready\n" : "draining\n", { status: ready ? 200 : 503 });
      }
      if (pathname !== "/metrics") return new Response("See /metrics\n", { status: 404 });
      const headers = { "content-type": PROMETHEUS_TYPE };
      return new Response(prometheusPage(pages.metrics()), { headers });
    });
    log.info("metrics on http://{addr}/metrics", { addr: formatAddr(server.addr) });
    return server;
  } catch (error) {
    throw new FailureError(explainLine(error, { op: "listen", addr }), { cause: error });
  }
}
