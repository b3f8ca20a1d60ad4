/**
 * A client's connection while its server is still being sought: what the client says meanwhile
 * is kept, and that it breaks off is noticed at once instead of when it is too late.
 *
 * @example What was said too early is not lost
 * ```ts
 * import { readAhead } from "@tcplab/tcplab/proxy";
 * import { memoryPair, readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, conn] = memoryPair();
 * const ahead = readAhead(conn); // reads from now on
 * await writeAll(client, new TextEncoder().encode("hello"));
 * const first = await ahead.peek((bytes) => bytes.length > 0 ? bytes[0] : undefined);
 * await client.closeWrite();
 *
 * assertEquals(first, "h".charCodeAt(0));
 * assertEquals(new TextDecoder().decode(await readToEnd(ahead)), "hello");
 * ```
 *
 * @module
 */

import { giveSmallBuffer, SMALL_BUFFER, takeSmallBuffer } from "../stream/_small_buffers.ts";
import { type Waiting, type WaitLine, waitLine } from "../stream/_wait_line.ts";
import { type Duplex, isResettable, type Resettable } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";

/** Options for {@linkcode readAhead}. */
export interface ReadAheadOptions {
  /**
   * The most bytes to keep, >= 1; after that, it is for the client to wait, and no reset is
   * noticed any more, as after FIN: Deno tells of one only by a read that has taken all that came
   * before it, and on Linux kernels hold some MiB of that. The largest TLS record has 16645.
   *
   * @default {16645}
   */
  maxBytes?: number;
  /**
   * The milliseconds to rest after something has come, before it is read on: most servers are
   * found sooner, and a read that waits is memory. Who looks at the bytes need not wait.
   *
   * @default {100}
   */
  rest?: number;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
  /**
   * Told, with what was thrown, if reading ahead fails: the client has reset the connection,
   * or somebody here has disposed it. FIN is no failure: who has said all may want an answer.
   */
  onLost?: (error: unknown) => void;
  /** Told if it ends otherwise, before anybody reads: FIN came, or there is no room left. */
  onStop?: () => void;
}

/** A connection that is read before anybody asks; use it instead of the one it was made of. */
export interface ReadAhead extends Duplex {
  /**
   * Looks at what has come, from its start and again whenever there is more; the bytes are only
   * lent. Resolves with the first thing but `undefined` that `decide` returns; or with `undefined` once no more will
   * be read ahead: at FIN, at a reset, when there is no room left, or when somebody reads.
   */
  peek<T>(decide: (bytes: Uint8Array) => T | undefined): Promise<T | undefined>;
  /** Reads no further ahead, and tells nobody anything any more, as from the first `read` on. */
  stop(): void;
}

/** Begins to read `conn`, and goes on until the first `read`, which gets all of it in order. */
export function readAhead(conn: Duplex, options: ReadAheadOptions = {}): ReadAhead {
  const { maxBytes = 16645, rest = 100, world = realWorld, ...listener } = options;
  if (!(Number.isInteger(maxBytes) && maxBytes >= 1)) {
    throw new RangeError(
      `Cannot read ahead as 'maxBytes' must be an integer >= 1: current value is ${maxBytes}`,
    );
  }
  const limits = { maxBytes, line: waitLine(rest, world) };
  return isResettable(conn)
    ? new ResettableAhead(conn, limits, listener)
    : new Ahead(conn, limits, listener);
}

/** Nothing. */
const EMPTY = new Uint8Array(0);

interface Limits {
  readonly maxBytes: number;
  /** Where it rests. */
  readonly line: WaitLine;
}

type Listener = Pick<ReadAheadOptions, "onLost" | "onStop">;

class Ahead implements ReadAhead {
  readonly #conn: Duplex;
  readonly #limits: Limits;
  #running: Promise<void>;
  #resting: Waiting | undefined;
  /** Somebody looks at the bytes, and does not want it to rest. */
  #eager = false;
  #disposed = false;
  /** Let go once somebody reads: this may live for much longer. */
  #listener: Listener | undefined;
  #buffer = EMPTY;
  /** Where the bytes begin that nobody has read yet, and where they end. */
  #start = 0;
  #end = 0;
  #state: "ahead" | "stopping" | "stopped" = "ahead";
  /** How reading ahead ended, if not because somebody reads now. */
  #outcome: { fin: true } | { error: unknown } | undefined;
  /** Somebody looks on. */
  #news: PromiseWithResolvers<void> | undefined;

