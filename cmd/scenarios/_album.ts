/**
 * A scenario's pictures and its claims about them as one SVG, told to whoever is told of the
 * scenario itself.
 *
 * @module
 */

import type { TraceEvent } from "../../lib/observe/events.ts";
import { SvgLadder } from "../../lib/observe/ladder_svg.ts";
import { type Claim, Claims } from "./_claims.ts";
import type { DrawOptions } from "./_lab.ts";
import type { Lesson } from "./_lesson.ts";

/** An SVG that grows. */
export class Album {
  readonly #claims = new Claims();
  #svg = new SvgLadder();

  /** The lesson begins. */
  open({ title, order, section }: Lesson): void {
    this.#svg = new SvgLadder({ title, subtitle: `Chapter §${order.join(".")}: ${section}` });
  }

  /** Something happened. */
  event(event: TraceEvent): void {
    this.#tell(this.#claims.hear(event));
  }

  /** A picture of these events, but for those that are `drawn` already. */
  show(
    events: readonly TraceEvent[],
    drawn: ReadonlySet<TraceEvent>,
    options: DrawOptions,
  ): void {
    const { lifelines = ["client", "server"] } = options;
    this.#svg.draw(events, { lifelines, drawn });
    this.#tell(this.#claims.drawn());
  }

  /** The file. */
  toString(): string {
    return this.#svg.toString();
  }

  #tell(claims: readonly Claim[]): void {
    for (const claim of claims) {
      if (claim.kind === "unseen") this.#svg.claim(`not seen: ${claim.text}`, undefined);
      else this.#svg.claim(claim.text, claim.ok);
    }
  }
}
