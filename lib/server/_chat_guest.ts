/**
 * One person at the door of a room, and then in it: what a typed line means.
 *
 * @module
 */

import { type ChatListener, type ChatMember, ChatNameError, type ChatRoom } from "./chat_room.ts";

/** So many names are given at once. */
const MOST_NAMES = 50;

const UTF8 = new TextEncoder();
const STRICT_UTF8 = new TextDecoder("utf-8", { fatal: true });

/** A guest, whose first line is a name. */
export class ChatGuest {
  readonly #room: ChatRoom;
  readonly #listener: ChatListener;
  readonly #maxLine: number;
  #member: ChatMember | undefined;
  #left = false;

  /** Asks for the name. */
  constructor(room: ChatRoom, listener: ChatListener, maxLine: number) {
    this.#room = room;
    this.#listener = listener;
    this.#maxLine = maxLine;
    this.#tell("Welcome to the chat! What is your name?");
  }

  /** Tells this person something that nobody else hears. */
  #tell(text: string): void {
    this.#listener.tell(UTF8.encode(`${text}\n`));
  }

  /** Does what a line says; `false` if it says that this was the last one. */
  hear(line: Uint8Array | "too long"): boolean {
    if (this.#left) return false;
    if (line === "too long") {
      this.#tell(`ERROR: a line must have at most ${this.#maxLine} bytes`);
      return true;
    }
    let text: string;
    try {
      text = STRICT_UTF8.decode(line);
    } catch {
      this.#tell("ERROR: a line must be UTF-8");
      return true;
    }
    return this.#understand(text);
  }

  /** Leaves the room, which is told `why`, if anything. Again is harmless. */
  leave(why?: string): void {
    this.#left = true;
    if (this.#member) this.#room.leave(this.#member, why);
  }

  #understand(text: string): boolean {
    const [command, argument = ""] = text.trim().split(/\s+(.*)/, 2);
    if (command === "/quit") return false;
    if (this.#member === undefined) this.#enter(text.trim());
    else if (text.trim() === "") return true;
    else if (command === "/who") this.#tell(`* ${this.#who()}`);
    else if (command === "/name") this.#rename(this.#member, argument);
    else if (text.startsWith("/")) this.#tell("ERROR: a command must be /who, /name NAME or /quit");
    else this.#room.say(this.#member, text);
    return true;
  }

  #enter(name: string): void {
    this.#tryName(() => {
      this.#member = this.#room.join(name, this.#listener);
      this.#tell(`* you are ${this.#member.name}; ${this.#who()}; try /who, /name NAME, /quit`);
    });
  }

  #rename(member: ChatMember, name: string): void {
    this.#tryName(() => this.#room.rename(member, name));
  }

  #tryName(take: () => void): void {
    try {
      take();
    } catch (error) {
      if (!(error instanceof ChatNameError)) throw error;
      this.#tell(`ERROR: ${error.rule}`);
    }
  }

  #who(): string {
    const { names } = this.#room;
    const more = names.length - MOST_NAMES;
    const some = names.slice(0, MOST_NAMES).join(", ");
    return `${names.length} here: ${some}${more > 0 ? ` and ${more} more` : ""}`;
  }
}
