/**
 * Two connections joined as by {@linkcode relay}, with faults on the way that come and go while
 * bytes flow. Without any, bytes are copied as by `relay` alone.
 */

import type { Resettable } from "../stream/conn.ts";
import { relay, type RelayReport } from "../stream/relay.ts";
import { realWorld, type World } from "../world.ts";
import { CLOSE, type Direction, RST } from "./fault.ts";
import { Lane } from "./lane.ts";
import type { LinkEvent } from "./link_event.ts";
import { seedOf } from "./seed.ts";

/** Options for a {@linkcode Link}. */
export interface LinkOptions {
  /** Decides all chance on this link. */
  seed: number;
  /**
   * Which connection this is, from 1: part of what decides.
   *
   * @default {1}
   */
  connection?: number;
  /**
   * Milliseconds without a byte in either direction after which the link is closed.
   *
   * @default {Infinity}
   */
  idleTimeout?: number;
  /**
   * The same, once one end has said FIN. A FIN that a fault holds back counts as well, so this
   * is what ends a link whose FIN was swallowed.
   *
   * @default {600000}
   */
  halfClosedTimeout?: number;
  /**
   * Milliseconds to hear the peers out when both connections are to be closed, so that what
   * they still send does not make the kernel answer with RST, which can destroy our last bytes.
   *
   * @default {500}
   */
  lingerTimeout?: number;
  /** Hears all that happens, as it happens. */
  onEvent?: (event: LinkEvent) => void;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Milliseconds for a peer's RST to come through the faults. */
const RESET_TIMEOUT = 10_000;

/** The ends of the relay, as a log calls them. */
const ENDS = { a: "the client", b: "the server", relay: "a time limit", caller: "the link" };

/** Two connections with faults between them; both are the link's, which closes them. */
export class Link {
  /** From the client to the server. */
  readonly up: Lane;
  /** From the server to the client. */
  readonly down: Lane;
  /** Which connection this is. */
  readonly connection: number;
  /** Resolves once both connections are closed and nothing is at work any more. It never rejects. */
  readonly finished: Promise<RelayReport>;
  readonly #client: FaultyEnd;
  readonly #server: FaultyEnd;
  readonly #world: World;
  readonly #lingerTimeout: number;
  readonly #tell: (event: LinkEvent) => void;
  readonly #over = new AbortController();
  #ended: typeof RST | typeof CLOSE | undefined;

  /** Joins them, and begins at once. */
  constructor(client: Resettable, server: Resettable, options: LinkOptions) {
    const { seed, connection = 1, world = realWorld, onEvent = () => {} } = options;
    const { idleTimeout = Infinity, halfClosedTimeout = 600_000 } = options;
    this.connection = connection;
    this.#world = world;
    this.#lingerTimeout = options.lingerTimeout ?? 500;
    this.#tell = onEvent;
    const lane = (direction: Direction, conn: Resettable) =>
      new Lane(conn, {
        world,
        seed: seedOf(seed, connection, direction),
        direction,
        connection,
        resetTimeout: RESET_TIMEOUT,
        onEnd: (how) => this.end(how),
        onFailure: () => this.#endIfUseless(),
        onNote: (fault, what, offset) =>
          this.#say({ type: "effect", direction, fault, what, offset }),
        onError: (fault, error) => {
          this.#say({ type: "error", direction, fault, error });
          reportError(error);
        },
      });
    this.up = lane("up", server);
    this.down = lane("down", client);
    const finished = () => this.#endIfUseless();
    this.#client = new FaultyEnd(client, this.down, finished);
    this.#server = new FaultyEnd(server, this.up, finished);
    this.finished = this.#live({ idleTimeout, halfClosedTimeout });
  }

  /** The lane of a direction. */
  lane(direction: Direction): Lane {
    return direction === "up" ? this.up : this.down;
  }

  /**
   * Ends both connections now: `RST` resets them; `CLOSE` says FIN to both, behind what has passed
   * the faults, drops what they still say, and closes after `lingerTimeout`, or their FIN. Again
   * it does nothing, but that `RST` cuts a `CLOSE` short.
   */
  end(how: typeof RST | typeof CLOSE): void {
    if (this.#ended === how || this.#ended === RST) return;
    this.#ended = how;
    this.#say({ type: how === RST ? "reset" : "closed" });
    if (how === RST) return this.#stop((end) => end.cut());
    this.up.finish();
    this.down.finish();
    this.#world.sleep(this.#lingerTimeout, { signal: this.#over.signal }).then(
      () => this.#stop((end) => end.close()),
      () => {},
    );
  }

  /**
   * If an end took what came through faults no more, and the other has been given FIN, nothing can
   * pass any more. `relay` would find that out when it next has something to write.
   */
  #endIfUseless(): void {
    const [client, server] = [this.#client, this.#server];
    if (this.down.failed && server.finished || this.up.failed && client.finished) this.end(CLOSE);
  }

  #stop(how: (end: FaultyEnd) => void): void {
    this.#client.reset = this.#server.reset = () => {};
    how(this.#client);
    how(this.#server);
  }

  async #live(limits: { idleTimeout: number; halfClosedTimeout: number }): Promise<RelayReport> {
    const report = await relay(this.#client, this.#server, {
      ...limits,
      lingerTimeout: this.#lingerTimeout,
      onFin: (end) => this.#say({ type: "fin", direction: end === "a" ? "up" : "down" }),
      world: this.#world,
    });
    await Promise.all([this.#client.closed, this.#server.closed]);
    this.#over.abort();
    this.up.kill();
    this.down.kill();
    this.#say({ type: "ended", what: `${report.reason} by ${ENDS[report.by]}` });
    return report;
  }

  #say(event: Omit<LinkEvent, "at" | "connection">): void {
    this.#tell({ at: this.#world.now(), connection: this.connection, ...event });
  }
}

/** A connection whose writes go through a lane. What it does to `relay` is what any would do. */
class FaultyEnd implements Resettable {
  readonly closed: Promise<void>;
  readonly #conn: Resettable;
  readonly #lane: Lane;
  readonly #closed = Promise.withResolvers<void>();
  /** Whether it has been given FIN. */
  finished = false;
  readonly #onFinished: () => void;
  /** Whether the peer broke off: nothing will get there any more. */
  #broken = false;
  /** Whether a RST is on its way to the peer. */
  #resetting = false;

  constructor(conn: Resettable, lane: Lane, onFinished: () => void) {
    this.#conn = conn;
    this.#lane = lane;
    this.#onFinished = onFinished;
    this.closed = this.#closed.promise;
  }

  read(p: Uint8Array): Promise<number | null> {
    return this.#conn.read(p).catch(this.#failed);
  }

  readonly #failed = (error: unknown): never => {
    this.#broken = true;
    throw error;
  };

  write(p: Uint8Array): Promise<number> {
    return this.#lane.write(p);
  }

  async closeWrite(): Promise<void> {
    await this.#lane.closeWrite();
    this.finished = true;
    this.#onFinished();
  }

  reset(): void {
    if (this.#broken || !this.#lane.reset()) this.cut();
    else this.#resetting = true;
  }

  [Symbol.dispose](): void {
    if (!this.#resetting) this.close();
  }

  /** Sends RST, whatever is on its way. */
  cut(): void {
    this.#conn.reset();
    this.close();
  }

  close(): void {
    this.#lane.kill();
    this.#conn[Symbol.dispose]();
    this.#closed.resolve();
  }
}
