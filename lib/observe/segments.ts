/**
 * The segments of a port, one after the other as they pass: a {@linkcode capture} to iterate.
 *
 * @module
 */

import type { Segment } from "./segment.ts";
import { capture, type CaptureOptions } from "./wire.ts";

/** Options for {@linkcode segments}. */
export type SegmentsOptions = Pick<CaptureOptions, "device" | "snapLength" | "signal" | "world">;

/**
 * Yields each segment that goes to or from `port`, until the loop is left, `signal` aborts or
 * `tcpdump` ends; then tcpdump is ended. It holds what it has yielded.
 *
 * The first step begins the capture: segments from before are not seen. To know when it has begun,
 * or to go on where nothing may be captured, use {@linkcode capture}.
 *
 * @throws {Error} Where nothing can be captured: it says why.
 * @throws {RangeError} If `port` is not 1 to 65535. What `signal` aborts with is thrown as it is.
 */
export async function* segments(
  port: number,
  options: SegmentsOptions = {},
): AsyncGenerator<Segment, void, void> {
  const { signal } = options;
  await using wire = await captured({ ...options, ports: [port] });
  let next = 0;
  const more = (seen: readonly Segment[]) => seen.length > next;
  while (await wire.until(more, { timeout: Infinity, signal })) yield wire.segments[next++]!;
}

async function captured(options: CaptureOptions) {
  const wire = await capture(options);
  if (wire.available) return wire;
  throw new Error(`Cannot see segments of port ${options.ports[0]}: ${wire.why}`);
}
