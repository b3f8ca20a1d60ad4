/**
 * What stands in front of servers: who is really there (the PROXY protocol), who may come
 * (CIDR), which server takes the next connection (the balancer), and which ones are well
 * (health checks).
 *
 * @example Checks that decide whom the balancer chooses
 * ```ts
 * import { Balancer, connectProbe, watchHealth } from "@tcplab/tcplab/proxy";
 * import { serveTcp } from "@tcplab/tcplab/server";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, async () => {});
 * const checked = Promise.withResolvers<void>();
 *
 * const balancer = new Balancer<{ hostname: string; port: number }>();
 * balancer.add("a", server.addr, { up: false });
 * await using watch = watchHealth(balancer.servers, {
 *   probe: connectProbe(),
 *   initial: "down",
 *   onChange(id, { up }) {
 *     balancer.set(id, { up });
 *     checked.resolve();
 *   },
 * });
 * await checked.promise;
 * assertEquals(balancer.pick().lease?.target, server.addr);
 * assertEquals(watch.state("a")?.reason, "1/1 L4OK");
 * ```
 *
 * @module
 */

export * from "./balance_algorithms.ts";
export type { Asked, Candidate, Chooser } from "./balance_chooser.ts";
export { Lease } from "./balance_lease.ts";
export type { ServerMode, ServerSettings, ServerStatus } from "./balance_server.ts";
export * from "./balancer.ts";
export * from "./cidr.ts";
export * from "./client_hello.ts";
export * from "./decision_text.ts";
export * from "./end_reason.ts";
export * from "./fairness.ts";
export * from "./fleet.ts";
export * from "./health.ts";
export * from "./health_state.ts";
export * from "./ip.ts";
export * from "./probe_http.ts";
export * from "./probe_tls.ts";
export {
  connectProbe,
  type ProbeTarget,
  talkProbe,
  type TalkProbeOptions,
  type TalkStep,
} from "./probes.ts";
export * from "./prometheus.ts";
export * from "./proxy.ts";
export * from "./proxy_header.ts";
export * from "./proxy_protocol.ts";
export * from "./proxy_record.ts";
export * from "./proxy_tally.ts";
export type { ProxySsl, ProxySslTlv, ProxyTlv } from "./proxy_tlv.ts";
export { type ReadAhead, readAhead, type ReadAheadOptions } from "./read_ahead.ts";
export * from "./receive_proxy_header.ts";
export * from "./recording.ts";
export * from "./redispatch.ts";
export * from "./replay.ts";
export * from "./server_list.ts";
export * from "./server_queue.ts";
export type { Tap } from "./tap.ts";
export * from "./tap_text.ts";
export * from "./upstream.ts";
export * from "./upstream_open.ts";
export * from "./upstream_sni.ts";
