/**
 * Faults on purpose: a connection that is slow, cut, stalled, reset or half-closed where and when
 * you say, the same each time for the same seed.
 *
 * @example A fault comes and goes while bytes flow
 * ```ts
 * import { hastyWorld, latency, memoryLink } from "@tcplab/tcplab/faults";
 * import { readExact, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * await using world = hastyWorld(7);
 * await using link = memoryLink({ seed: 7, world });
 * const { client, server } = link.connect();
 * link.add("slow", "up", latency(600_000));
 * await writeAll(client, Uint8Array.of(1, 2, 3));
 * assertEquals(await readExact(server, 3), Uint8Array.of(1, 2, 3)); // ten minutes, in no time
 * assertEquals(world.now(), 600_000);
 * link.remove("slow");
 * ```
 *
 * @module
 */

export { type Unit } from "./_messages.ts";
export * from "./bandwidth.ts";
export * from "./control.ts";
export * from "./corrupt.ts";
export * from "./delay_fin.ts";
export * from "./drop.ts";
export * from "./duplicate.ts";
export * from "./fault.ts";
export * from "./fault_board.ts";
export * from "./fault_types.ts";
export * from "./fault_world.ts";
export * from "./faulty_link.ts";
export * from "./fin_early.ts";
export * from "./hasty_world.ts";
export * from "./lane.ts";
export * from "./latency.ts";
export * from "./limit.ts";
export * from "./link.ts";
export * from "./link_event.ts";
export type { FaultEntry, FaultsOptions, FaultyConnections } from "./link_options.ts";
export * from "./memory_link.ts";
export * from "./parse_faults.ts";
export { refuse } from "./refuse.ts";
export * from "./reorder.ts";
export * from "./reset.ts";
export * from "./rst_after_fin.ts";
export * from "./slicer.ts";
export * from "./slow_close.ts";
export * from "./stall.ts";
export * from "./swallow_fin.ts";
export * from "./timeline.ts";
export * from "./timeout.ts";
export type { ProxyJson, ToxicJson, ToxicStream, ToxiLinkOptions } from "./toxi_proxy.ts";
