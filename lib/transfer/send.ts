/**
 * The sender of a file.
 *
 * @module
 */

import { type Duplex, isResettable, writeAll } from "../stream/conn.ts";
import { digestIn, readAnswer } from "./answer.ts";
import { TransferError } from "./error.ts";
import { hex, sameDigest, sha256 } from "./hash.ts";
import { readReply } from "./messages.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import { pieces } from "./pieces.ts";
import { hashPrefix } from "./prefix.ts";
import type { Progress, Protocol } from "./progress.ts";
import type { Reply } from "./reply.ts";
import type { FileSource } from "./source.ts";
import { Tally } from "./tally.ts";
import { encodeHead, encodeNumber, garbled } from "./wire.ts";

/** Options for {@linkcode sendFile}. */
export interface SendFileOptions extends PatienceOptions {
  /**
   * What to speak: the receiver tells `"plain"` and `"extended"` apart by itself, and must
   * be told of `"half-close"`.
   *
   * @default {"plain"}
   */
  protocol?: Protocol;
  /** Told how far it is: where it goes on from, and after each piece that went out. */
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What became of a file that was sent. */
export interface SendReport {
  /** What was spoken. */
  readonly protocol: Protocol;
  /** The name of the file. */
  readonly name: string;
  /** How many bytes it has. */
  readonly size: number;
  /** How many of them the receiver had already. */
  readonly resumed: number;
  /** The SHA-256 of what was sent, in hexadecimal. */
  readonly sha256: string;
  /** Whether the receiver said that it stored just that. */
  readonly verified: boolean;
  /** What the receiver said, in the protocols where it speaks text. */
  readonly answer: string;
}

/**
 * Sends a file, and waits until the receiver has said what the protocol has it say:
 * in `"plain"` no more than FIN, in `"half-close"` a line of text, in `"extended"` that
 * the file is in its place with the same SHA-256.
 *
 * Who opened `conn` and `source` disposes them. A `"half-close"` transfer that fails resets
 * `conn` if that can be: at FIN the receiver would take what came for the whole file.
 *
 * @throws {TransferError} If the file is not known to have arrived.
 * @throws {RangeError} If `timeout` is not > 0, or the name of the file is too long.
 */
export async function sendFile(
  conn: Duplex,
  source: FileSource,
  options: SendFileOptions = {},
): Promise<SendReport> {
  const { protocol = "plain" } = options;
  const sending = new Sending(conn, source, options);
  try {
    return await sending[protocol]();
  } catch (error) {
    if (protocol === "half-close" && isResettable(conn)) conn.reset();
    throw sending.failed(error);
  }
}

class Sending {
  readonly #conn: Duplex;
  readonly #source: FileSource;
  readonly #options: SendFileOptions;
  readonly #patience: Patience;
  readonly #tally: Tally;
  #hash = sha256();

