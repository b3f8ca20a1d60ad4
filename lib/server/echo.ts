/**
 * Echo, in two ways: {@linkcode echo} answers lines, {@linkcode rawEcho} gives bytes
 * back (RFC 862).
 *
 * Both come to an end without losing a byte that the client could count on. When the
 * server drains, they go on answering until the client has been silent for 100 ms, or
 * for a second if it never is, and only then let the server send FIN. So what had reached
 * the server is answered, and the client reads whole answers and then EOF. To send FIN at
 * once would leave unanswered what is in the kernel's buffers; to wait for the client's
 * FIN would let an idle client hold up the end. A client who is late in reading its
 * answers, or one of too many, is answered for up to `endTimeout`.
 *
 * @example An echo server, and a client that ends first
 * ```ts
 * import { dial } from "@tcplab/tcplab/client";
 * import { echo, serveTcp } from "@tcplab/tcplab/server";
 * import { readToEnd, writeAll } from "@tcplab/tcplab/stream";
 * import { assertMatch } from "@std/assert";
 *
 * await using server = serveTcp({ port: 0 }, echo);
 * using client = await dial(server.addr);
 *
 * await writeAll(client, new TextEncoder().encode("hello\nquit\n"));
 * const heard = new TextDecoder().decode(await readToEnd(client));
 * assertMatch(heard, /^Welcome.*\nECHO: hello\nGoodbye!\n$/);
 * ```
 *
 * @module
 */

import { formatAddr, type TcpAddr } from "../addr.ts";
import { drain } from "../framing/decoder.ts";
import { LineDecoder } from "../framing/lines.ts";
import { type Duplex, writeAll } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import { converse } from "./_converse.ts";

/** What an echo needs to know of its connection; {@linkcode ConnInfo} says it. */
export interface EchoInfo {
  /** The client, to be told its address. */
  readonly remoteAddr: TcpAddr;
  /** Aborts when it is time to come to an end. */
  readonly signal: AbortSignal;
}

/** Options for {@linkcode rawEcho}. */
export interface RawEchoOptions {
  /**
   * How many milliseconds after `info.signal` answers may go on. It should be less than the
   * server's patience, whose end may cut an answer in two.
   *
   * @default {5000}
   */
  endTimeout?: number;
  /**
   * The clock that tells a silent client from a busy one.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** Options for {@linkcode echo}. */
export interface EchoOptions extends RawEchoOptions {
  /**
   * The longest line in bytes, its end not counted.
   *
   * @default {65536}
   */
  maxLine?: number;
}

/**
 * Gives back all bytes as they come (RFC 862), until the client's FIN. Returns when all
 * of them are given back; closing is left to the server.
 *
 * A client who does not read is not read from: no more than one buffer is held for it.
 */
export function rawEcho(
  conn: Duplex,
  info: Pick<EchoInfo, "signal">,
  options: RawEchoOptions = {},
): Promise<void> {
  const { endTimeout = 5000, world = realWorld } = options;
  return converse(conn, {
    signal: info.signal,
    world,
    endTimeout,
    largest: LARGEST_FOR_BYTES,
    answer: (bytes) => writeAll(conn, bytes),
  });
}

/**
 * The chapter's echo server for one client: a welcome that names the client's address,
 * `ECHO: <line>` for each line, and `Goodbye!` for `quit` in any case, which ends it.
 *
 * A line ends with LF or CR LF, the last one also with FIN; answers end with LF. A line
 * that is longer than `maxLine`, or is not UTF-8, is answered by one that starts with
 * `ERROR: `, and what follows it is a line again. A line that has not ended when the
 * server drains is not answered.
 *
 * The answers to lines that came together go out in one write. A client who does not read
 * them is not read from.
 *
 * @throws {RangeError} If `maxLine` is not an integer >= 0.
 */
export async function echo(
  conn: Duplex,
  info: EchoInfo,
  options: EchoOptions = {},
): Promise<void> {
  const { maxLine = 65536, endTimeout = 5000, world = realWorld } = options;
  const { remoteAddr, signal } = info;
  const lines = new LineDecoder({ maxLength: maxLine, onTooLong: () => "too long" as const });

  const answerLines = async () => {
    const answers: string[] = [];
    for (const line of drain(lines)) {
      answers.push(answer(line, maxLine));
      if (answers.at(-1) === GOODBYE) break;
    }
    if (answers.length > 0) await writeAll(conn, UTF8.encode(answers.join("")));
    return answers.at(-1) !== GOODBYE;
  };

  await writeAll(
    conn,
    UTF8.encode(`Welcome to the echo server! You are ${formatAddr(remoteAddr)}\n`),
  );
  await converse(conn, {
    signal,
    world,
    endTimeout,
    largest: LARGEST_FOR_LINES,
    answer: (bytes) => {
      lines.push(bytes.slice()); // it keeps them, and the buffer is read into again
      return answerLines();
    },
    answerEnd: async () => {
      lines.end();
      await answerLines();
    },
  });
}

const UTF8 = new TextEncoder();

/** A line must come back as it went: a byte order mark is part of it. */
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Puts U+FFFD for what is not UTF-8, in much less time than it takes to throw at it. */
const FAST_UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

const GOODBYE = "Goodbye!\n";

/** Bulk is fastest with this (docs/performance.md). */
const LARGEST_FOR_BYTES = 256 * 1024;

/**
 * Smaller, since empty lines make answers of seven times their size, which are held, and since
 * others wait while these are made.
 */
const LARGEST_FOR_LINES = 16 * 1024;

/** What to say to a line. */
function answer(line: Uint8Array | "too long", maxLine: number): string {
  if (line === "too long") return `ERROR: a line must have at most ${maxLine} bytes\n`;
  const text = textOf(line);
  if (text === undefined) return "ERROR: a line must be UTF-8\n";
  return text.trim().toLowerCase() === "quit" ? GOODBYE : `ECHO: ${text}\n`;
}

/** Short lines are dear to decode: a flood of empty ones took five times as long without this. */
function textOf(line: Uint8Array): string | undefined {
  if (line.length === 0) return "";
  const text = FAST_UTF8.decode(line);
  if (!text.includes("\ufffd")) return text;
  try {
    return STRICT_UTF8.decode(line); // it was sent as such
  } catch {
    return undefined;
  }
}
