/**
 * Text over a connection, message by message: each with its length before it, or each on
 * a line of its own.
 *
 * The first is 4 bytes, big endian, and then UTF-8: what `struct.pack(">I", …)` and
 * `int.to_bytes(4, "big")` make in Python. It carries any text. A line carries any text
 * but a newline, and people can type it.
 *
 * {@linkcode sendMessage} and {@linkcode receiveMessage} are for now and then, and leave
 * the connection to whatever else it is used for. {@linkcode MessageConn} and
 * {@linkcode LineConn} take it over: they read ahead, which is faster, and can wait with
 * a deadline, which loses nothing.
 *
 * @example A message, and after it bytes that are none
 * ```ts
 * import { receiveMessage, sendMessage } from "@tcplab/tcplab/framing";
 * import { memoryPair, readExact, writeAll } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [client, server] = memoryPair();
 * await sendMessage(client, "3 bytes follow");
 * await writeAll(client, Uint8Array.of(1, 2, 3));
 *
 * assertEquals(await receiveMessage(server), "3 bytes follow");
 * assertEquals(await readExact(server, 3), Uint8Array.of(1, 2, 3));
 * ```
 *
 * @example A conversation in lines
 * ```ts
 * import { LineConn } from "@tcplab/tcplab/framing";
 * import { memoryPair } from "@tcplab/tcplab/stream";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = memoryPair();
 * using client = new LineConn(a);
 * using server = new LineConn(b);
 *
 * await client.send("hello");
 * assertEquals(await server.receive({ timeout: 5000 }), "hello");
 * ```
 *
 * @module
 */

import { type Duplex, type Reader, writeAll, type Writer } from "../stream/conn.ts";
import type { World } from "../world.ts";
import { FramedConn } from "./frames.ts";
import { type LineEncoderOptions, TextLineDecoder, TextLineEncoder } from "./lines.ts";
import { MessageDecoder, MessageEncoder, type MessageOptions } from "./message_codec.ts";

/**
 * Sends a message: its length and its text go out together, where a write for each would
 * make the second wait for the peer's ACK of the first (RFC 896).
 *
 * @throws {RangeError} If it is too long. Nothing was sent.
 */
export async function sendMessage(
  to: Writer,
  message: string,
  options: MessageOptions = {},
): Promise<void> {
  await writeAll(to, new MessageEncoder(options).encode(message));
}

/**
 * Receives a message, and reads not one byte after it; `null` if the peer said FIN instead.
 *
 * Do not race it against a timer: what it has read of a message would be lost.
 * {@linkcode MessageConn} has a deadline.
 *
 * @throws {FrameError} `"too-long"` as soon as the length is read; `"truncated"` for FIN
 * inside a message; `"malformed"` if it is not UTF-8.
 */
export async function receiveMessage(
  from: Reader,
  options: MessageOptions = {},
): Promise<string | null> {
  const decoder = new MessageDecoder(options);
  while (true) {
    const message = decoder.next();
    if (message !== undefined) return message;
    const piece = new Uint8Array(Math.min(decoder.missing, LARGEST_PIECE));
    const n = await from.read(piece);
    if (n === null) {
      decoder.end();
      return decoder.next() ?? null;
    }
    decoder.push(piece.subarray(0, n));
  }
}

/** A length is a promise: this is the most memory that is taken before it is kept. */
const LARGEST_PIECE = 64 * 1024;

/** Options for {@linkcode MessageConn}. */
export interface MessageConnOptions extends MessageOptions {
  /**
   * The clock for timeouts.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** A connection that carries messages, each with its length before it. */
export class MessageConn extends FramedConn<string, string> {
  /**
   * Takes over `conn`.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(conn: Duplex, options: MessageConnOptions = {}) {
    const { world, ...limit } = options;
    const codec = { decoder: new MessageDecoder(limit), encoder: new MessageEncoder(limit) };
    super(conn, world === undefined ? codec : { ...codec, world });
  }
}

/** Options for {@linkcode LineConn}. */
export interface LineConnOptions extends LineEncoderOptions {
  /**
   * What comes after the last newline: a line, or an error since the stream was cut.
   *
   * @default {"frame"}
   */
  unterminated?: "frame" | "error";
  /**
   * The clock for timeouts.
   *
   * @default {realWorld}
   */
  world?: World;
}

/**
 * A connection that carries lines. Those that come may end with LF or CR LF, whatever
 * `newline` those end with that go.
 */
export class LineConn extends FramedConn<string, string> {
  /**
   * Takes over `conn`.
   *
   * @throws {RangeError} If `maxLength` is not an integer >= 0.
   */
  constructor(conn: Duplex, options: LineConnOptions = {}) {
    const { world, ...rest } = options;
    const codec = { decoder: new TextLineDecoder(rest), encoder: new TextLineEncoder(rest) };
    super(conn, world === undefined ? codec : { ...codec, world });
  }
}
