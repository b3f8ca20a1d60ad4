/**
 * The sum of a proxy's records, as metrics.
 *
 * @module
 */

import type { Balancer } from "./balancer.ts";
import { Histogram, type Metric, type MetricSample } from "./prometheus.ts";
import type { ProxyRecord } from "./proxy_record.ts";

/** Seconds: from what loopback takes to what nobody waits for. */
const CONNECT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const LIFE_BOUNDS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 86400];

/** Adds up records: hand {@linkcode ProxyTally.add} to `onConn`. */
export class ProxyTally {
  readonly #ends = new Map<string, number>();
  readonly #servers = new Map<string, { conns: number; up: number; down: number }>();
  readonly #connect = new Histogram(CONNECT_BOUNDS);
  readonly #life = new Histogram(LIFE_BOUNDS);
  #retries = 0;

  /** Counts a connection that has ended. */
  readonly add = (record: ProxyRecord): void => {
    const { end: { code }, server = "-", bytesUp, bytesDown, retries } = record;
    this.#ends.set(code, (this.#ends.get(code) ?? 0) + 1);
    const sums = this.#servers.get(server) ?? { conns: 0, up: 0, down: 0 };
    sums.conns++;
    sums.up += bytesUp;
    sums.down += bytesDown;
    this.#servers.set(server, sums);
    if (record.server !== undefined) this.#connect.add(record.connectTime / 1000);
    this.#life.add(record.duration / 1000);
    this.#retries += retries;
  };

  /** What was counted; `active` is how many connections there are now. */
  metrics(active: number): Metric[] {
    const byServer = (pick: (sums: { conns: number; up: number; down: number }) => number) =>
      [...this.#servers].map(([server, sums]): MetricSample => ({
        labels: { server },
        value: pick(sums),
      }));
    const ends = [...this.#ends].map(([code, value]) => ({ labels: { end: code }, value }));
    return [
      metric("connections", "gauge", "Connections at this moment.", [{ value: active }]),
      metric("connections_ended_total", "counter", "Connections by their end reason.", ends),
      metric(
        "server_connections_total",
        "counter",
        "Connections that have ended, by server; - is none.",
        byServer(({ conns }) => conns),
      ),
      metric(
        "bytes_up_total",
        "counter",
        "Bytes from clients, of connections that have ended.",
        byServer(({ up }) => up),
      ),
      metric(
        "bytes_down_total",
        "counter",
        "Bytes to clients, of connections that have ended.",
        byServer(({ down }) => down),
      ),
      metric("retries_total", "counter", "Attempts to connect that were made again.", [
        { value: this.#retries },
      ]),
      metric(
        "connect_seconds",
        "histogram",
        "How long connecting to a server took.",
        this.#connect.samples(),
      ),
      metric("duration_seconds", "histogram", "How long connections lived.", this.#life.samples()),
    ];
  }
}

/** How a balancer's servers are now, as metrics. */
export function balancerMetrics(balancer: Balancer<unknown>, waiting: number): Metric[] {
  const { servers } = balancer;
  const each = (value: (server: typeof servers[number]) => number) =>
    servers.map((server): MetricSample => ({
      labels: { server: server.id },
      value: value(server),
    }));
  return [
    metric("server_up", "gauge", "Whether checks say that it is up.", each(({ up }) => Number(up))),
    metric(
      "server_ready",
      "gauge",
      "Whether it takes connections, by order.",
      each(({ mode }) => Number(mode === "ready")),
    ),
    metric(
      "server_connections",
      "gauge",
      "Connections it has at this moment.",
      each(({ active }) => active),
    ),
    metric(
      "server_weight",
      "gauge",
      "Its weight at this moment.",
      each(({ effectiveWeight }) => effectiveWeight),
    ),
    metric("queue_waiting", "gauge", "Connections that wait for a place.", [{ value: waiting }]),
  ];
}

function metric(
  name: string,
  type: Metric["type"],
  help: string,
  samples: readonly MetricSample[],
): Metric {
  return { name: `tcplab_proxy_${name}`, type, help, samples };
}
