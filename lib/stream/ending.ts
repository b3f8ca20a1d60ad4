/**
 * How the other end of a connection ended, told from this end alone: from what `read` and
 * `write` said. This decides and does nothing else; {@linkcode watchEnding} and
 * {@linkcode endingOf} hand it what a connection says.
 *
 * What the words of a kernel mean, on Linux:
 *
 * | here | there |
 * | --- | --- |
 * | `read` says `null` | FIN: all that was sent has come |
 * | then a `write` fails with EPIPE or ECONNRESET | RST came after FIN: nobody takes what we write |
 * | any call fails with ECONNRESET | RST came instead of FIN: bytes may be missing |
 * | any call fails with ETIMEDOUT | the kernel had no answer for too long, and gave up |
 * | nothing | silence: a peer that is gone, one that thinks, and one that is done look the same |
 *
 * FIN alone and FIN then RST are the same to a reader: the RST leaves `read` at its `null`,
 * and is told to the next `write`. So who does not write cannot know, and who writes provokes
 * the RST of a peer that closed having read everything until then. {@linkcode Ending.doubt}
 * says what is not known.
 *
 * @example A reset that a write was the first to hear of
 * ```ts
 * import { EndingWatch } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const watch = new EndingWatch();
 * watch.writeFailed(new Deno.errors.ConnectionReset("Connection reset by peer"));
 * watch.read(null); // what Deno says from then on
 * const { how, whole } = watch.ending;
 * assertEquals([how, whole], ["rst", false]);
 * ```
 *
 * @module
 */

import { isOurClosing } from "./_errors.ts";

/**
 * How a connection ended:
 *
 * - `open`: it has not, as far as is known;
 * - `fin`: the peer said FIN, and nothing speaks against its still reading;
 * - `fin-rst`: it said FIN, and takes nothing any more: it closed before it had read all that
 *   we wrote, or reset after its FIN;
 * - `rst`: it broke off;
 * - `silence`: nothing came for too long;
 * - `local`: this end was closed first;
 * - `failed`: it broke in another way, which `error` tells.
 */
export type EndingKind = "open" | "fin" | "fin-rst" | "rst" | "silence" | "local" | "failed";

/** How the other end ended, as far as this end knows. */
export interface Ending {
  /** What is known. */
  readonly how: EndingKind;
  /** Whether everything that the peer sent has come: its FIN stood behind the last byte. */
  readonly whole: boolean;
  /** Bytes that came. */
  readonly bytesRead: number;
  /** Bytes that we wrote after the peer's FIN was read, and that our kernel took. */
  readonly afterFin: number;
  /** Whether nothing that is still to come can change {@linkcode how}. */
  readonly settled: boolean;
  /** What cannot be told from here, and what would tell; missing if nothing is open. */
  readonly doubt?: string;
  /** What was thrown, if something was. */
  readonly error?: Error;
}

/** Hears what a connection's calls say, in the order in which they say it. */
export class EndingWatch {
  #bytesRead = 0;
  #afterFin = 0;
  #fin = false;
  #ourFin = false;
  #closed = false;
  #silent = false;
  /** What told of a RST, before or after FIN. */
  #reset: Error | undefined;
  /** The EPIPE of a write that our own FIN does not explain. */
  #refusal: Error | undefined;
  #failure: Error | undefined;

  /** What this end knows now. */
  get ending(): Ending {
    const { how, settled, doubt, error } = this.#verdict();
    return {
      how,
      whole: this.#fin,
      bytesRead: this.#bytesRead,
      afterFin: this.#afterFin,
      settled,
      ...(doubt === undefined ? {} : { doubt }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** What broke it off, if something did: no later `null` of a read is an end. */
  get broken(): Error | undefined {
    return this.#fin ? undefined : this.#reset ?? this.#failure;
  }

  /** A read brought `n` bytes, or `null`. */
  read(n: number | null): void {
    if (this.#closed) return;
    if (n !== null) {
      this.#bytesRead += n;
      if (n > 0) this.#silent = false;
    } else if (this.broken === undefined) {
      this.#fin = true;
    }
  }

  /** A read failed. */
  readFailed(error: Error): void {
    this.#failed(error);
  }

  /** A write took `n` bytes. */
  wrote(n: number): void {
    if (this.#fin && !this.#closed) this.#afterFin += n;
  }

  /** A write failed. */
  writeFailed(error: Error): void {
    if (!(error instanceof Deno.errors.BrokenPipe)) return this.#failed(error);
    if (!this.#ourFin && !this.#closed) this.#refusal ??= error;
  }

  /** This end is about to say FIN. */
  finishing(): void {
    this.#ourFin = true;
  }

  /** This end is about to close. */
  closing(): void {
    this.#closed = true;
  }

  /** Whoever waits has waited long enough. */
  silent(): void {
    this.#silent = true;
  }

  #failed(error: Error): void {
    if (this.#closed || this.broken !== undefined || error instanceof TypeError) return;
    if (error instanceof Deno.errors.ConnectionReset) this.#reset ??= error;
    // Of a closing that nobody told us of.
    else if (isOurClosing(error)) this.#closed = true;
    else if (!this.#fin) this.#failure = error;
  }

  #verdict(): { how: EndingKind; settled: boolean; doubt?: string; error?: Error } {
    const reset = this.#reset ?? this.#refusal;
    if (this.#fin && reset !== undefined) {
      const how = "fin-rst" as const;
      if (this.#afterFin === 0) return { how, settled: true, error: reset };
      return { how, settled: true, doubt: PROVOKED, error: reset };
    }
    if (this.#fin) {
      return { how: "fin", settled: false, doubt: this.#afterFin === 0 ? UNPROBED : PROBED };
    }
    if (this.#reset !== undefined) return { how: "rst", settled: true, error: this.#reset };
    if (this.#failure !== undefined) {
      const timedOut = this.#failure instanceof Deno.errors.TimedOut;
      return { how: timedOut ? "silence" : "failed", settled: true, error: this.#failure };
    }
    if (this.#refusal !== undefined) {
      return { how: "fin-rst", settled: false, doubt: UNREAD, error: this.#refusal };
    }
    if (this.#closed) return { how: "local", settled: true };
    if (this.#silent) return { how: "silence", settled: false, doubt: QUIET };
    return { how: "open", settled: false, doubt: "nothing has ended yet" };
  }
}

const UNPROBED = "whether the peer still takes what we write: only a write would tell";
const PROBED = "whether a program reads what we wrote after the peer's FIN: its kernel took it, " +
  "and no RST had come back when we last wrote";
const PROVOKED = "whether the RST answers what we wrote after the peer's FIN, or was on its way";
const UNREAD = "whether FIN came before that RST: only reading to the end would tell";
const QUIET = "whether the peer is gone, or has nothing to say: only its answer would tell";
