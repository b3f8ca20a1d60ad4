/**
 * One direction of a link: the faults in a row, and the connection at its end. It is the writing
 * half of that connection, so that whoever relays to it need not know of faults.
 */

import type { Duplex } from "../stream/conn.ts";
import type { World } from "../world.ts";
import { Outlet } from "./_outlet.ts";
import { type Sink, Stage } from "./_stage.ts";
import { type CLOSE, type Direction, type Fault, FIN, RST } from "./fault.ts";
import { faultWorld } from "./fault_world.ts";
import { seedOf } from "./seed.ts";

/** What is needed to make a {@linkcode Lane}. */
export interface LaneOptions {
  /** The clock. */
  readonly world: World;
  /** Decides all chance on this lane. */
  readonly seed: number;
  /** Which way. */
  readonly direction: Direction;
  /** Which connection of its link, from 1. */
  readonly connection: number;
  /** Milliseconds for a peer's RST to come through the faults. */
  readonly resetTimeout: number;
  /** A fault wants both connections to end. */
  onEnd(how: typeof RST | typeof CLOSE): void;
  /** The connection at the end takes no more, which whoever writes has not been told yet. */
  onFailure(): void;
  /** A fault has something to tell. */
  onNote(fault: string, what: string, offset: number): void;
  /** A fault threw. */
  onError(fault: string, error: unknown): void;
}

interface Active {
  readonly name: string;
  readonly stage: Stage;
  readonly origin: number;
  readonly gone: AbortController;
}

/** One direction. */
export class Lane {
  readonly #conn: Duplex;
  readonly #options: LaneOptions;
  readonly #outlet: Outlet;
  /** All that bytes pass, in order; also those that are being removed. */
  #row: Active[] = [];
  /** With no fault and nothing on its way, bytes go straight to the connection. */
  #direct = true;
  #received = 0;
  #dead = false;
  /** Whether all that still comes is dropped, while FIN is on its way. */
  #dropping = false;
  /** Aborts when the lane is over. */
  readonly #over = new AbortController();

