import { assertEquals, assertStringIncludes } from "@std/assert";
import { Balancer } from "../../lib/proxy/balancer.ts";
import { Histogram, prometheusPage } from "../../lib/proxy/prometheus.ts";
import { balancerMetrics, ProxyTally } from "../../lib/proxy/proxy_tally.ts";
import { end } from "../../lib/proxy/end_reason.ts";
import type { ProxyRecord } from "../../lib/proxy/proxy_record.ts";

Deno.test("Histogram counts each value in its bucket and in all that are larger", () => {
  const histogram = new Histogram([1, 10]);
  for (const value of [0, 1, 1.5, 10, 11, 100]) histogram.add(value);
  assertEquals(histogram.samples(), [
    { suffix: "_bucket", labels: { le: "1" }, value: 2 },
    { suffix: "_bucket", labels: { le: "10" }, value: 4 },
    { suffix: "_bucket", labels: { le: "+Inf" }, value: 6 },
    { suffix: "_sum", value: 123.5 },
    { suffix: "_count", value: 6 },
  ]);
});

Deno.test("prometheusPage() escapes what would break a line", () => {
  const samples = [{ labels: { server: 'a"b\\c\nd' }, value: Infinity }];
  assertEquals(
    prometheusPage([{ name: "x", help: "one\ntwo\\", type: "gauge", samples }]),
    '# HELP x one\\ntwo\\\\\n# TYPE x gauge\nx{server="a\\"b\\\\c\\nd"} +Inf\n',
  );
});

const record = (more: Partial<ProxyRecord>): ProxyRecord => ({
  id: 1,
  client: { hostname: "192.0.2.7", port: 1 },
  bytesUp: 0,
  bytesDown: 0,
  duration: 20,
  queueTime: 0,
  connectTime: 2,
  retries: 0,
  end: end("-", "-", ""),
  ...more,
});

Deno.test("ProxyTally adds up what connections leave behind", () => {
  const tally = new ProxyTally();
  tally.add(record({ server: "a", bytesUp: 5, bytesDown: 7 }));
  tally.add(record({ server: "a", bytesUp: 1, retries: 2 }));
  tally.add(record({ end: end("S", "C", "refused"), retries: 3 }));
  const page = prometheusPage(tally.metrics(4));
  for (
    const line of [
      "connections 4",
      'connections_ended_total{end="--"} 2',
      'connections_ended_total{end="SC"} 1',
      'server_connections_total{server="a"} 2',
      'server_connections_total{server="-"} 1',
      'bytes_up_total{server="a"} 6',
      'bytes_down_total{server="a"} 7',
      "retries_total 5",
      // Who never was connected says nothing of how long that takes.
      "connect_seconds_count 2",
      'connect_seconds_bucket{le="0.001"} 0',
      'connect_seconds_bucket{le="0.0025"} 2',
      "duration_seconds_count 3",
    ]
  ) assertStringIncludes(page, `\ntcplab_proxy_${line}\n`);
});

Deno.test("balancerMetrics() tells how each server is now", () => {
  const balancer = new Balancer<string>();
  balancer.add("a", "a", { weight: 3, up: false });
  balancer.add("b", "b", { mode: "drain" });
  const page = prometheusPage(balancerMetrics(balancer, 2));
  for (
    const line of [
      'server_up{server="a"} 0',
      'server_ready{server="b"} 0',
      'server_weight{server="a"} 3',
      "queue_waiting 2",
    ]
  ) assertStringIncludes(page, `\ntcplab_proxy_${line}\n`);
});
