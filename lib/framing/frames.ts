/**
 * The thin loops that run a decoder over a connection.
 *
 * @example Ask and answer, a message at a time
 * ```ts
 * import { FramedConn, LengthDecoder, LengthEncoder } from "@tcplab/tcplab/framing";
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const framing = () => ({ decoder: new LengthDecoder(), encoder: new LengthEncoder() });
 * const [a, b] = memoryPair();
 * using client = new FramedConn(a, framing());
 * using server = new FramedConn(b, framing());
 *
 * await client.send(Uint8Array.of(1, 2, 3));
 * assertEquals(await server.receive({ timeout: 5000 }), Uint8Array.of(1, 2, 3));
 *
 * await server.closeWrite();
 * assertEquals(await client.receive(), null);
 * ```
 *
 * @module
 */

import { chunks, type Duplex, type Reader } from "../stream/conn.ts";
import { TimedReader } from "../stream/timed_reader.ts";
import { realWorld, type World } from "../world.ts";
import { Sender } from "./_sender.ts";
import { FreshMemory, LentMemory, type ReadMemory } from "./_read_memory.ts";
import { type Decoder, drain, type Encoder } from "./decoder.ts";

/**
 * Frames as they arrive, until FIN. Leaving the loop early leaves `from` open, and what
 * was read but not handed out in the decoder.
 *
 * @throws {FrameError} What the decoder throws, also for FIN inside a frame.
 */
export async function* frames<Frame>(
  from: Reader,
  decoder: Decoder<Frame>,
): AsyncGenerator<Frame, void> {
  for await (const chunk of chunks(from)) {
    decoder.push(chunk);
    yield* drain(decoder);
  }
  decoder.end();
  yield* drain(decoder);
}

/** Options for {@linkcode FramedConn}. */
export interface FramedConnOptions<In, Out> {
  /** Makes frames of what is read. */
  decoder: Decoder<In>;
  /** Makes bytes of what is sent. */
  encoder: Encoder<Out>;
  /**
   * Whether frames are lent: what one is a view of may be written over as soon as the next one is
   * asked for. For who is done with a frame by then: it saves allocating what is read.
   *
   * @default {false} Frames are the receiver's to keep.
   */
  lend?: boolean;
  /**
   * The clock for timeouts.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Options for {@linkcode FramedConn.receive}. */
export interface ReceiveOptions {
  /**
   * The most milliseconds to wait for the whole frame, a number > 0.
   *
   * @default {Infinity}
   */
  timeout?: number;
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A connection that carries messages.
 *
 * It takes over the {@linkcode Duplex}: nobody else may read from it or write to it.
 */
export class FramedConn<In, Out> implements Disposable {
  readonly #conn: Duplex;
  readonly #reader: TimedReader;
  readonly #decoder: Decoder<In>;
  readonly #sender: Sender<Out>;
  readonly #world: World;
  readonly #memory: ReadMemory;
  #ended = false;

  /** Takes over `conn`. */
  constructor(conn: Duplex, options: FramedConnOptions<In, Out>) {
    const { decoder, encoder, lend = false, world = realWorld } = options;
    this.#conn = conn;
    this.#reader = new TimedReader(conn, { world });
    this.#decoder = decoder;
    this.#sender = new Sender(conn, encoder);
    this.#memory = lend ? new LentMemory() : new FreshMemory();
    this.#world = world;
  }

  /**
   * Sends a frame: its bytes are in one write, and never between those of another one,
   * however many sends are under way. Those that wait for the same write share the next
   * one.
   *
   * Resolves when the kernel has taken the frame, which is not to say that the peer has.
   * A frame that the encoder refuses harms no other; after a write that failed, every
   * send rejects with the same error, for a part of a frame may be out.
   *
   * @throws {RangeError} If the encoder refuses the frame.
   */
  send(frame: Out): Promise<void> {
    return this.#sender.send(frame);
  }

  /**
   * The next frame, or `null` once the peer has said FIN after its last one. After a
   * timeout or an abort nothing is lost: the next call goes on where this one left off.
   *
   * @throws {FrameError} What the decoder throws, also for FIN inside a frame.
   * @throws {DOMException} `"TimeoutError"` if the frame is not whole in time, however
   * busily the peer sends.
   * @throws {Deno.errors.Busy} While another receive waits.
   */
  receive(options?: ReceiveOptions): Promise<In | null> {
    // Not async: where frames come many in a chunk, that is half the price of one.
    try {
      if (options?.timeout !== undefined) checkTimeout(options.timeout);
      options?.signal?.throwIfAborted();
      const frame = this.#decoder.next();
      if (frame !== undefined) return Promise.resolve(frame);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#receive(options?.timeout ?? Infinity, options?.signal);
  }

  /**
   * The next frame if it has come already, or `undefined`: then {@linkcode receive} waits for it,
   * or says that there is none. Where frames come many in a read, `receiveNow() ?? await receive()`
   * saves a promise for most of them.
   *
   * @throws {FrameError} What the decoder throws.
   */
  receiveNow(): In | undefined {
    return this.#decoder.next();
  }

  /** Frames until FIN; leaving the loop early closes nothing. */
  [Symbol.asyncIterator](): AsyncIterator<In, void, void> {
    return {
      next: () => this.receive().then(iterated),
    };
  }

  /** Sends FIN after all frames. Receiving goes on. Again is harmless. */
  async closeWrite(): Promise<void> {
    await this.#sender.sent;
    await this.#conn.closeWrite();
  }

  /** Closes both directions. What waits to be sent or received rejects; again is harmless. */
  [Symbol.dispose](): void {
    this.#conn[Symbol.dispose]();
  }

  async #receive(timeout: number, signal: AbortSignal | undefined): Promise<In | null> {
    const deadline = timeout === Infinity ? Infinity : this.#world.now() + timeout;
    while (!this.#ended) {
      const room = this.#memory.room(this.#decoder.buffered, this.#decoder.wanted);
      const n = await this.#reader.read(room, { timeout: this.#left(deadline), signal });
      if (n === null) {
        this.#ended = true;
        this.#decoder.end();
      } else {
        this.#decoder.push(this.#memory.taken(n));
      }
      const frame = this.#decoder.next();
      if (frame !== undefined) return frame;
    }
    return null;
  }

  /** A deadline for the frame, since a peer may send a byte now and then for ever. */
  #left(deadline: number): number {
    if (deadline === Infinity) return Infinity;
    const left = deadline - this.#world.now();
    if (left > 0) return left;
    throw new DOMException("Cannot receive as the frame is not whole in time", "TimeoutError");
  }
}

function iterated<In>(value: In | null): IteratorResult<In, void> {
  return value === null ? { done: true, value: undefined } : { done: false, value };
}

function checkTimeout(timeout: number): void {
  if (timeout > 0) return;
  throw new RangeError(`Cannot receive as 'timeout' must be > 0: current value is ${timeout}`);
}
