/**
 * One turn of the kernel's event queue: after it, what had arrived before has been told.
 *
 * A FIN that lies in the kernel is not known to Deno until it asks for events, which it does when
 * it has nothing else to do. Awaiting a promise does not make it ask, nor does a message to
 * oneself: with 20 of those in a row no FIN was seen. A timer does, but takes a millisecond or
 * two; and where this program was kept waiting so long that both are due at once, the timer is
 * told first, so it takes a second one. A byte through a loopback connection of our own takes
 * some 7 µs: the kernel keeps events in order, so that whatever came before that byte is told
 * before it.
 *
 * @module
 */

import type { World } from "../world.ts";
import { dial } from "./dial.ts";

/** Both ends of a connection to ourselves. */
interface Bell extends Disposable {
  /** Where the byte comes out. Deno's own, since the toolkit's costs a microsecond more. */
  readonly ear: Deno.TcpConn;
  /** Where it goes in. */
  readonly rope: { write(p: Uint8Array): Promise<number> };
}

/** How a turn is brought about: by a byte to ourselves, or by the two shortest sleeps. */
export type TurnBy = "socket" | "timer";

/** `"socket"` where this program may listen on loopback and connect to it, without asking. */
export function quickestTurn(): TurnBy {
  const { state } = Deno.permissions.querySync({ name: "net", host: "127.0.0.1" });
  return state === "granted" ? "socket" : "timer";
}

/** Takes turns, one at a time; all who ask during one share the next. */
export class Turns implements Disposable {
  readonly #by: TurnBy;
  readonly #world: World;
  readonly #byte = new Uint8Array(1);
  /** Longer than what comes: after a read that fills its buffer the next one tries in vain first. */
  readonly #room = new Uint8Array(64);
  #bell: Bell | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  readonly #over = new AbortController();

  /** Opens nothing yet. */
  constructor(by: TurnBy, world: World) {
    this.#by = by;
    this.#world = world;
  }

  /** Resolves after a turn that began after this call. */
  turn(): Promise<void> {
    if (this.#running === undefined) return this.#begin();
    return this.#next ??= this.#running.then(() => this.#begin());
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#over.abort();
    this.#drop();
  }

  #begin(): Promise<void> {
    this.#next = undefined;
    return this.#running = this.#take().then(this.#taken);
  }

  #taken = (): void => {
    this.#running = undefined;
  };

  /** Never rejects: where the quick way fails, as without descriptors, the slow one does as well. */
  #take(): Promise<unknown> {
    if (this.#by === "timer") return this.#slowly();
    if (this.#bell !== undefined) return this.#ring(this.#bell).catch(this.#slowly);
    return hangBell().then((bell) => {
      this.#bell = bell;
      if (this.#over.signal.aborted) this.#drop();
      return this.#ring(bell);
    }).catch(this.#slowly);
  }

  #ring({ ear, rope }: Bell): Promise<unknown> {
    // The read must wait before there is a byte: one that finds it there asks for no events.
    const heard = ear.read(this.#room);
    rope.write(this.#byte).catch(() => ear[Symbol.dispose]());
    return heard;
  }

  #slowly = async (): Promise<void> => {
    this.#drop();
    // Nobody needs the turn any more if it is cut off.
    const { signal } = this.#over;
    await this.#world.sleep(0, { signal }).then(() => this.#world.sleep(0, { signal }))
      .catch(() => {});
  };

  #drop(): void {
    this.#bell?.[Symbol.dispose]();
    this.#bell = undefined;
  }
}

/** Connects to ourselves, and nobody else. */
async function hangBell(): Promise<Bell> {
  using stack = new DisposableStack();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const rope = stack.use(await dial(listener.addr));
  while (true) {
    const ear = await listener.accept();
    if (ear.remoteAddr.port !== rope.localAddr.port) {
      ear[Symbol.dispose]();
      continue;
    }
    const both = stack.move();
    both.use(ear);
    return { ear, rope, [Symbol.dispose]: () => both[Symbol.dispose]() };
  }
}
