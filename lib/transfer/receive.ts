/**
 * The receiver of a file.
 *
 * @module
 */

import {
  type Duplex,
  type Reader,
  readExact,
  UnexpectedEofError,
  writeAll,
} from "../stream/conn.ts";
import { complaint, confirmation } from "./answer.ts";
import { TransferError } from "./error.ts";
import { hex, sameDigest, type Sha256, sha256 } from "./hash.ts";
import type { Incoming } from "./incoming.ts";
import { readFrom, readHead, readSum } from "./messages.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import { pieces } from "./pieces.ts";
import { hashPrefix } from "./prefix.ts";
import type { Progress, Protocol } from "./progress.ts";
import { encodeFailed, encodeOffer, encodeStored } from "./reply.ts";
import type { Store, Wish } from "./store.ts";
import { Tally } from "./tally.ts";
import { decodeOpening, garbled, OPENING_LENGTH } from "./wire.ts";

/** Options for {@linkcode receiveFile}. */
export interface ReceiveFileOptions extends PatienceOptions {
  /**
   * Whether the sender speaks the half-close protocol, which nothing in its bytes tells.
   *
   * @default {false}
   */
  halfClose?: boolean;
  /** Told how far it is, once before the first byte and then after each piece that came. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** A file that was received, and is in its place. */
export interface ReceiveReport {
  /** What was spoken. */
  readonly protocol: Protocol;
  /** Where the file is. */
  readonly path: string;
  /** How many bytes it has. */
  readonly size: number;
  /** How many of them were here already. */
  readonly resumed: number;
  /** Its SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** Whether the sender vouched for that SHA-256; otherwise TCP's checksums have to do. */
  readonly verified: boolean;
  /** Whether the confirmation went out; if not, sending again finds the file here. */
  readonly told: boolean;
}

/** How long a plain sender may take to say FIN after its last byte, in ms: a guess. */
const GRACE = 1_000;

/**
 * Receives one file, puts it in its place in one step once it is whole, verified and on
 * the disk, and tells the sender so.
 *
 * If it fails, the sender is told why, and there is no file of that name; what came is
 * kept as a part, `kept` bytes of it, unless it is known to be wrong. Who opened `conn`
 * closes it, and gracefully, lest the last words get lost: as a handler of `serveTcp`,
 * this may just return.
 *
 * @throws {TransferError} If no file came of it.
 * @throws {RangeError} If `timeout` is not > 0.
 */
export async function receiveFile(
  conn: Duplex,
  store: Store,
  options: ReceiveFileOptions = {},
): Promise<ReceiveReport> {
  const reception = new Reception(conn, store, options);
  try {
    return options.halfClose ? await reception.untilFin() : await reception.announced();
  } catch (error) {
    const why = reception.failed(error);
    if (why instanceof TransferError) await reception.complain(why);
    throw why;
  }
}

class Reception {
  readonly #conn: Duplex;
  readonly #store: Store;
  readonly #options: ReceiveFileOptions;
  readonly #patience: Patience;
  readonly #tally: Tally;
  #protocol: Protocol = "plain";
  #kept = 0;

  constructor(conn: Duplex, store: Store, options: ReceiveFileOptions) {
    this.#conn = conn;
    this.#store = store;
    this.#options = options;
    this.#patience = new Patience(options);
    this.#tally = new Tally("receive", options.onProgress);
  }

  /** A transfer that says in its first bytes what it is. */
  async announced(): Promise<ReceiveReport> {
    const opening = await this.#opening();
    // Before it is understood, so that whoever speaks a later version hears of it.
    if (opening[0]! >= 0x80) this.#protocol = "extended";
    const said = decodeOpening(opening);
    return said === "extended" ? await this.#extended(opening) : await this.#plain(said.size);
  }

