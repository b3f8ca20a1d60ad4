/**
 * A WebSocket over any {@linkcode Duplex}: messages both ways at once, pings answered, and
 * the closing handshake.
 *
 * @example A client and a server
 * ```ts
 * import { connectWebSocket, upgradeWebSocket } from "@tcplab/tcplab/framing";
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [here, there] = memoryPair();
 * const [client, server] = await Promise.all([
 *   connectWebSocket(here, { host: "localhost" }),
 *   upgradeWebSocket(there),
 * ]);
 *
 * await client.send("hello");
 * assertEquals(await server.receive(), "hello");
 *
 * await Promise.all([client.close(), server.receive()]);
 * assertEquals(server.closing, { code: 1000, reason: "" });
 * ```
 *
 * @module
 */

import { chunks, type Duplex } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import { WriteTurns } from "./_write_turns.ts";
import { type WebSocketClosing, WebSocketSession } from "./websocket.ts";
import { CloseCode, type WebSocketLimits, type WebSocketRole } from "./websocket_message.ts";

/** Options for {@linkcode WebSocketConn}. */
export interface WebSocketConnOptions extends WebSocketLimits {
  /**
   * How long the peer may take to close, in milliseconds; then the connection is cut.
   *
   * @default {5000}
   */
  closeTimeout?: number;
  /** The clock, for tests. */
  world?: World;
}

/** What a {@linkcode WebSocketConn} begins with. */
export interface WebSocketStart extends WebSocketConnOptions {
  /** Which end we are. */
  role: WebSocketRole;
  /** The subprotocol that was agreed on, if any. */
  protocol?: string | undefined;
  /** Bytes that came with the handshake and are no part of it. */
  rest?: Uint8Array;
}

/** A reason to close, to be sent. */
export interface WebSocketCloseOptions {
  /**
   * The close code.
   *
   * @default {1000}
   */
  code?: number;
  /**
   * The reason, at most 123 bytes of UTF-8.
   *
   * @default {""}
   */
  reason?: string;
}

/** Options for {@linkcode WebSocketConn.receive}. */
export interface WebSocketReceiveOptions {
  /** Ends the wait: it rejects with the signal's reason, and no message is lost. */
  signal?: AbortSignal | undefined;
}

/**
 * One end of an open WebSocket, made by {@linkcode connectWebSocket} or
 * {@linkcode upgradeWebSocket}, or from a connection that has the handshake behind it.
 *
 * It reads only while somebody waits in {@linkcode receive} or {@linkcode close}, so that a
 * fast peer is slowed down by TCP and not buffered; pings are answered then. Sending and
 * receiving do not wait for each other.
 */
export class WebSocketConn implements AsyncDisposable, Disposable {
  /** The subprotocol that was agreed on, if any. */
  readonly protocol: string | undefined;
  readonly #conn: Duplex;
  readonly #role: WebSocketRole;
  readonly #session: WebSocketSession;
  readonly #chunks: AsyncGenerator<Uint8Array>;
  readonly #turns: WriteTurns;
  readonly #closeTimeout: number;
  readonly #world: World;
  /** A read that nobody waits for any more; the next one gets its bytes. */
  #reading: Promise<IteratorResult<Uint8Array>> | undefined;
  /** The last of those who take turns to receive. */
  #receiving: Promise<unknown> = Promise.resolve();
  #failure: { error: unknown } | undefined;
  #over = false;

  /** Takes over `conn`: from now on, dispose this instead. */
  constructor(conn: Duplex, start: WebSocketStart) {
    const { role, protocol, rest, closeTimeout = 5000, world = realWorld } = start;
    if (!(closeTimeout >= 0)) {
      throw new RangeError(
        `Cannot speak WebSocket as 'closeTimeout' must be >= 0: current value is ${closeTimeout}`,
      );
    }
    this.#session = new WebSocketSession({ ...start, newMask });
    if (rest) this.#session.push(rest);
    this.#conn = conn;
    this.#role = role;
    this.#chunks = chunks(conn);
    this.#turns = new WriteTurns(conn);
    this.#closeTimeout = closeTimeout;
    this.#world = world;
    this.protocol = protocol;
  }

