/**
 * One of those that a pool holds, and its record.
 *
 * @module
 */

import type { PoolCloseReason } from "./pool_events.ts";
import type { Lendable, Lender } from "./pool_lease.ts";

/** Where it is: free, being looked at, lent, closed, or on its way from one to the other. */
export type EntryState = "between" | "idle" | "checking" | "lent" | "closed";

/** One that is held. */
export class Entry<Resource extends Disposable> implements Lendable<Entry<Resource>> {
  /** Counted from 1. */
  readonly id: number;
  /** What it is about. */
  readonly resource: Resource;
  /** When it was opened. */
  readonly opened: number;
  /** When its life is over. */
  readonly expires: number;
  /** Hears that it died while it was free. */
  readonly gone: (reason: PoolCloseReason, error?: unknown) => void;
  /** Where it is. */
  state: EntryState = "between";
  /** Since when. */
  since = 0;
  /** The newest acquire that its check is good for. */
  checkedFor = 0;
  leasesOver = 0;
  readonly lender: Lender<Entry<Resource>>;
  /** Where it was acquired. */
  stack: string | undefined = undefined;
  /** Whether its leak was told. */
  leaked = false;

  constructor(
    id: number,
    resource: Resource,
    opened: number,
    expires: number,
    lender: Lender<Entry<Resource>>,
    onGone: (
      entry: Entry<Resource>,
      reason: PoolCloseReason,
      error: unknown,
    ) => void,
  ) {
    this.id = id;
    this.resource = resource;
    this.opened = opened;
    this.expires = expires;
    this.lender = lender;
    this.gone = (reason, error) => onGone(this, reason, error);
  }

  /** Whether it is closed. */
  get closed(): boolean {
    return this.state === "closed";
  }
}
