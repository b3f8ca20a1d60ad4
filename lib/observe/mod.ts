/**
 * Looking at connections without touching them: a trace of every call, the kernel's states,
 * the segments on the wire, and the ladder that draws them; and what to be alarmed about in the
 * states of a whole machine.
 *
 * @example What both ends did, drawn
 * ```ts
 * import { ladder, Trace, traced } from "@tcplab/tcplab/observe";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertStringIncludes } from "@std/assert";
 *
 * const [a, b] = memoryPair(); // any connection can be traced
 * const trace = new Trace();
 * const [client, server] = [traced(a, "client", trace), traced(b, "server", trace)];
 * await writeAll(client, Uint8Array.of(1, 2, 3));
 * await client.closeWrite();
 * await readToEnd(server);
 *
 * const picture = ladder(trace.events, { lifelines: ["client", "server"] });
 * assertStringIncludes(picture, "╞══════════ FIN ══════════▶│");
 * ```
 *
 * @module
 */

export * from "./alarms.ts";
export * from "./events.ts";
export * from "./kernel.ts";
export * from "./kernel_socket.ts";
export * from "./ladder.ts";
export * from "./ladder_mermaid.ts";
export * from "./ladder_svg.ts";
export * from "./pcapng.ts";
export type { PictureOptions } from "./picture.ts";
export * from "./repeats.ts";
export * from "./segment.ts";
export * from "./segments.ts";
export * from "./socket_filter.ts";
export * from "./sparkline.ts";
export * from "./state_counts.ts";
export * from "./synthesize.ts";
export * from "./states_mermaid.ts";
export * from "./states_svg.ts";
export * from "./tcp_states.ts";
export * from "./trace.ts";
export * from "./wire.ts";