  /** The bytes, up to FIN, which we confirm. */
  async untilFin(): Promise<ReceiveReport> {
    this.#protocol = "half-close";
    const hash = sha256();
    const path = await this.#fill({}, async (incoming) => {
      await incoming.begin(0);
      await this.#pull(incoming, hash, Infinity);
      await incoming.finish({});
    });
    return await this.#report(path, hash, confirmation(this.#tally.done, hash.digest()));
  }

  /** What to tell the caller, and the sender, about `error`. */
  failed(error: unknown): unknown {
    const why = this.#tally.failure(error);
    if (why instanceof TransferError) why.kept = this.#kept;
    return why;
  }

  /** Tells the sender, if it listens, and ends our half. */
  async complain(why: TransferError): Promise<void> {
    const words = this.#protocol === "extended" ? encodeFailed(why) : complaint(why);
    await this.#say(words, new Patience({ ...this.#options, signal: undefined }));
  }

  /** The size, and as many bytes. */
  async #plain(size: number): Promise<ReceiveReport> {
    this.#tally.size = size;
    const hash = sha256();
    const path = await this.#fill({ size }, async (incoming) => {
      await incoming.begin(0);
      await this.#pull(incoming, hash, size);
      await this.#expectEnd(incoming);
      await incoming.finish({});
    });
    return await this.#report(path, hash, new Uint8Array(0));
  }

  /** The header; our offer, and from where on; the bytes, their SHA-256, our confirmation. */
  async #extended(opening: Uint8Array): Promise<ReceiveReport> {
    const head = await this.#patience.within(readHead(this.#conn, opening), "the header");
    ({ name: this.#tally.name, size: this.#tally.size } = head);
    let hash = sha256();
    const path = await this.#fill(head, async (incoming) => {
      const { offered } = incoming;
      hash = await this.#patience.within(hashPrefix(incoming, offered), "the disk", offered);
      const from = await this.#offer(offered, hash);
      if (from === 0) hash = sha256();
      await incoming.begin(from);
      this.#tally.resume(from);
      await this.#pull(incoming, hash, head.size - from);
      const sum = await this.#patience.within(readSum(this.#conn), "the SHA-256");
      if (!sameDigest(sum, hash.digest())) throw await this.#wrong(incoming, "its SHA-256 differs");
      await incoming.finish(head);
    });
    return await this.#report(path, hash, encodeStored(head.size, hash.digest()));
  }

  async #opening(): Promise<Uint8Array> {
    try {
      return await this.#patience.within(readExact(this.#conn, OPENING_LENGTH), "the first bytes");
    } catch (error) {
      if (!(error instanceof UnexpectedEofError && error.received.length === 0)) throw error;
      throw new TransferError("nothing", "Cannot receive as the peer left without a word");
    }
  }

  /** Lets `fill` fill a place in the store, and lets go of it. */
  async #fill(wish: Wish, fill: (incoming: Incoming) => Promise<void>): Promise<string> {
    await using incoming = await this.#store.open(wish);
    try {
      await fill(incoming);
      return incoming.path;
    } finally {
      this.#kept = incoming.kept;
    }
  }

  /** Says what is here, and hears from where on the rest will come. */
  async #offer(offered: number, hash: Sha256): Promise<number> {
    const offer = encodeOffer(offered, hash.digest());
    await this.#patience.within(writeAll(this.#conn, offer), "the sender to listen");
    const from = await this.#patience.within(readFrom(this.#conn), "the sender to look", offered);
    if (from === offered || from === 0) return from;
    throw garbled(`it must send from ${offered} or from 0: got ${from}`);
  }

  /** Stores the next `length` bytes, or all that come if it is `Infinity`. */
  async #pull(incoming: Incoming, hash: Sha256, length: number): Promise<void> {
    const patient: Reader = {
      read: (p) => this.#patience.within(this.#conn.read(p), "the sender to send more"),
    };
    this.#tally.tell();
    for await (const piece of pieces(patient, length)) {
      hash.update(piece);
      await incoming.write(piece);
      this.#tally.add(piece.length);
    }
    const { size, done, deed, sofar } = this.#tally;
    if (size === undefined || done === size) return;
    throw new TransferError("broken", `${deed} as the sender ended after ${sofar}`);
  }

  /** More than was announced is no plain file: perhaps the sender meant `"half-close"`. */
  async #expectEnd(incoming: Incoming): Promise<void> {
    const grace = new Patience({ ...this.#options, timeout: GRACE });
    const one = this.#conn.read(new Uint8Array(1));
    // Some say FIN only after us, and some leave with a reset: all the bytes are here.
    const more = await grace.within(one, "FIN").catch(() => null);
    if (more) throw await this.#wrong(incoming, `more than ${this.#tally.size} bytes came`);
  }

  async #wrong(incoming: Incoming, why: string): Promise<TransferError> {
    await incoming.discard();
    return new TransferError("mismatch", `${this.#tally.deed} as ${why}`);
  }

  /** Confirms with `words`. The file is in its place, whether the sender hears it or not. */
  async #report(path: string, hash: Sha256, words: Uint8Array): Promise<ReceiveReport> {
    const told = await this.#say(words, this.#patience);
    const { done: size, resumed } = this.#tally;
    const verified = this.#protocol === "extended";
    const sha256 = hex(hash.digest());
    return { protocol: this.#protocol, path, size, resumed, sha256, verified, told };
  }

  async #say(words: Uint8Array, patience: Patience): Promise<boolean> {
    try {
      if (words.length > 0) {
        await patience.within(writeAll(this.#conn, words), "the sender to listen");
      }
      await patience.within(this.#conn.closeWrite(), "the sender to listen");
      return true;
    } catch {
      return false;
    }
  }
}
