/**
 * A room: who is in it, and who hears what. It knows of no connection, so that whoever has
 * ears can be in it.
 *
 * @example Two people, without a socket
 * ```ts
 * import { ChatRoom } from "@tcplab/tcplab/server";
 * import { assertEquals } from "@std/assert";
 *
 * const heard: string[] = [];
 * const room = new ChatRoom();
 * const ada = room.join("ada", { tell: (line) => heard.push(new TextDecoder().decode(line)) });
 * const bob = room.join("bob", { tell: () => {} });
 * room.say(bob, "hello");
 * room.say(ada, "hello, bob"); // not told to herself
 * room.leave(bob, "has to go");
 * assertEquals(heard, ["* bob joined\n", "bob: hello\n", "* bob left (has to go)\n"]);
 * ```
 *
 * @module
 */

import { chatName, NAME_RULE, nameKey, printable } from "./_chat_text.ts";

/** Where somebody hears what is said. */
export interface ChatListener {
  /** Takes a line of UTF-8 with its newline, which others are given as well: do not change it. */
  tell(line: Uint8Array): void;
  /**
   * While this is there, speakers should wait for it: the listener has heard much at once
   * and is about to catch up.
   */
  readonly pressed?: Promise<void> | undefined;
}

/** Somebody in a {@linkcode ChatRoom}. */
export interface ChatMember {
  /** The name, which nobody else has. */
  readonly name: string;
}

/** A name cannot be had. */
export class ChatNameError extends RangeError {
  /** Why not, in words for who wanted it. */
  readonly rule: string;

  /** Says why not. */
  constructor(rule: string) {
    super(`Cannot take the name as ${rule}`);
    this.name = "ChatNameError";
    this.rule = rule;
  }
}

interface Member extends ChatMember {
  name: string;
  readonly listener: ChatListener;
}

const UTF8 = new TextEncoder();

/**
 * People who hear each other. What the room says itself begins with `* `, which no name
 * does, so that nobody can speak for it.
 */
export class ChatRoom {
  readonly #members = new Map<string, Member>();

  /** Who is there, in the order of joining or of having taken the name. */
  get names(): string[] {
    return [...this.#members.values()].map(({ name }) => name);
  }

  /**
   * Resolves when a listener who keeps up is ready for more; nothing if all are. Speakers
   * who wait while there is something to wait for make nobody who keeps up miss a line.
   */
  get pressed(): Promise<void> | undefined {
    for (const { listener } of this.#members.values()) {
      if (listener.pressed) return listener.pressed;
    }
    return undefined;
  }

  /**
   * Lets somebody in, and tells the others.
   *
   * @throws {ChatNameError} If the name is taken, in whatever case, or is none.
   */
  join(name: string, listener: ChatListener): ChatMember {
    const member = { name: this.#free(name), listener };
    this.#tellOthers(undefined, `* ${member.name} joined`);
    this.#members.set(nameKey(member.name), member);
    return member;
  }

  /**
   * Gives somebody another name, and tells all.
   *
   * @throws {ChatNameError} If that is taken by another, or is none.
   */
  rename(member: ChatMember, name: string): void {
    const renamed = this.#known(member);
    const free = this.#free(name, renamed);
    const news = `* ${renamed.name} is now ${free}`;
    this.#members.delete(nameKey(renamed.name));
    renamed.name = free;
    this.#members.set(nameKey(free), renamed);
    this.#tellOthers(undefined, news);
  }

  /** Passes on what somebody says to all others; what could upset a terminal becomes U+FFFD. */
  say(member: ChatMember, text: string): void {
    this.#tellOthers(this.#known(member), `${member.name}: ${printable(text)}`);
  }

  /** Lets somebody go, and tells the others unless there is nothing to say. Again is harmless. */
  leave(member: ChatMember, why?: string): void {
    if (this.#members.get(nameKey(member.name)) !== member) return;
    this.#members.delete(nameKey(member.name));
    if (why !== undefined) this.#tellOthers(undefined, `* ${member.name} left (${why})`);
  }

  /** The name as it will be shown, if it can be had. */
  #free(text: string, by?: Member): string {
    const name = chatName(text);
    if (name === undefined) throw new ChatNameError(NAME_RULE);
    const owner = this.#members.get(nameKey(name));
    if (owner && owner !== by) throw new ChatNameError(`a name must be free: ${name} is taken`);
    return name;
  }

  #known(member: ChatMember): Member {
    const known = this.#members.get(nameKey(member.name));
    if (known !== member) throw new TypeError("Cannot speak as the member must be in the room");
    return known;
  }

  #tellOthers(speaker: Member | undefined, text: string): void {
    const line = UTF8.encode(`${text}\n`);
    for (const member of this.#members.values()) {
      if (member !== speaker) member.listener.tell(line);
    }
  }
}
