/**
 * Claims wait for the picture that they are about: a check is made before it, and stands
 * below it.
 *
 * @module
 */

import type { CheckEvent, TraceEvent, UnseenEvent } from "../../lib/observe/events.ts";
import { isCall } from "../../lib/observe/events.ts";

/** What was put to the test, or could not be. */
export type Claim = CheckEvent | UnseenEvent;

/** Holds claims back as long as something has happened that is in no picture. */
export class Claims {
  #held: Claim[] = [];
  #undrawn = false;

  /** Hears of an event, and returns the claims that may be told now. */
  hear(event: TraceEvent): Claim[] {
    if (isPictured(event)) this.#undrawn = true;
    if (event.kind === "check" || event.kind === "unseen") this.#held.push(event);
    return this.#undrawn && event.kind !== "verdict" ? [] : this.#held.splice(0);
  }

  /** A picture of all that happened was drawn: returns the claims about it. */
  drawn(): Claim[] {
    this.#undrawn = false;
    return this.#held.splice(0);
  }
}

/** Whether there is something to see of it in a picture. */
export function isPictured(event: TraceEvent): boolean {
  return isCall(event) || event.kind === "state" || event.kind === "segment";
}
