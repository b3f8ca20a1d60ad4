/**
 * A scenario's packets for Wireshark: those that were captured, and for connections that
 * nobody looked at, those synthesised from what programs called.
 *
 * @module
 */

import { isCall } from "../../lib/observe/events.ts";
import { type PcapInterface, pcapng } from "../../lib/observe/pcapng.ts";
import { synthesize } from "../../lib/observe/synthesize.ts";
import type { Trace } from "../../lib/observe/trace.ts";
import type { LabWire } from "./_wire.ts";

/** A file, and what is in it. */
export interface PacketFile {
  /** The file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What is in it, in a few words. */
  readonly summary: string;
}

const MADE_UP =
  "Synthesised from what the programs called: nothing was captured. Bytes, their order " +
  "and the ends of connections are true; acknowledgements, windows and what a kernel does by " +
  "itself are not known.";

/** The packets of a scenario that has come to its end. */
export function packetFile(name: string, trace: Trace, wires: readonly LabWire[]): PacketFile {
  const seen = new Set(wires.flatMap(({ segments }) => segments.map(({ conn }) => conn)));
  const unseen = trace.events.filter((event) => !isCall(event) || !seen.has(event.conn ?? ""));
  const made = synthesize(unseen, { began: trace.began, dataOf: (call) => trace.dataOf(call) });
  const captured = wires.flatMap(({ packets }) => packets);
  const interfaces: PcapInterface[] = [];
  if (captured.length > 0) {
    const linkType = wires.find(({ packets }) => packets.length > 0)!.linkType;
    interfaces.push({ name: "lo", linkType, description: "Captured", packets: captured });
  }
  if (made.length > 0 || captured.length === 0) {
    interfaces.push({ name: "synthesised", linkType: 101, description: MADE_UP, packets: made });
  }
  const comment = `tcplab, ${name}: ${made.length === 0 ? "captured on loopback" : MADE_UP}`;
  return { bytes: pcapng(interfaces, { comment }), summary: summary(captured.length, made.length) };
}

function summary(captured: number, made: number): string {
  const parts = [
    ...captured > 0 ? [`${captured} packets captured`] : [],
    ...made > 0 || captured === 0
      ? [`${made} packets synthesised from the calls, since nothing was captured`]
      : [],
  ];
  return parts.join(", ");
}