  /** How the peer closed, once it has; 1006 if the connection ended in another way. */
  get closing(): WebSocketClosing | undefined {
    if (this.#session.received) return this.#session.received;
    return this.#over ? { code: CloseCode.abnormal, reason: "" } : undefined;
  }

  /**
   * Sends a text or bytes, and resolves once the kernel has them. Messages go out whole and
   * in the order of the calls.
   *
   * @throws {WebSocketClosedError} If we have closed, or answered the peer's Close.
   * @throws {RangeError} If it is longer than `maxMessage`.
   */
  async send(message: string | Uint8Array): Promise<void> {
    await this.#turns.write(this.#session.send(
      typeof message === "string"
        ? { type: "text", text: message }
        : { type: "binary", bytes: message },
    ));
  }

  /** Sends a ping with at most 125 bytes. The pong is not shown, but proves that TCP lives. */
  async ping(bytes: Uint8Array = new Uint8Array(0)): Promise<void> {
    await this.#turns.write(this.#session.send({ type: "ping", bytes }));
  }

  /**
   * The next message, or `null` once the connection was closed by either side. Several calls
   * at once take turns.
   *
   * @throws {WebSocketFrameError} If the peer breaks the rules, which it is told, or ends the
   * stream without closing. The connection is then over.
   * @throws {Error} What reading throws, such as a reset.
   */
  receive(options: WebSocketReceiveOptions = {}): Promise<string | Uint8Array | null> {
    const turn = this.#receiving.then(() => this.#receive(options.signal));
    this.#receiving = turn.catch(() => {});
    return turn;
  }

  /** The messages, until either side closes; leaving the loop closes nothing. */
  async *[Symbol.asyncIterator](): AsyncGenerator<string | Uint8Array> {
    for (let next = await this.receive(); next !== null; next = await this.receive()) yield next;
  }

  /**
   * Closes: sends a Close frame, drops the messages that still come, and resolves with the
   * peer's Close, or 1006 if there was none within `closeTimeout`. It does not throw for what
   * the peer does, and disposes the connection. Again is harmless.
   *
   * @throws {RangeError} If the code may not be sent, or the reason is too long.
   */
  async close(options: WebSocketCloseOptions = {}): Promise<WebSocketClosing> {
    const { code = CloseCode.normal, reason = "" } = options;
    if (!this.#session.sent && !this.#over) {
      this.#turns.write(this.#session.send({ type: "close", code, reason })).catch(() => {});
    }
    await this.#inTime(async () => {
      while (await this.receive() !== null);
    });
    this[Symbol.dispose]();
    return this.closing!;
  }

  /** The same as {@linkcode close} with code 1000. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Cuts the connection without closing; what waits here resolves with `null`, or rejects. */
  [Symbol.dispose](): void {
    this.#over = true;
    this.#conn[Symbol.dispose]();
  }

  async #receive(signal: AbortSignal | undefined): Promise<string | Uint8Array | null> {
    signal?.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
    try {
      while (!this.#over) {
        const message = this.#session.next();
        this.#payOwed();
        if (message?.type === "text") return message.text;
        if (message?.type === "binary") return message.bytes;
        if (message?.type === "close") await this.#finish();
        if (message === undefined) await this.#read(signal);
      }
      return null;
    } catch (error) {
      if (signal?.aborted && error === signal.reason) throw error;
      if (this.#over) return null; // our own doing
      this.#failure = { error };
      this.#payOwed();
      await this.#finish();
      throw error;
    }
  }

  async #read(signal: AbortSignal | undefined): Promise<void> {
    this.#reading ??= this.#chunks.next();
    this.#reading.catch(() => {}); // should nobody ask again
    const { done, value } = await unlessAborted(this.#reading, signal);
    this.#reading = undefined;
    if (done) this.#session.end();
    else this.#session.push(value);
  }

  /** Answers a ping or a Close. Nobody waits for it: the peer may not be reading now. */
  #payOwed(): void {
    const owed = this.#session.takeOwed();
    if (owed === undefined) return;
    if (this.#session.sent) this.#turns.write(owed).catch(() => {});
    else this.#turns.writeSoon(owed);
  }

  /**
   * After the last frame. The server says FIN first, so that TIME_WAIT is its own (7.1.1), and
   * both read to the peer's FIN: closing over unread bytes would cost the peer our Close.
   */
  async #finish(): Promise<void> {
    await this.#inTime(async () => {
      await this.#turns.done;
      if (this.#role === "server" || this.#failure) await this.#conn.closeWrite();
      while (!(await this.#chunks.next()).done);
    });
    this[Symbol.dispose]();
  }

  /** Does `work`, which cutting the connection ends; how it fares does not matter. */
  async #inTime(work: () => Promise<void>): Promise<void> {
    const done = new AbortController();
    const late = this.#world.sleep(this.#closeTimeout, { signal: done.signal })
      .then(() => this[Symbol.dispose](), () => {});
    await work().catch(() => {});
    done.abort();
    await late;
  }
}

/** Masks must be unpredictable to the application's peer (10.3), so these are no World's dice. */
function newMask(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(4));
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
