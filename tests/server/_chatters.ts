/** People in a chat without sockets, for the tests of it. */

import { assertEquals } from "@std/assert";
import { LineConn } from "../../lib/framing/messages.ts";
import { chat, type ChatOptions } from "../../lib/server/chat.ts";
import { ChatRoom } from "../../lib/server/chat_room.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { type MemoryConn, memoryPair } from "../../lib/stream/memory.ts";
import { type SeededWorld, seededWorld } from "../../lib/world.ts";

/** What the room asks for first. */
export const WELCOME = "Welcome to the chat! What is your name?";

/** What all are told at the end. */
export const CLOSING = "* the room is closing. Goodbye!";

/** What is said to somebody who comes in. */
export function youAre(...names: string[]): string {
  return `* you are ${names.at(-1)}; ${here(...names)}; try /who, /name NAME, /quit`;
}

/** Who is there. */
export function here(...names: string[]): string {
  return `${names.length} here: ${names.join(", ")}`;
}

/** A room, its clock, and a server that lets people in. */
export class House implements Disposable {
  readonly world: SeededWorld = seededWorld(1);
  readonly room = new ChatRoom();
  /** Tells all handlers to come to an end. */
  readonly closing = new AbortController();
  readonly #handler: ReturnType<typeof chat>;
  readonly #people: Person[] = [];

  constructor(options: ChatOptions = {}) {
    this.#handler = chat(this.room, { world: this.world, ...options });
  }

  /** Lets somebody come to the door, through a pipe that holds so many bytes. */
  connect(capacity = 65536): Person {
    const [client, server] = memoryPair({ capacity });
    const served = this.#handler(server, { signal: this.closing.signal });
    const person = new Person(client, this.#finished(served, server));
    this.#people.push(person);
    return person;
  }

  /** Lets somebody in, who has heard all that is said at the door. */
  async join(name: string): Promise<Person> {
    const person = this.connect();
    await person.say(name);
    assertEquals(await person.hear(2), [WELCOME, youAre(...this.room.names)]);
    return person;
  }

  /** Resolves when nothing moves any more, at this time. */
  async still(): Promise<void> {
    await this.world.advance(0);
  }

  /** As a server does it: FIN after the handler, or an end at once if it throws. */
  async #finished(served: Promise<void>, server: MemoryConn): Promise<unknown> {
    try {
      await served;
      await server.closeWrite().catch(() => {}); // it may be cut already
      return undefined;
    } catch (error) {
      server[Symbol.dispose]();
      return error;
    }
  }

  [Symbol.dispose](): void {
    for (const { conn } of this.#people) conn[Symbol.dispose]();
  }
}

/** Somebody at the other end. */
export class Person {
  readonly #lines: LineConn;

  /** `served` resolves when the handler has returned, with what it threw. */
  constructor(readonly conn: MemoryConn, readonly served: Promise<unknown>) {
    this.#lines = new LineConn(conn);
  }

  /** Sends lines. */
  async say(...lines: string[]): Promise<void> {
    await this.send(lines.map((line) => `${line}\n`).join(""));
  }

  /** Sends what need not be lines. */
  async send(data: string | Uint8Array): Promise<void> {
    await writeAll(this.conn, typeof data === "string" ? new TextEncoder().encode(data) : data);
  }

  /** The next lines; fewer if the end comes first. */
  async hear(count: number): Promise<string[]> {
    const heard: string[] = [];
    while (heard.length < count) {
      const line = await this.#lines.receive();
      if (line === null) break;
      heard.push(line);
    }
    return heard;
  }

  /** All that comes up to FIN, as text; only if nothing was heard by lines before. */
  async rest(): Promise<string> {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readToEnd(this.conn));
  }
}