  constructor(conn: Duplex, limits: Limits, listener: Listener) {
    this.#conn = conn;
    this.#limits = limits;
    this.#listener = listener;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    const { maxBytes, line } = this.#limits;
    try {
      while (this.#state === "ahead" && this.#end < maxBytes) {
        if (this.#end === this.#buffer.length) this.#grow();
        const room = this.#end === 0 ? this.#buffer : this.#buffer.subarray(this.#end);
        const n = await this.#conn.read(room);
        if (n === null) {
          this.#outcome = { fin: true };
          break;
        }
        this.#end += n;
        this.#tell();
        if (this.#state === "ahead" && !this.#eager) {
          this.#resting = line.add(() => this.#goOn());
          return;
        }
      }
    } catch (error) {
      this.#outcome = { error };
    }
    this.#state = "stopped";
    this.#tell();
    // Last, since whoever hears of it may look at what there is.
    if (this.#outcome && "error" in this.#outcome) this.#listener?.onLost?.(this.#outcome.error);
    else this.#listener?.onStop?.();
  }

  /** The rest is over. */
  #goOn(): void {
    if (this.#resting === undefined) return;
    this.#limits.line.remove(this.#resting);
    this.#resting = undefined;
    this.#running = this.#run();
  }

  stop(): void {
    this.#listener = undefined;
    if (this.#state !== "ahead") return;
    this.#state = this.#resting === undefined ? "stopping" : "stopped";
    if (this.#resting !== undefined) this.#limits.line.remove(this.#resting);
    this.#resting = undefined;
    this.#tell();
  }

  #grow(): void {
    if (this.#end === 0 && this.#limits.maxBytes >= SMALL_BUFFER) {
      this.#buffer = takeSmallBuffer();
      return;
    }
    const length = Math.min(Math.max(SMALL_BUFFER, this.#end * 4), this.#limits.maxBytes);
    const larger = new Uint8Array(length);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }

  #tell(): void {
    this.#news?.resolve();
    this.#news = undefined;
  }

  async peek<T>(decide: (bytes: Uint8Array) => T | undefined): Promise<T | undefined> {
    this.#eager = true;
    this.#goOn();
    while (true) {
      const decision = decide(this.#buffer.subarray(this.#start, this.#end));
      if (decision !== undefined || this.#state !== "ahead") return decision;
      this.#news ??= Promise.withResolvers();
      await this.#news.promise;
    }
  }

  read(p: Uint8Array): Promise<number | null> {
    if (p.length === 0) return Promise.resolve(0);
    const passes = this.#disposed ||
      this.#state === "stopped" && this.#start === this.#end && !this.#outcome;
    return passes ? this.#conn.read(p) : this.#take(p);
  }

  async #take(p: Uint8Array): Promise<number | null> {
    this.stop();
    // The read that is on its way cannot be taken back: what it brings is the next there is.
    if (this.#start === this.#end) await this.#running;
    if (this.#start === this.#end) {
      const outcome = this.#outcome;
      this.#outcome = undefined;
      if (outcome === undefined) return await this.#conn.read(p);
      if ("fin" in outcome) return null;
      throw outcome.error;
    }
    const part = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + p.length));
    p.set(part);
    this.#start += part.length;
    if (this.#start === this.#end && this.#state === "stopped") this.#letGo();
    return part.length;
  }

  /** Nothing is held any more, and nothing reads into it. */
  #letGo(): void {
    giveSmallBuffer(this.#buffer);
    this.#buffer = EMPTY;
  }

  write(p: Uint8Array): Promise<number> {
    return this.#conn.write(p);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.stop();
    this.#conn[Symbol.dispose]();
  }
}

/** The same over a connection that can be reset. */
class ResettableAhead extends Ahead implements Resettable {
  readonly #conn: Resettable;

  constructor(conn: Resettable, limits: Limits, listener: Listener) {
    super(conn, limits, listener);
    this.#conn = conn;
  }

  reset(): void {
    this.#conn.reset(); // before it is disposed, which would be FIN
    this[Symbol.dispose]();
  }
}
