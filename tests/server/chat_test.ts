import { assert, assertEquals, assertThrows } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { LineConn } from "../../lib/framing/messages.ts";
import { chat } from "../../lib/server/chat.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import { CLOSING, here, House, WELCOME, youAre } from "./_chatters.ts";
import { Events } from "./_served.ts";

Deno.test("chat() asks for a name, says who is there, and tells the others who came", async () => {
  using house = new House();
  const ada = house.connect();
  assertEquals(await ada.hear(1), [WELCOME]);
  await ada.say("ada");
  assertEquals(await ada.hear(1), [youAre("ada")]);
  await house.join("bob");
  assertEquals(await ada.hear(1), ["* bob joined"]);
});

Deno.test("chat() passes a line on to all but the one who said it", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  const cyd = await house.join("cyd");
  await bob.say("hello", "wörld 😀");
  assertEquals(await ada.hear(4), ["* bob joined", "* cyd joined", "bob: hello", "bob: wörld 😀"]);
  assertEquals(await cyd.hear(2), ["bob: hello", "bob: wörld 😀"]);
  await cyd.say("hello, bob");
  assertEquals(await bob.hear(2), ["* cyd joined", "cyd: hello, bob"]);
});

Deno.test("chat() lets nobody hear who has no name yet", async () => {
  using house = new House();
  const stranger = house.connect();
  const ada = await house.join("ada");
  await house.join("bob");
  await ada.say("hello");
  await stranger.say("eve");
  assertEquals(await stranger.hear(2), [WELCOME, youAre("ada", "bob", "eve")]);
});

const NAMES: readonly (readonly [typed: string, name: string | undefined])[] = [
  ["ada", "ada"],
  ["  ada\t", "ada"],
  ["Åsa", "Åsa"],
  ["A\u030asa", "Åsa"], // the same letter in two pieces
  ["ｗｉｄｅ", "wide"],
  ["李白", "李白"],
  ["r2-d2._", "r2-d2._"],
  ["7", "7"],
  ["x".repeat(24), "x".repeat(24)],
  ["𝒳".repeat(24), "X".repeat(24)],
  ["x".repeat(25), undefined],
  ["", undefined],
  ["two words", undefined],
  ["-ada", undefined],
  ["*", undefined],
  ["ada:", undefined],
  ["ada\x1b[31m", undefined],
  ["ada\0", undefined],
  ["a\u200bda", undefined], // zero width space
  ["a\u3164", undefined], // a letter that is not seen
  ["a\u202eda", undefined], // turns the direction
  ["😀", undefined],
  ["/who", undefined],
  ["/name ada", undefined],
];

for (const [typed, name] of NAMES) {
  const becomes = name === undefined ? "is asked again" : `is called ${name}`;
  Deno.test(`chat(): who says ${JSON.stringify(typed)} ${becomes}`, async () => {
    using house = new House();
    const person = house.connect();
    await person.say(typed, "spare");
    const [, answer] = await person.hear(2);
    if (name !== undefined) return assertEquals(answer, youAre(name));
    assertEquals(
      answer,
      "ERROR: a name must have 1 to 24 letters, digits or . _ - and begin with a letter or digit",
    );
    assertEquals(await person.hear(1), [youAre("spare")]);
  });
}

Deno.test("chat() gives a name to one only, in whatever case, until that one leaves", async () => {
  using house = new House();
  const ada = await house.join("Ada");
  const other = house.connect();
  await other.say("aDA");
  assertEquals(await other.hear(2), [WELCOME, "ERROR: a name must be free: aDA is taken"]);
  await ada.say("/quit");
  assertEquals(await ada.hear(2), ["Goodbye!"]);
  await other.say("ada");
  assertEquals(await other.hear(1), [youAre("ada")]);
});