  constructor(conn: Duplex, source: FileSource, options: SendFileOptions) {
    this.#conn = conn;
    this.#source = source;
    this.#options = options;
    this.#patience = new Patience(options);
    this.#tally = new Tally("send", options.onProgress);
    ({ name: this.#tally.name, size: this.#tally.size } = source.head);
  }

  /** The size, the bytes, FIN; then the receiver closes, if it has no complaint. */
  async plain(): Promise<SendReport> {
    const answer = readAnswer(this.#conn);
    await this.#write(encodeNumber(this.#source.head.size), answer);
    return await this.#pourAndAsk(answer);
  }

  /** The bytes, FIN; then the receiver confirms. */
  async "half-close"(): Promise<SendReport> {
    const report = await this.#pourAndAsk(readAnswer(this.#conn));
    if (report.answer !== "") return report;
    throw new TransferError(
      "unconfirmed",
      `${this.#tally.deed} as the receiver did not confirm it`,
    );
  }

  /** The header, an offer, from where on; the bytes, their SHA-256, the confirmation, FIN. */
  async extended(): Promise<SendReport> {
    const { head } = this.#source;
    const bytes = encodeHead(head); // before anybody listens, as it may throw
    const offer = this.#hear("offer");
    await this.#write(bytes, offer);
    await this.#resume(await this.#patience.within(offer, "the receiver to look", head.size));
    const stored = this.#hear("stored");
    await this.#write(encodeNumber(this.#tally.resumed), stored);
    await this.#pour(stored);
    await this.#write(this.#hash.digest(), stored);
    const { size, digest } = await this.#patience.within(stored, "the receiver", head.size);
    await this.#conn.closeWrite();
    return this.#report("", hex(digest), size);
  }

  /** What to tell the caller about `error`. */
  failed(error: unknown): unknown {
    return this.#tally.failure(error);
  }

  async #pourAndAsk(answering: Promise<string>): Promise<SendReport> {
    await this.#pour(answering);
    await this.#conn.closeWrite();
    const { size } = this.#source.head;
    const answer = await this.#patience.within(answering, "the receiver to close", size);
    return this.#report(answer, digestIn(answer));
  }

  /** The reply that the protocol has at this place; another one, or a failure, rejects. */
  async #hear<K extends "offer" | "stored">(kind: K): Promise<Extract<Reply, { kind: K }>> {
    const reply = await readReply(this.#conn);
    if (reply.kind === "failed") throw reply.error;
    if (reply.kind === kind) return reply as Extract<Reply, { kind: K }>;
    throw garbled(`its reply must be "${kind}" here: got "${reply.kind}"`);
  }

  /** Leaves out what the receiver has, if its SHA-256 is that of our own first bytes. */
  async #resume({ offset, digest }: { offset: number; digest: Uint8Array }): Promise<void> {
    const { size } = this.#source.head;
    if (offset > size) throw garbled(`it must not offer more than ${size} bytes: got ${offset}`);
    const hash = await this.#patience.within(hashPrefix(this.#source, offset), "the file", offset);
    if (sameDigest(hash.digest(), digest)) {
      this.#hash = hash;
      this.#tally.resume(offset);
    } else {
      await this.#source.rewind();
    }
  }

  /** Sends what is left of the file, unless `hearing` rejects: the receiver wants no more. */
  async #pour(hearing: Promise<unknown>): Promise<void> {
    const { size } = this.#source.head;
    const refused = new AbortController();
    hearing.catch((error) => refused.abort(error));
    for await (const piece of pieces(this.#source, size - this.#tally.resumed)) {
      refused.signal.throwIfAborted();
      // Without its last piece no receiver takes it for whole.
      if (this.#tally.done + piece.length === size && !await this.#source.unchanged()) {
        throw this.#changed();
      }
      this.#hash.update(piece);
      await this.#write(piece, hearing);
      this.#tally.add(piece.length);
    }
    if (this.#tally.done < size) throw this.#changed();
  }

  /** If the connection breaks, the receiver's last words say why, if `hearing` caught some. */
  async #write(bytes: Uint8Array, hearing: Promise<unknown>): Promise<void> {
    hearing.catch(() => {}); // who awaits it later hears of it then
    try {
      await this.#patience.within(writeAll(this.#conn, bytes), "the receiver to take more");
    } catch (error) {
      if (!(error instanceof TransferError)) await this.#patience.within(hearing, "last words");
      throw error;
    }
  }

  #changed(): TransferError {
    return new TransferError("changed", `${this.#tally.deed} as it changed while it was sent`);
  }

  /** What the caller gets, unless the receiver says that it stored something else. */
  #report(answer: string, digest: string | undefined, stored?: number): SendReport {
    const { name, size } = this.#source.head;
    const { protocol = "plain" } = this.#options;
    const sha256 = hex(this.#hash.digest());
    const same = digest === sha256 && (stored === undefined || stored === size);
    if (digest !== undefined && !same) {
      throw new TransferError(
        "mismatch",
        `${this.#tally.deed} as the receiver stored something else`,
      );
    }
    return { protocol, name, size, resumed: this.#tally.resumed, sha256, verified: same, answer };
  }
}
