/** The proxies' bytes in the format of Prometheus, named as toxiproxy names them. */

import type { ToxiProxy } from "./toxi_proxy.ts";

export function metricsOf(proxies: readonly ToxiProxy[]): string {
  const lines = [
    "# HELP toxiproxy_proxy_received_bytes_total The total number of bytes received on a given proxy link in a given direction",
    "# TYPE toxiproxy_proxy_received_bytes_total counter",
    ...proxies.flatMap((proxy) => rows(proxy, "received")),
    "# HELP toxiproxy_proxy_sent_bytes_total The total number of bytes sent on a given proxy link in a given direction",
    "# TYPE toxiproxy_proxy_sent_bytes_total counter",
    ...proxies.flatMap((proxy) => rows(proxy, "sent")),
  ];
  return `${lines.join("\n")}\n`;
}

function rows(proxy: ToxiProxy, what: "received" | "sent"): string[] {
  const { name, listen, upstream } = proxy;
  return (["down", "up"] as const).map((direction) => {
    const labels = Object.entries({
      direction: `${direction}stream`,
      listener: listen,
      proxy: name,
      upstream,
    }).map(([label, value]) => `${label}="${escape(value)}"`).join(",");
    return `toxiproxy_proxy_${what}_bytes_total{${labels}} ${proxy.traffic(direction)[what]}`;
  });
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
