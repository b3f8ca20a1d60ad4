/** Does what a timeline says: to each connection as it opens, and to the link as a whole. */

import type { World } from "../world.ts";
import { CLOSE, type Fault } from "./fault.ts";
import type { FaultBoard } from "./fault_board.ts";
import { makeFault } from "./fault_types.ts";
import { finEarly } from "./fin_early.ts";
import type { Link } from "./link.ts";
import { reset } from "./reset.ts";
import { randomAt, seedOf } from "./seed.ts";
import type { Timeline, TimelineLine, TimelineStep } from "./timeline.ts";

/** Whether the timeline refuses a connection. */
export function timelineRefuses({ lines }: Timeline, connection: number): boolean {
  return lines.some((line) => line.steps === "refuse" && isAbout(line, connection));
}

/** Puts a connection under the timeline's lines about it, from now until it is over. */
export function followTimeline({ lines }: Timeline, link: Link, seed: number, world: World): void {
  const over = new AbortController();
  link.finished.then(() => over.abort());
  for (const direction of ["up", "down"] as const) {
    const mine = lines.filter((line) =>
      line.connections && isAbout(line, link.connection) && line.directions.includes(direction)
    );
    if (mine.length === 0) continue;
    const gate = new Gate();
    const gateName = "timeline";
    const lane = link.lane(direction);
    lane.addBehind(undefined, gateName, gate.fault);
    const place: Place = {
      add: (name, fault, behind = gateName) => lane.addBehind(behind, name, fault),
      remove: (name) => lane.remove(name),
      at: (bytes) => gate.at(bytes),
      hits: (name, toxicity) => randomAt(seedOf(seed, name), link.connection) < toxicity,
    };
    for (const line of mine) {
      // What was waited for in vain when the connection ended rejects, and that is all.
      follow(line, place, world, over.signal).catch(() => {});
    }
  }
}

/** Does what the timeline says about the link, until `signal` aborts. */
export function followLinkTimeline(
  { lines }: Timeline,
  board: FaultBoard,
  world: World,
  signal: AbortSignal,
): void {
  for (const line of lines.filter(({ connections }) => connections === undefined)) {
    for (const direction of line.directions) {
      const place: Place = {
        add: (name, fault, _behind, toxicity = 1) =>
          board.add(`${name} ${direction}`, direction, fault, { toxicity }),
        remove: (name) => board.remove(`${name} ${direction}`),
        at: () => Promise.reject(new TypeError("A link has no bytes")),
        hits: () => true,
      };
      follow(line, place, world, signal).catch(() => {});
    }
  }
}

/** Where the faults of a line go. */
interface Place {
  add(name: string, fault: Fault, behind?: string, toxicity?: number): void;
  remove(name: string): void;
  /** Resolves, without anything having passed in between, when so many bytes have. */
  at(bytes: number): Promise<void>;
  hits(name: string, toxicity: number): boolean;
}

async function follow(
  { line, steps }: TimelineLine,
  place: Place,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  /** The faults of the step before, which are still there. */
  let before: string[] = [];
  const clear = () => {
    for (const name of before.splice(0)) place.remove(name);
  };
  for (const [i, step] of (steps as readonly TimelineStep[]).entries()) {
    const { start, what, ms } = step;
    if (start.kind !== "now") clear();
    if (start.kind === "bytes") await place.at(start.bytes);
    if (start.kind === "time") await world.sleep(start.ms, { signal });
    const added: string[] = [];
    let behind = before.at(-1);
    for (const [j, { fault, toxicity }] of faultsOf(what).entries()) {
      const name = `line ${line}.${i + 1}.${j + 1}`;
      if (!place.hits(name, toxicity)) continue;
      place.add(name, fault, behind, toxicity);
      added.push(name);
      behind = name;
    }
    clear();
    if (ms === Infinity) continue;
    before = added;
    await world.sleep(ms, { signal });
  }
  clear();
}

function faultsOf(what: TimelineStep["what"]): { fault: Fault; toxicity: number }[] {
  if (what === "fin") return [{ fault: finEarly(), toxicity: 1 }];
  if (what === "rst") return [{ fault: reset(), toxicity: 1 }];
  if (what === "close") return [{ fault: closing, toxicity: 1 }];
  return what.map((spec) => ({ fault: makeFault(spec), toxicity: spec.toxicity }));
}

const closing: Fault = async function* (_chunks, world) {
  world.note("close", world.offset);
  yield CLOSE;
  await world.sleep(Infinity);
};

/** Lets bytes through, and stops at those that somebody waits for until that one has acted. */
class Gate {
  readonly #waiting: { bytes: number; resolve: () => void }[] = [];
  #passed = 0;

  readonly fault: Fault = (chunks) => this.#pass(chunks);

  at(bytes: number): Promise<void> {
    if (bytes <= this.#passed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, resolve });
      this.#waiting.sort((a, b) => a.bytes - b.bytes);
    });
  }

  async *#pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (let rest of chunks) {
      while (rest.length > 0) {
        const next = this.#waiting[0]?.bytes ?? Infinity;
        const part = rest.subarray(0, next - this.#passed);
        rest = rest.subarray(part.length);
        yield part;
        this.#passed += part.length;
        await this.#wake();
      }
    }
  }

  async #wake(): Promise<void> {
    while (this.#waiting.length > 0 && this.#waiting[0]!.bytes <= this.#passed) {
      this.#waiting.shift()!.resolve();
      // Whoever was woken acts in the next turn, before this goes on.
      await Promise.resolve();
      await Promise.resolve();
    }
  }
}

function isAbout({ connections }: TimelineLine, connection: number): boolean {
  return connections?.some(([first, last]) => connection >= first && connection <= last) ?? false;
}
