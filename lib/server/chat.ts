/**
 * Chat: many people on one line each, and none of them can slow the others.
 *
 * It speaks lines of UTF-8, so that `ncat` and `telnet` are clients as well. The first line
 * a person sends is a name; then each line is passed on to all others as `name: text`, but
 * for `/who`, `/name NAME` and `/quit`. What the room says itself begins with `* `, and
 * what it says to one person about a mistake with `ERROR: `. A person is not sent their own
 * lines, since they have typed them.
 *
 * Every reader has a queue of its own, bounded in bytes. What happens to one who does not
 * read is a policy; see {@linkcode ChatOptions.slow}. Nobody waits for such a reader, with
 * one exception: so that a flood of lines costs nobody a line who does read, the next line
 * is taken only when all have room for it, and a reader who has stopped is recognized as
 * slow by 100 ms in which nothing moves. That happens to a flood only, and not again
 * before that reader has caught up.
 *
 * @example Two people
 * ```ts
 * import { dial } from "@tcplab/tcplab/client";
 * import { LineConn } from "@tcplab/tcplab/framing";
 * import { chat, serveTcp } from "@tcplab/tcplab/server";
 * import { assertEquals } from "@std/assert";
 *
 * await using server = serveTcp({}, chat());
 * const join = async (name: string) => {
 *   const person = new LineConn(await dial(server.addr));
 *   await person.receive(); // Welcome to the chat! What is your name?
 *   await person.send(name);
 *   await person.receive(); // * you are …
 *   return person;
 * };
 *
 * using ada = await join("ada");
 * using bob = await join("bob");
 * assertEquals(await ada.receive(), "* bob joined");
 * await bob.send("hello");
 * assertEquals(await ada.receive(), "bob: hello");
 * ```
 *
 * @module
 */

import { drain } from "../framing/decoder.ts";
import { LineDecoder } from "../framing/lines.ts";
import type { Duplex } from "../stream/conn.ts";
import { realWorld, type World } from "../world.ts";
import { ChatGuest } from "./_chat_guest.ts";
import { converse } from "./_converse.ts";
import { Floor } from "./_floor.ts";
import { Outbox, type SlowPolicy } from "./_outbox.ts";
import { ChatRoom } from "./chat_room.ts";

/** Options for {@linkcode chat}. */
export interface ChatOptions {
  /**
   * What to do when a reader's queue is full:
   *
   * - `"buffer"` keeps what waits, and drops what comes until all of it is read;
   * - `"drop"` drops the oldest lines that wait, so that what is left is new;
   * - `"disconnect"` drops all of it, says so, and ends the connection.
   *
   * Where lines were dropped, the reader finds a line such as `… 12 lines were dropped`.
   * Dropped are whole lines: only a connection that has to be cut, since its reader does not
   * even take what was begun, may end in half a line, which then has no newline.
   *
   * @default {"buffer"}
   */
  slow?: SlowPolicy;
  /**
   * The most bytes that wait for one reader: an integer >= 4096, and at least eight times
   * `maxLine`. What the kernel holds beyond that is not counted.
   *
   * @default {65536}
   */
  queue?: number;
  /**
   * The longest line in bytes, its end not counted: an integer >= 0.
   *
   * @default {1024}
   */
  maxLine?: number;
  /**
   * How many milliseconds a reader may take for one write, which is at most 16 KiB or one
   * line; then the connection is cut, whatever the policy.
   *
   * @default {30000}
   */
  stallTimeout?: number;
  /**
   * How many milliseconds a reader has at the end to take what still waits; then the
   * connection is cut.
   *
   * @default {5000}
   */
  endTimeout?: number;
  /**
   * The clock.
   *
   * @default {realWorld}
   */
  world?: World;
}

/** What a chat needs to know of a connection; {@linkcode ConnInfo} says it. */
export interface ChatInfo {
  /** Aborts when it is time to come to an end. */
  readonly signal: AbortSignal;
}

/** The largest buffer to read into: people type less. */
const LARGEST = 16 * 1024;

/** The smallest queue that is of any use. Guessed. */
const LEAST_QUEUE = 4096;

/** Each byte of a line may become three, since U+FFFD has as many; a name comes before it. */
const LINES_IN_QUEUE = 8;

const QUIT = "quit";

/**
 * Makes a handler that lets each client into `room`, until the client says `/quit` or FIN.
 *
 * When the server drains, all are told so; what has reached the server is still passed on,
 * as {@linkcode echo} answers it, and what waits is written before FIN.
 *
 * @throws {TypeError} If `slow` is no policy.
 * @throws {RangeError} If `queue` or `maxLine` is out of range.
 */
export function chat(
  room: ChatRoom = new ChatRoom(),
  options: ChatOptions = {},
): (conn: Duplex, info: ChatInfo) => Promise<void> {
  const limits = checked(options);
  const { maxLine, endTimeout } = limits;
  const floor = new Floor(room);
  return async (conn, { signal }) => {
    const outbox = new Outbox(conn, limits);
    const guest = new ChatGuest(room, outbox, maxLine);
    const close = () => outbox.insist("* the room is closing. Goodbye!");
    if (signal.aborted) close();
    else signal.addEventListener("abort", close, { once: true });
    try {
      const heard = listen(conn, floor, guest, { ...limits, signal });
      const why = await Promise.race([outbox.over, heard]);
      guest.leave(why);
      if (why === QUIT) outbox.insist("Goodbye!");
      await outbox.finish(endTimeout);
    } finally {
      signal.removeEventListener("abort", close);
      guest.leave("connection lost");
    }
  };
}

/** Does what a guest says; resolves with why it is over, or nothing if the server ends it. */
async function listen(
  conn: Duplex,
  floor: Floor,
  guest: ChatGuest,
  { maxLine, endTimeout, world, signal }: Required<ChatOptions> & ChatInfo,
): Promise<string | undefined> {
  const lines = new LineDecoder({ maxLength: maxLine, onTooLong: () => "too long" as const });
  let why: string | undefined;
  const hear = async (): Promise<boolean> => {
    for (const line of drain(lines)) {
      if (await floor.take(() => guest.hear(line))) continue;
      why = QUIT;
      return false;
    }
    return true;
  };
  await converse(conn, {
    signal,
    world,
    endTimeout,
    largest: LARGEST,
    answer: (bytes) => {
      lines.push(bytes.slice()); // it keeps them, and the buffer is read into again
      return hear();
    },
    answerEnd: async () => {
      lines.end();
      if (await hear()) why = "end of input";
    },
  });
  return why;
}

function checked(options: ChatOptions): Required<ChatOptions> {
  const {
    slow = "buffer",
    queue = 64 * 1024,
    maxLine = 1024,
    stallTimeout = 30_000,
    endTimeout = 5000,
    world = realWorld,
  } = options;
  if (slow !== "buffer" && slow !== "drop" && slow !== "disconnect") {
    throw new TypeError(
      `Cannot chat as 'slow' must be "buffer", "drop" or "disconnect": current value is ${slow}`,
    );
  }
  if (!Number.isSafeInteger(maxLine) || maxLine < 0) {
    throw new RangeError(
      `Cannot chat as 'maxLine' must be an integer >= 0: current value is ${maxLine}`,
    );
  }
  const least = Math.max(LEAST_QUEUE, LINES_IN_QUEUE * maxLine);
  if (!Number.isSafeInteger(queue) || queue < least) {
    throw new RangeError(
      `Cannot chat as 'queue' must be an integer >= ${least}: current value is ${queue}`,
    );
  }
  return { slow, queue, maxLine, stallTimeout, endTimeout, world };
}
