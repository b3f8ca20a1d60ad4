/** What may still happen on a lifeline. */

import { type CallEvent, isOfConn } from "./events.ts";

/** It may send; it has said FIN and may still receive; it is over. */
export type Life = "open" | "finished" | "closed";

/** How far the ends of each lifeline have come, from the calls that were made on it. */
export class Lives {
  readonly #ends = new Map<string, Map<string, Life>>();

  /** Hears of a call that is about to be drawn. */
  begin(call: CallEvent): void {
    if (!isOfConn(call)) return;
    const { who, conn } = call;
    const ends = this.#ends.get(who) ?? new Map();
    if (!ends.has(conn ?? "")) this.#ends.set(who, ends.set(conn ?? "", "open"));
  }

  /** Hears of a call that was drawn. */
  end({ kind, who, conn = "", error }: CallEvent): void {
    const ends = this.#ends.get(who);
    if (kind === "close" || kind === "reset") ends?.set(conn, "closed");
    if (kind === "closeWrite" && error === undefined && ends?.get(conn) === "open") {
      ends.set(conn, "finished");
    }
  }

  /** What becomes of `who`: as much as the most lively of its ends. */
  of(who: string): Life {
    const ends = [...this.#ends.get(who)?.values() ?? []];
    if (ends.length === 0 || ends.includes("open")) return "open";
    return ends.includes("finished") ? "finished" : "closed";
  }
}