  /** Makes one without faults, that ends at `conn`. */
  constructor(conn: Duplex, options: LaneOptions) {
    this.#conn = conn;
    this.#options = options;
    this.#outlet = new Outlet(conn, {
      onEnd: (how) => options.onEnd(how),
      onFailure: () => this.#dead || options.onFailure(),
      onIdle: () => this.#straighten(),
    });
  }

  /** Bytes that were handed to the lane's end, past all faults. */
  get offset(): number {
    return this.#outlet.received;
  }

  /** Bytes that came, whatever became of them. */
  get received(): number {
    return this.#received;
  }

  /** Bytes that the connection at the end has taken. */
  get sent(): number {
    return this.#outlet.delivered;
  }

  /** The names of the faults that are at work, in order. */
  get names(): string[] {
    return this.#row.filter(({ gone }) => !gone.signal.aborted).map(({ name }) => name);
  }

  /** Whether the connection at the end has refused what came through the faults. */
  get failed(): boolean {
    return this.#outlet.failure !== undefined;
  }

  /** Whether bytes are copied without passing any fault. */
  get direct(): boolean {
    return this.#direct;
  }

  /** Puts a fault behind those that there are. Bytes on their way before it will pass it as well. */
  add(name: string, fault: Fault): void {
    if (this.#dead) return;
    this.#insert(this.#row.length, name, fault);
  }

  /**
   * Puts a fault right behind another, of which nothing that has left it will pass the new one, or
   * in front of all if `other` is missing.
   */
  addBehind(other: string | undefined, name: string, fault: Fault): void {
    if (this.#dead) return;
    this.#insert(other === undefined ? 0 : this.#find(other) + 1, name, fault);
  }

  /** Puts another fault in the place of one; what that one holds passes the new one. */
  change(name: string, fault: Fault): void {
    const at = this.#find(name);
    if (this.#dead || at < 0) return;
    const old = this.#row[at]!;
    this.#insert(at + 1, name, fault, old.origin);
    this.#leave(old);
  }

  /** Takes a fault away: what it holds goes on at once. Never waits, whatever is blocked. */
  remove(name: string): void {
    const at = this.#find(name);
    if (at >= 0) this.#leave(this.#row[at]!);
  }

  /** As a connection's: takes bytes, at the pace of what is behind. */
  write(p: Uint8Array): Promise<number> {
    if (this.#direct) return this.#conn.write(p).then(this.#count);
    if (this.#outlet.failure !== undefined) return Promise.reject(this.#outlet.failure);
    const { length } = p;
    this.#received += length;
    if (this.#dropping) return Promise.resolve(length);
    const room = this.#first.push(p.slice()); // whoever relays uses its buffer again
    return room === undefined ? Promise.resolve(length) : room.then(() => length);
  }

  /** As a connection's: resolves when FIN is out, behind all bytes. */
  closeWrite(): Promise<void> {
    if (this.#dropping || this.#row.length === 0) return this.#outlet.finish();
    this.#first.push(FIN);
    return this.#outlet.fin;
  }

  /** Lets a RST follow the bytes that are on their way; `false` if nothing is. */
  reset(): boolean {
    if (this.#direct || this.#dead) return false;
    this.#first.push(RST);
    const { world, resetTimeout, onEnd } = this.#options;
    world.sleep(resetTimeout, { signal: this.#over.signal }).then(() => onEnd(RST), () => {});
    return true;
  }

  /** Drops all that is in front of the lane's end and all that comes, and says FIN. */
  finish(): void {
    this.#dropping = true;
    this.#direct = false;
    for (const active of this.#row) this.#leave(active);
    this.#outlet.finish();
  }

  /** Drops everything; nothing of the lane is at work afterwards. */
  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#dropping = true;
    this.#direct = false;
    this.#over.abort();
    this.#outlet.kill();
    for (const active of this.#row) this.#leave(active);
  }

  get #first(): Sink {
    return this.#row[0]?.stage ?? this.#outlet;
  }

  readonly #count = (n: number): number => {
    this.#received += n;
    this.#outlet.received += n;
    this.#outlet.delivered += n;
    return n;
  };

  #find(name: string): number {
    return this.#row.findIndex((active) => active.name === name && !active.gone.signal.aborted);
  }

  #insert(at: number, name: string, fault: Fault, from?: number): void {
    const { world, seed, direction, connection, onEnd, onNote, onError } = this.#options;
    const next = this.#row[at]?.stage ?? this.#outlet;
    const gone = new AbortController();
    const origin = from ?? next.received;
    const stage = new Stage({
      fault,
      next,
      world: faultWorld(world, {
        seed: seedOf(seed, name),
        direction,
        connection,
        offset: next.received,
        origin,
        signal: gone.signal,
        end: (how) => this.#dead || onEnd(how),
        note: (what, offset) => onNote(name, what, offset),
      }),
      onGone: () => this.#unlink(active),
      onError: (error) => onError(name, error),
    });
    const active = { name, stage, origin, gone };
    const before = this.#row[at - 1];
    if (before) before.stage.next = stage;
    this.#row.splice(at, 0, active);
    this.#direct = false;
    stage.run();
  }

  #leave({ stage, gone }: Active): void {
    gone.abort();
    stage.remove();
  }

  /** Called by a stage when it has given on all, in the same breath. */
  #unlink(active: Active): void {
    const at = this.#row.indexOf(active);
    const before = this.#row[at - 1];
    if (before) before.stage.next = active.stage.next;
    this.#row.splice(at, 1);
    this.#straighten();
  }

  #straighten(): void {
    const { idle, finished, failure } = this.#outlet;
    if (this.#dropping || finished || failure !== undefined) return;
    this.#direct = this.#row.length === 0 && idle;
  }
}
