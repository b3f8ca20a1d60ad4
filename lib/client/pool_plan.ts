/**
 * What a pool decides by its numbers alone.
 *
 * @module
 */

/** How things stand in a pool. */
export interface PoolCounts {
  /** The least to keep. */
  readonly min: number;
  /** The most to hold. */
  readonly max: number;
  /** Held: free, being checked, or lent. */
  readonly size: number;
  /** Free. */
  readonly idle: number;
  /** Being checked. */
  readonly checking: number;
  /** Being opened. */
  readonly opening: number;
  /** Acquires that wait. */
  readonly waiting: number;
}

/** What to begin. */
export interface PoolPlan {
  /** How many of the free ones to look at, so that they can be lent. */
  readonly check: number;
  /** How many to open because somebody waits. */
  readonly open: number;
  /** How many more to open so that there are `min`. */
  readonly fill: number;
}

/**
 * One for each who waits, counting those that are on their way already: first of what is free,
 * then new ones as long as there is room. What is on its way belongs to nobody: whoever is first
 * in line when it is ready gets it.
 */
export function plan({ min, max, size, idle, checking, opening, waiting }: PoolCounts): PoolPlan {
  const wanted = Math.max(0, waiting - checking - opening);
  const check = Math.min(wanted, idle);
  const room = Math.max(0, max - size - opening);
  const open = Math.min(wanted - check, room);
  const fill = Math.min(Math.max(0, min - size - opening - open), room - open);
  return { check, open, fill };
}

/**
 * How many milliseconds one may be open: `maxLifetime`, less a share of up to `jitter` of it, so
 * that those opened together do not all have to be replaced together.
 */
export function lifetime(maxLifetime: number, jitter: number, random: number): number {
  return maxLifetime === Infinity ? Infinity : maxLifetime * (1 - jitter * random);
}
