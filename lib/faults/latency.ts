import { arrivals } from "./_arrivals.ts";
import { checkRange } from "./_check.ts";
import type { Fault, FaultWorld } from "./fault.ts";

/** How the delays of {@linkcode latency} are spread. */
export type Spread = "uniform" | "normal" | "pareto";

/** Options for {@linkcode latency}. */
export interface LatencyOptions {
  /**
   * Milliseconds, >= 0. With `uniform`, a delay is up to so much shorter or longer; otherwise this
   * is the standard deviation.
   *
   * @default {0}
   */
  jitter?: number;
  /**
   * How delays are spread about their mean. `pareto` has a long tail (shape 3, as netem's), as
   * real networks have.
   *
   * @default {"uniform"}
   */
  spread?: Spread;
  /**
   * The most bytes on their way: a delay must not throttle, so it reads ahead.
   *
   * @default {16777216} 16 MiB, which at 100 ms is 160 MB/s.
   */
  maxBytes?: number;
}

/**
 * Delivers everything `ms` milliseconds after it came, FIN too, in order, and does not throttle:
 * what comes meanwhile is on its way at the same time.
 *
 * @throws {RangeError} If a number is out of range.
 */
export function latency(ms: number, options: LatencyOptions = {}): Fault {
  const { jitter = 0, spread = "uniform", maxBytes = 16 * 1024 * 1024 } = options;
  checkRange("latency", "latency", ms, 0);
  checkRange("latency", "jitter", jitter, 0);
  checkRange("latency", "maxBytes", maxBytes, 1);
  const deviation = DEVIATIONS[spread];
  if (deviation === undefined) {
    throw new RangeError(
      `Cannot make fault 'latency' as 'spread' must be one of ${
        Object.keys(DEVIATIONS).join(", ")
      }: current value is ${spread}`,
    );
  }
  return async function* (chunks, world) {
    for await (const { bytes, at, offset } of arrivals(chunks, world, maxBytes)) {
      const delay = jitter === 0 ? ms : ms + jitter * deviation(world, world.offset + offset);
      // Never earlier than what went before, as that was waited for.
      await world.sleep(at + delay - world.now());
      if (bytes !== undefined) yield bytes;
    }
  };
}

/** For a place in the stream: from -1 to 1, or with mean 0 and standard deviation 1. */
const DEVIATIONS: Record<Spread, (world: FaultWorld, offset: number) => number> = {
  uniform: (world, offset) => 2 * world.randomAt(offset) - 1,
  normal(world, offset) {
    // Box and Muller's way, with a second number that no other byte uses.
    const radius = Math.sqrt(-2 * Math.log(1 - world.randomAt(offset)));
    return radius * Math.cos(2 * Math.PI * world.randomAt(-1 - offset));
  },
  pareto(world, offset) {
    const drawn = (1 - world.randomAt(offset)) ** (-1 / 3); // mean 3/2, variance 3/4
    return (drawn - 1.5) / Math.sqrt(0.75);
  },
};
