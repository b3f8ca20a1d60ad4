/**
 * What was sent before, and is sent again: retransmissions, probes, and acknowledgements that
 * say nothing new.
 *
 * @example A SYN that got no answer
 * ```ts
 * import { Repeats, type Segment } from "@tcplab/tcplab/observe";
 * import { assertEquals } from "@std/assert";
 *
 * const [from, to] = [5, 6].map((port) => ({
 *   transport: "tcp" as const,
 *   hostname: "127.0.0.1",
 *   port,
 * }));
 * const syn = { from: from!, to: to!, flags: ["SYN"], seq: 0, length: 0, window: 65535 } as const;
 * const repeats = new Repeats();
 * assertEquals([repeats.add(syn), repeats.add(syn)], [false, true]);
 * ```
 *
 * @module
 */

import { formatAddr } from "../addr.ts";
import { isBareAck, type Segment } from "./segment.ts";

/** Knows what has been sent, on any number of connections. */
export class Repeats {
  /** By direction: behind the last of what was sent, and the last bare acknowledgement. */
  readonly #ways = new Map<string, { end: number; ack: string }>();

  /** Remembers `segment`, and says whether all that it brings had been brought before. */
  add(segment: Omit<Segment, "time" | "data">): boolean {
    const { from, to, flags, seq, length } = segment;
    const way = `${formatAddr(from)} ${formatAddr(to)}`;
    const before = this.#ways.get(way) ?? { end: 0, ack: "" };
    const taken = length + (flags.includes("SYN") ? 1 : 0) + (flags.includes("FIN") ? 1 : 0);
    const end = seq + taken;
    const ack = isBareAck(segment) ? [seq, segment.ack, segment.window].join() : "";
    // Ports that come again, in a connection of its own.
    const anew = flags.includes("SYN") && before.end > 1;
    this.#ways.set(way, { end: anew ? end : Math.max(before.end, end), ack: ack || before.ack });
    if (flags.includes("RST") || anew) return false;
    if (taken > 0) return end <= before.end;
    // A probe stands before the end; and an acknowledgement that says nothing new is a second one.
    return seq < before.end || (ack !== "" && ack === before.ack);
  }
}
