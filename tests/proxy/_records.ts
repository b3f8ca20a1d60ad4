/** The records of a proxy, in the order in which they come. */

import type { ProxyRecord } from "../../lib/proxy/proxy_record.ts";

/** Collects records; `next()` waits for the next one. */
export class Records {
  readonly all: ProxyRecord[] = [];
  readonly #found: PromiseWithResolvers<ProxyRecord>[] = [];
  #asked = 0;

  /** For `onConn`. */
  readonly take = (record: ProxyRecord): void => {
    this.#at(this.all.push(record) - 1).resolve(record);
  };

  /** The next one that was not asked for yet. */
  next(): Promise<ProxyRecord> {
    return this.#at(this.#asked++).promise;
  }

  #at(i: number): PromiseWithResolvers<ProxyRecord> {
    return this.#found[i] ??= Promise.withResolvers();
  }
}