Deno.test("chat() changes names, and tells all", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  await ada.say("/name   countess ", "hello", "/name bob", "/name", "/name Countess");
  assertEquals(await bob.hear(3), [
    "* ada is now countess",
    "countess: hello",
    "* countess is now Countess",
  ]);
  assertEquals(await ada.hear(5), [
    "* bob joined",
    "* ada is now countess",
    "ERROR: a name must be free: bob is taken",
    "ERROR: a name must have 1 to 24 letters, digits or . _ - and begin with a letter or digit",
    "* countess is now Countess",
  ]);
  await house.join("ada");
  assertEquals(await bob.hear(1), ["* ada joined"]);
});

Deno.test("chat() answers /who, knows no other command, and passes on no empty line", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  await ada.say("", "  ", "/who", "/wh0", "/", " /who", "not /who");
  assertEquals(await ada.hear(5), [
    "* bob joined",
    `* ${here("ada", "bob")}`,
    "ERROR: a command must be /who, /name NAME or /quit",
    "ERROR: a command must be /who, /name NAME or /quit",
    `* ${here("ada", "bob")}`,
  ]);
  assertEquals(await bob.hear(1), ["ada: not /who"]);
});

Deno.test("chat() names no more than 50 at once", async () => {
  using house = new House();
  for (let i = 0; i < 60; i++) house.room.join(`p${i}`, { tell: () => {} });
  const last = house.connect();
  await last.say("last");
  const [, answer = ""] = await last.hear(2);
  assert(answer.includes("61 here: p0, p1, ") && answer.includes(", p49 and 11 more;"), answer);
});

Deno.test("chat() ends a line with LF or CR LF, and the last one with FIN", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = house.connect();
  await bob.send("bob\r\nhello\r\nbye");
  await bob.conn.closeWrite();
  assertEquals(await ada.hear(4), [
    "* bob joined",
    "bob: hello",
    "bob: bye",
    "* bob left (end of input)",
  ]);
  assertEquals(await bob.hear(3), [WELCOME, youAre("ada", "bob")]);
  assertEquals(await bob.served, undefined);
});

Deno.test("chat() tells why somebody left, once", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const [bob, cyd, dan] = [
    await house.join("bob"),
    await house.join("cyd"),
    await house.join("dan"),
  ];
  await ada.hear(3);
  await bob.say("/quit", "not heard any more");
  assertEquals(await ada.hear(1), ["* bob left (quit)"]);
  await cyd.conn.closeWrite();
  assertEquals(await ada.hear(1), ["* cyd left (end of input)"]);
  dan.conn.reset();
  assertEquals(await ada.hear(1), ["* dan left (connection lost)"]);
  assert(await dan.served instanceof Deno.errors.ConnectionReset);
  await ada.say("/who");
  assertEquals(await ada.hear(1), [`* ${here("ada")}`]);
});

Deno.test("chat() tells nobody of those who never had a name", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const [gone, reset, quit] = [house.connect(), house.connect(), house.connect()];
  gone.conn[Symbol.dispose]();
  reset.conn.reset();
  await quit.say("/quit");
  assertEquals(await quit.hear(3), [WELCOME, "Goodbye!"]);
  await Promise.all([gone.served, reset.served, quit.served]);
  await ada.say("/who");
  assertEquals(await ada.hear(1), [`* ${here("ada")}`]);
});

Deno.test("chat() lets no control character through to a terminal", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  const controls = Array.from({ length: 0xa0 }, (_, code) => String.fromCharCode(code))
    .filter((char) => char !== "\n").join("");
  await bob.say(`\x1b]0;title\x07\x1b[2J\x9b31m`, `a${controls}z`, "a\rb\u2028c\u202ed", "a\tb");
  const heard = (await ada.hear(5)).slice(1);
  assertEquals(heard[0], "bob: \ufffd]0;title\ufffd\ufffd[2J\ufffd31m");
  assertEquals(heard.slice(2), ["bob: a\ufffdb\ufffdc\ufffdd", "bob: a b"]);
  // deno-lint-ignore no-control-regex
  for (const line of heard) assertEquals(/[\0-\x1f\x7f-\x9f\u2028\u202e]/.test(line), false);
});

