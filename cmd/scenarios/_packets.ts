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

const CAPTURED = "Captured on loopback, where kernels leave the checksums of TCP out.";

const MADE_UP =
  "Synthesised from what the programs called, not captured. Bytes, their order and the ends of " +
  "connections are true; acknowledgements, windows and what a kernel does by itself are not known.";

const BOTH =
  "Some connections were captured on loopback, the others are synthesised from what the programs " +
  "called: each packet's interface says which.";

/** The packets of a scenario that has come to its end. */
export function packetFile(name: string, trace: Trace, wires: readonly LabWire[]): PacketFile {
  const seen = new Set(wires.flatMap(({ segments }) => segments.map(({ conn }) => conn)));
  const unseen = trace.events.filter((event) => !isCall(event) || !seen.has(event.conn ?? ""));
  const made = synthesize(unseen, { began: trace.began, dataOf: (call) => trace.dataOf(call) });
  const captured = wires.flatMap(({ packets }) => packets);
  const interfaces: PcapInterface[] = [];
  if (captured.length > 0) {
    const linkType = wires.find(({ packets }) => packets.length > 0)!.linkType;
    interfaces.push({ name: "lo", linkType, description: CAPTURED, packets: captured });
  }
  if (made.length > 0 || captured.length === 0) {
    interfaces.push({ name: "synthesised", linkType: 101, description: MADE_UP, packets: made });
  }
  const origin = captured.length === 0 ? MADE_UP : made.length === 0 ? CAPTURED : BOTH;
  const comment = `tcplab, ${name}. ${origin}`;
  return { bytes: pcapng(interfaces, { comment }), summary: summary(captured.length, made.length) };
}

function summary(captured: number, made: number): string {
  if (captured === 0) {
    return `${made} packets synthesised from the calls, since nothing was captured`;
  }
  const more = `, and ${made} synthesised from the calls on connections that were not`;
  return `${captured} packets captured${made === 0 ? "" : more}`;
}
