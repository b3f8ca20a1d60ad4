/**
 * One fault at work on one direction of one connection: a queue in front of it, the fault, and
 * what comes next.
 *
 * A stage that is removed is told so (its sleeps end, its `chunks` end), gives what it held, then
 * what waits in its queue, and takes itself out of the row. Nothing of that is waited for by whoever
 * removes it, so removal cannot hang, and as everything passes one queue, nothing is overtaken.
 */

import type { Fault, FaultWorld, Mark } from "./fault.ts";
import { CLOSE, FIN, RST } from "./fault.ts";

/** Where bytes go on to: the next stage, or the connection. */
export interface Sink {
  /** Bytes of the stream that it has been given, and those that were before it came. */
  readonly received: number;
  /** Takes `item` at once; resolves when there is room for the next. It never rejects. */
  push(item: Item): Promise<void> | undefined;
}

/** What goes along a row of stages. */
export type Item = Uint8Array | Mark;

/** What may wait in front of a fault that does not ask for it, in bytes. */
const ROOM = 64 * 1024;

/** What a stage asks of its row. */
export interface StageOptions {
  readonly fault: Fault;
  readonly world: FaultWorld;
  /** What comes after it. */
  readonly next: Sink;
  /** It is through with all it had, and does nothing any more. */
  onGone: (stage: Stage) => void;
  /** The fault threw what is not a peer's reset. */
  onError: (error: unknown) => void;
}

export class Stage implements Sink {
  next: Sink;
  readonly #options: StageOptions;
  readonly #queue: Item[] = [];
  #queued = 0;
  #room: PromiseWithResolvers<void> | undefined;
  #arrived: PromiseWithResolvers<void> | undefined;
  #removed = false;
  /** Whether FIN, RST or CLOSE was given on: what comes after it is dropped, but for an end that is stronger. */
  #ended = false;
  #passing = false;
  /** How the stream ended, once the fault was told. */
  #endTaken: typeof FIN | typeof CLOSE | undefined;
  #received: number;

  constructor(options: StageOptions) {
    this.#options = options;
    this.next = options.next;
    this.#received = options.world.offset;
  }

  get received(): number {
    return this.#received;
  }

  /** Begins, and resolves when the stage is gone or the row is over. It never rejects. */
  async run(): Promise<void> {
    try {
      for await (const item of this.#options.fault(this.#chunks(), this.#options.world)) {
        if (this.#ended && item !== RST && item !== CLOSE) continue;
        if (typeof item === "symbol") this.#ended = true;
        await this.next.push(item);
      }
      if (!this.#removed || this.#endTaken) await this.#end(this.#endTaken ?? FIN);
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset)) this.#options.onError(error);
      await this.#end(RST);
    }
    await this.#pass();
  }

  push(item: Item): Promise<void> | undefined {
    // The fault may be holding FIN back, and looks at its queue no more.
    if (this.#endTaken && typeof item === "symbol") return this.next.push(item);
    this.#queue.push(item);
    if (typeof item !== "symbol") {
      this.#queued += item.length;
      this.#received += item.length;
    }
    this.#arrived?.resolve();
    if (this.#passing && this.#ended) this.#drop();
    if (this.#queued < ROOM) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Lets everything pass from now on, what is held here first. */
  remove(): void {
    this.#removed = true;
    this.#arrived?.resolve();
    // Whoever waits must not depend on a fault that may never return.
    this.#room?.resolve();
    this.#room = undefined;
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    while (true) {
      while (this.#queue.length === 0 && !this.#removed) await this.#arrival();
      if (this.#removed) return;
      const item = this.#take();
      if (item === FIN || item === CLOSE) {
        this.#endTaken = item;
        return;
      }
      if (item === RST) throw new Deno.errors.ConnectionReset("Connection reset by peer");
      yield item;
    }
  }

  #take(): Item {
    const item = this.#queue.shift()!;
    if (typeof item !== "symbol") this.#queued -= item.length;
    if (this.#queued < ROOM) {
      this.#room?.resolve();
      this.#room = undefined;
    }
    return item;
  }

  async #arrival(): Promise<void> {
    this.#arrived = Promise.withResolvers();
    await this.#arrived.promise;
    this.#arrived = undefined;
  }

  async #end(how: Mark): Promise<void> {
    if (this.#ended && how === FIN) return;
    this.#ended = true;
    await this.next.push(how);
  }

  /** The fault has returned: gives on what waits here, and goes if it may. */
  async #pass(): Promise<void> {
    this.#passing = true;
    if (this.#ended) return this.#drop();
    while (this.#queue.length > 0) await this.next.push(this.#take());
    this.#options.onGone(this);
  }

  /** Nothing goes on behind an end but one that is stronger. */
  #drop(): void {
    while (this.#queue.length > 0) {
      const item = this.#take();
      if (item === RST || item === CLOSE) this.next.push(item);
    }
  }
}
