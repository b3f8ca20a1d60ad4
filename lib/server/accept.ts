/** Every connection of a listener, whatever its clients and the system do. */

import { realWorld, type World } from "../world.ts";

/** What {@linkcode Acceptor} needs of a listener; `Deno.TcpListener` has it. */
export interface Accepting<Conn> {
  /** The next connection. Rejects for good once closed. */
  accept(): Promise<Conn>;
  /** Frees the port, or lets a pending `accept()` free it as it rejects. */
  close(): void;
}

/** Options for {@linkcode Acceptor}. */
export interface AcceptorOptions {
  /** The clock to back off by. */
  world: World;
  /** Whether waiting to retry keeps the process alive. */
  ref: () => boolean;
  /** Hears of every `accept()` that failed, and in how many milliseconds it is tried again. */
  onError: (error: unknown, retryIn: number) => void;
}

/** As Go's net/http: soon enough for a blip, rare enough when there is no end to it. */
const FIRST_RETRY = 5;
const LAST_RETRY = 1000;

/** Two: if a connection arrives as the first turn ends, the second hands it over. */
const TURNS = 2;

/**
 * Iterates over the connections of a listener until {@linkcode Acceptor.close}.
 *
 * `for await` over the listener itself would end at the first error, and a client can
 * cause one at will, by a reset right after connecting.
 */
export class Acceptor<Conn> {
  /** Whether {@linkcode close} was called. */
  closed = false;
  readonly #listener: Accepting<Conn>;
  readonly #options: AcceptorOptions;
  /** How many connections were taken, and how many calls of accept() it took. */
  #taken = 0;
  #calls = 0;
  #pending = false;
  #retryNow: (() => void) | undefined;

  /** Takes over `listener`: nobody else may accept from it. */
  constructor(listener: Accepting<Conn>, options: AcceptorOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  /** Connection after connection; while none is asked for, the kernel queues. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Conn, void, void> {
    let retryIn = FIRST_RETRY;
    while (!this.closed) {
      let conn: Conn;
      try {
        conn = await this.#accept();
      } catch (error) {
        if (this.closed) return;
        const wait = isClientsDoing(error) ? 0 : retryIn;
        this.#options.onError(error, wait);
        if (wait === 0) continue;
        await this.#pause(wait);
        retryIn = Math.min(retryIn * 2, LAST_RETRY);
        continue;
      }
      retryIn = FIRST_RETRY;
      yield conn;
    }
  }

  async #accept(): Promise<Conn> {
    this.#calls++;
    this.#pending = true;
    try {
      const conn = await this.#listener.accept();
      this.#taken++;
      return conn;
    } finally {
      this.#pending = false;
    }
  }

  /**
   * Closes the listener once the kernel's queue was empty, since what is queued then
   * would be reset. No more than `atMost` connections are waited for: that many
   * were queued when this was called, and clients may go on coming for ever.
   */
  async closeWhenEmpty(atMost: number): Promise<void> {
    const last = this.#taken + atMost;
    this.retryNow();
    while (!this.closed && this.#taken < last && !await this.#foundNone()) { /* still coming */ }
    this.close();
  }

  /** Whether one and the same accept() stays pending over whole turns of the event loop. */
  async #foundNone(): Promise<boolean> {
    const call = this.#calls;
    for (let i = 0; i < TURNS; i++) await turn();
    return this.#pending && this.#calls === call;
  }

  /** Ends the iteration. The port is free when that has ended, not before. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener.close();
    this.retryNow();
  }

  /** Ends a wait after an error: there may be a descriptor again. */
  retryNow(): void {
    this.#retryNow?.();
  }

  async #pause(ms: number): Promise<void> {
    const { world, ref } = this.#options;
    const early = new AbortController();
    this.#retryNow = () => early.abort();
    try {
      await world.sleep(ms, { signal: early.signal, ref: ref() });
    } catch {
      // Woken early.
    } finally {
      this.#retryNow = undefined;
    }
  }
}

/**
 * The client was gone before we could ask for its address: nothing is short here,
 * and the failed accept() took it off the queue, so trying again at once cannot spin.
 */
function isClientsDoing(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted;
}

/** One turn of the event loop, in which the kernel is asked for news. That takes no virtual time. */
function turn(): Promise<void> {
  return realWorld.sleep(0);
}
