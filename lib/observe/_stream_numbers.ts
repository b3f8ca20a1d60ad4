/** Sequence numbers as a reader wants them: counted from each stream's SYN. */

import type { TcpAddr } from "../addr.ts";
import type { RawSegment } from "./_segment_in.ts";
import type { Segment } from "./segment.ts";

/** Counts sequence numbers from the start of each stream. */
export class StreamNumbers {
  readonly #starts = new Map<string, number>();

  /** The same segment with its numbers counted from the SYN of their own direction. */
  relative(segment: RawSegment): Segment {
    const { from, to, flags } = segment;
    const [forth, back] = [way(from, to), way(to, from)];
    if (flags.includes("SYN")) {
      // The ports come again: what was known of the other way is of another connection.
      const again = this.#starts.has(forth) && this.#starts.get(forth) !== segment.seq;
      if (again && !flags.includes("ACK")) this.#starts.delete(back);
      this.#starts.set(forth, segment.seq);
    } else if (!this.#starts.has(forth)) this.#starts.set(forth, segment.seq - 1);
    const seq = (segment.seq - this.#starts.get(forth)!) >>> 0;
    const { ack, ...rest } = segment;
    if (!flags.includes("ACK")) return { ...rest, seq };
    if (!this.#starts.has(back)) this.#starts.set(back, ack - 1);
    return { ...rest, seq, ack: (ack - this.#starts.get(back)!) >>> 0 };
  }
}

function way(from: TcpAddr, to: TcpAddr): string {
  return `${from.hostname} ${from.port} ${to.hostname} ${to.port}`;
}
