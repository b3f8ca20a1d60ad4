/**
 * A TCP segment as it was seen on the wire.
 *
 * @module
 */

import type { TcpAddr } from "../addr.ts";

/** The bits of a TCP header that say what a segment is for (RFC 9293, section 3.1). */
export const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;

/** One of them. */
export type TcpFlag = typeof TCP_FLAGS[number];

/** One segment. */
export interface Segment {
  /** When it was seen: milliseconds since the epoch, with as many digits as the capture has. */
  readonly time: number;
  /** Who sent it. */
  readonly from: TcpAddr;
  /** To whom. */
  readonly to: TcpAddr;
  /** Its flags, in the order of {@linkcode TCP_FLAGS}. */
  readonly flags: readonly TcpFlag[];
  /**
   * Where its first byte stands in its sender's stream: 0 for SYN, 1 for the first byte of
   * data. If the capture has not seen the SYN, the first segment seen counts as 1.
   */
  readonly seq: number;
  /** The byte that its sender waits for, counted in the same way; only with ACK. */
  readonly ack?: number;
  /** Bytes of data. */
  readonly length: number;
  /** The window that it offers, as the header has it: not scaled. */
  readonly window: number;
  /** The data, as far as the capture kept it. */
  readonly data: Uint8Array;
}

/** Names what it is, such as `"SYN-ACK"`, `"FIN-ACK"` or `"PSH-ACK"`. */
export function flagsText({ flags }: Pick<Segment, "flags">): string {
  const order: readonly TcpFlag[] = ["SYN", "FIN", "RST", "PSH", "URG", "ECE", "CWR", "ACK"];
  return order.filter((flag) => flags.includes(flag)).join("-");
}

/** Whether it acknowledges, and does nothing else. */
export function isBareAck({ flags, length }: Pick<Segment, "flags" | "length">): boolean {
  return length === 0 && flags.length === 1 && flags[0] === "ACK";
}