Deno.test("chat() answers what is not UTF-8 by an error, and goes on", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = house.connect();
  const error = "ERROR: a line must be UTF-8";
  await bob.send(Uint8Array.of(0xff, 0xfb, 0x01, 0x0a)); // what a telnet client may begin with
  await bob.say("bob");
  await bob.send(Uint8Array.of(0xc3, 0x0a, 0xed, 0xa0, 0x80, 0x0a));
  await bob.say("hello");
  assertEquals(await bob.hear(5), [WELCOME, error, youAre("ada", "bob"), error, error]);
  assertEquals(await ada.hear(2), ["* bob joined", "bob: hello"]);
});

Deno.test("chat() answers a line of 1 MiB by one error, and hears the next", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  await bob.send(new Uint8Array(1 << 20).fill(65));
  await bob.say("", "x".repeat(1024), "x".repeat(1025));
  const error = "ERROR: a line must have at most 1024 bytes";
  assertEquals(await bob.hear(2), [error, error]);
  assertEquals(await ada.hear(2), ["* bob joined", `bob: ${"x".repeat(1024)}`]);
});

Deno.test("chat() tells all when it closes, passes on what was said, and ends by itself", async () => {
  using house = new House();
  const ada = await house.join("ada");
  const bob = await house.join("bob");
  await ada.hear(1);
  await bob.say("before");
  house.closing.abort();
  await bob.say("and after");
  await house.world.advance(120);
  assertEquals(await Promise.all([ada.served, bob.served]), [undefined, undefined]);
  assertEquals((await ada.hear(9)).toSorted(), [CLOSING, "bob: and after", "bob: before"]);
  assertEquals(await bob.hear(9), [CLOSING]);
  assertEquals(house.world.sleepers, 0);
});

Deno.test("chat() tells who comes to a closing room so", async () => {
  using house = new House();
  house.closing.abort();
  const late = house.connect();
  await house.world.advance(120);
  assertEquals(await late.hear(3), [WELCOME, CLOSING]);
});

Deno.test("chat() refuses options that make no sense", () => {
  for (const queue of [NaN, 0, 4095, 1.5 * 8192 + 0.5, Infinity]) {
    assertThrows(
      () => chat(undefined, { queue }),
      RangeError,
      "'queue' must be an integer >= 8192",
    );
  }
  assertThrows(() => chat(undefined, { queue: 4096, maxLine: 513 }), RangeError, ">= 4104");
  chat(undefined, { queue: 4096, maxLine: 512 });
  for (const maxLine of [-1, NaN, 0.5]) {
    assertThrows(
      () => chat(undefined, { maxLine }),
      RangeError,
      "'maxLine' must be an integer >= 0",
    );
  }
  assertThrows(() => chat(undefined, { slow: "wait" as "drop" }), TypeError, "'slow' must be");
});

Deno.test("chat() on a server outlives a client who connects and resets, and drains", async () => {
  const events = new Events();
  await using server = serveTcp({ onEvent: events.hear }, chat());
  using ada = new LineConn(await dial(server.addr));
  await ada.send("ada");
  for (let i = 0; i < 20; i++) {
    const conn = await dialResettable(server.addr);
    if (i % 2 === 0) await conn.write(new TextEncoder().encode("mallory\n/who"));
    conn.reset();
  }
  using bob = new LineConn(await dial(server.addr));
  await bob.send("bob");
  await bob.send("hello");
  const heard: string[] = [];
  for await (const line of ada) {
    if (!line.includes("mallory")) heard.push(line);
    if (line === "bob: hello") break;
  }
  assertEquals(heard, [WELCOME, youAre("ada"), "* bob joined", "bob: hello"]);
  const drained = server.shutdown();
  assertEquals(await ada.receive(), CLOSING);
  assertEquals(await ada.receive(), null);
  for await (const _ of bob);
  for (const client of [ada, bob]) client[Symbol.dispose]();
  assertEquals((await drained).cut, 0);
});
