/** Every connection of a listener, whatever its clients and the system do. */

import type { TcpSocket } from "../stream/tcp.ts";
import { realWorld, type World } from "../world.ts";

/** What {@linkcode Acceptor} needs of a listener; `Deno.TcpListener` has it. */
export interface Accepting<Conn> {
  /** The next connection. Rejects for good once closed. */
  accept(): Promise<Conn>;
  /** Frees the port, or lets a pending `accept()` free it as it rejects. */
  close(): void;
}

/** A listener that {@linkcode serveTcp} can serve: `Deno.TcpListener`, or what `listenResettable()` makes. */
export interface Listening extends Accepting<TcpSocket> {
  /** Where it listens. */
  readonly addr: { readonly hostname: string; readonly port: number };
  /** Lets a pending `accept()` keep the process alive. */
  ref(): void;
  /** Lets the process end although an `accept()` is pending. */
  unref(): void;
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

/** One to ask the kernel for news, and one for a connection it then has to reach us. */
const TURNS = 2;

/**
 * Takes connection after connection from a listener, until {@linkcode Acceptor.close}.
 *
 * `for await` over the listener would end at the first error instead, and a client can
 * cause one at will, by a reset right after connecting.
 */
export class Acceptor<Conn> {
  /** Whether {@linkcode close} was called. */
  closed = false;
  readonly #listener: Accepting<Conn>;
  readonly #options: AcceptorOptions;
  /** How many clients were taken off the queue, and how many calls of accept() there were. */
  #taken = 0;
  #calls = 0;
  #pending = false;
  #retryIn = FIRST_RETRY;
  #pausing: Promise<void> | undefined;
  #retryNow: (() => void) | undefined;
  readonly #closing = new AbortController();

  /** Takes over `listener`: nobody else may accept from it. */
  constructor(listener: Accepting<Conn>, options: AcceptorOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  /**
   * The next connection, or `undefined` once closed. While none is asked for, the kernel
   * queues. Not an async generator, which leaves three times the garbage per connection.
   */
  async next(): Promise<Conn | undefined> {
    while (!this.closed) {
      this.#calls++;
      this.#pending = true;
      try {
        const conn = await this.#listener.accept();
        this.#pending = false;
        this.#taken++;
        this.#retryIn = FIRST_RETRY;
        return conn;
      } catch (error) {
        this.#pending = false;
        if (!this.closed) await this.#failed(error);
      }
    }
    return undefined;
  }

  async #failed(error: unknown): Promise<void> {
    const { onError } = this.#options;
    if (isClientsDoing(error)) {
      this.#taken++;
      return onError(error, 0);
    }
    const retryIn = this.#retryIn;
    this.#retryIn = Math.min(retryIn * 2, LAST_RETRY);
    onError(error, retryIn);
    await (this.#pausing = this.#pause(retryIn));
  }

  /**
   * Closes the listener once the kernel's queue was empty, since what is queued then
   * would be reset. No more than `atMost` connections are waited for: that many
   * were queued when this was called, and clients may go on coming for ever.
   */
  async closeWhenEmpty(atMost: number): Promise<void> {
    const last = this.#taken + atMost;
    this.retryNow();
    await this.#askKernel();
    while (!this.closed && this.#taken < last && !await this.#foundNone()) await this.#pausing;
    this.close();
  }

  /**
   * Turns of the event loop that end with a timer: only in these does Deno always ask the
   * kernel for news. Who was queued before is then on the way to us, and accept() takes one
   * after the other without asking again, until it finds none.
   */
  async #askKernel(): Promise<void> {
    const { signal } = this.#closing;
    const ref = this.#options.ref();
    for (let i = 0; i < TURNS; i++) await realWorld.sleep(0, { signal, ref }).catch(() => {});
  }

  /** Whether one and the same accept() stays pending over whole turns of the event loop. */
  async #foundNone(): Promise<boolean> {
    const call = this.#calls;
    for (let i = 0; i < TURNS; i++) await turn();
    return this.#pending && this.#calls === call;
  }

  /** Ends it: a pending {@linkcode next} resolves, and then the port is free, not before. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#listener.close();
    this.#closing.abort();
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

/**
 * One turn of the event loop. A message makes one in some 10 µs, a timer in 2 ms: a busy
 * server is never without a client for that long.
 */
function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const { promise, resolve } = Promise.withResolvers<void>();
  port1.onmessage = () => {
    port1.close();
    port2.close();
    resolve();
  };
  port2.postMessage(undefined);
  return promise;
}
