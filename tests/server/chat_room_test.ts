import { assertEquals, assertThrows } from "@std/assert";
import { type ChatListener, ChatNameError, ChatRoom } from "../../lib/server/chat_room.ts";

function ears(heard: string[] = []): ChatListener {
  return { tell: (line) => void heard.push(new TextDecoder().decode(line)) };
}

Deno.test("ChatRoom gives the same bytes to all who hear a line", () => {
  const heard: Uint8Array[] = [];
  const room = new ChatRoom();
  const ada = room.join("ada", ears());
  for (const name of ["bob", "cyd"]) room.join(name, { tell: (line) => void heard.push(line) });
  heard.length = 0;
  room.say(ada, "hello");
  assertEquals(new Set(heard).size, 1);
});

Deno.test("ChatRoom says why a name cannot be had, and changes nothing", () => {
  const room = new ChatRoom();
  const ada = room.join("ada", ears());
  room.join("bob", ears());
  const taken = assertThrows(() => room.join("ADA", ears()), ChatNameError);
  assertEquals(taken.rule, "a name must be free: ADA is taken");
  assertThrows(() => room.rename(ada, "bob"), ChatNameError);
  assertThrows(() => room.rename(ada, "a b"), ChatNameError, "letters, digits");
  assertEquals(room.names, ["ada", "bob"]);
});

Deno.test("ChatRoom hears nobody who has left, though another has the name", () => {
  const room = new ChatRoom();
  const ada = room.join("ada", ears());
  room.leave(ada, "quit");
  const heard: string[] = [];
  room.join("bob", ears(heard));
  assertThrows(() => room.say(ada, "still here"), TypeError);
  room.join("ada", ears());
  assertThrows(() => room.say(ada, "still here"), TypeError);
  assertThrows(() => room.rename(ada, "eve"), TypeError);
  room.leave(ada, "again");
  assertEquals(room.names, ["bob", "ada"]);
  assertEquals(heard, ["* ada joined\n"]);
});

Deno.test("ChatRoom is pressed as long as one of those in it is", () => {
  const room = new ChatRoom();
  room.join("ada", ears());
  assertEquals(room.pressed, undefined);
  const pressed = Promise.resolve();
  const bob = room.join("bob", { ...ears(), pressed });
  assertEquals(room.pressed, pressed);
  room.leave(bob);
  assertEquals(room.pressed, undefined);
});
