/**
 * The way out of a {@linkcode FramedConn}: whole frames, one after the other, in as few
 * writes and with as little memory as that takes.
 *
 * @module
 */

import { writeAll, type Writer } from "../stream/conn.ts";
import type { Encoder } from "./decoder.ts";

/** Smallest and largest send buffer; the largest takes a frame of 64 KiB and its header. */
const SMALLEST_BUFFER = 1024;
const LARGEST_BUFFER = 64 * 1024 + 64;

/** Sends frames, each in one write. */
export class Sender<Frame> {
  readonly #to: Writer;
  readonly #encoder: Encoder<Frame>;
  /** What is being written, if it fits: a new buffer for each frame costs more than copying. */
  #buffer = new Uint8Array(0);
  /** Settles when all frames up to now are out; `undefined` if they are. */
  #sent: Promise<void> | undefined;
  /** Frames that wait for the write under way. */
  #waiting: Uint8Array[] = [];
  /** Settles when those are out. */
  #waitingSent: Promise<void> | undefined;

  constructor(to: Writer, encoder: Encoder<Frame>) {
    this.#to = to;
    this.#encoder = encoder;
  }

  /** Resolves when all frames up to now are out; rejects if a write failed, now or before. */
  get sent(): Promise<void> {
    return this.#sent ?? Promise.resolve();
  }

  /** Resolves when the frame is out. */
  send(frame: Frame): Promise<void> {
    // Not async, nor is there a promise more than one for each frame.
    try {
      if (this.#sent === undefined) return this.#sent = this.#writeOne(this.#encode(frame));
      this.#waiting.push(this.#encoder.encode(frame));
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#waitingSent ??= this.#sent = this.#sent.then(() => this.#writeWaiting());
  }

  /** A frame in the send buffer, or else, if it does not fit, in one of its own. */
  #encode(frame: Frame): Uint8Array {
    const encoder = this.#encoder;
    if (encoder.encodeInto === undefined) return encoder.encode(frame);
    while (true) {
      const end = encoder.encodeInto(frame, this.#buffer, 0);
      if (end >= 0) return this.#buffer.subarray(0, end);
      const size = this.#buffer.length;
      if (size === LARGEST_BUFFER) return encoder.encode(frame);
      this.#reserve(Math.min(Math.max(size * 4, SMALLEST_BUFFER), LARGEST_BUFFER));
    }
  }

  #writeWaiting(): Promise<void> {
    const frames = this.#waiting;
    this.#waiting = [];
    this.#waitingSent = undefined;
    return this.#write(this.#joined(frames));
  }

  async #writeOne(bytes: Uint8Array): Promise<void> {
    const taken = await this.#to.write(bytes);
    if (taken < bytes.length) await writeAll(this.#to, bytes.subarray(taken));
    if (this.#waiting.length === 0) this.#sent = undefined;
  }

  async #write(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) await writeAll(this.#to, piece);
    if (this.#waiting.length === 0) this.#sent = undefined;
  }

  /** Frames joined in the send buffer, as many at a time as fit; those too long, by themselves. */
  *#joined(frames: readonly Uint8Array[]): Generator<Uint8Array, void> {
    const size = frames.reduce((sum, frame) => sum + frame.length, 0);
    this.#reserve(Math.min(size, LARGEST_BUFFER));
    let filled = 0;
    for (const frame of frames) {
      if (filled > 0 && filled + frame.length > this.#buffer.length) {
        yield this.#buffer.subarray(0, filled);
        filled = 0;
      }
      if (frame.length > this.#buffer.length) {
        yield frame;
      } else {
        this.#buffer.set(frame, filled);
        filled += frame.length;
      }
    }
    if (filled > 0) yield this.#buffer.subarray(0, filled);
  }

  #reserve(size: number): void {
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(size);
  }
}
