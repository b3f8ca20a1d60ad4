import { assert, assertEquals, assertMatch } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { LineConn } from "../../lib/framing/messages.ts";
import { chunks, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { needs } from "../_needs.ts";
import { start, type Started, startProgram } from "../_script.ts";

const STARTING = { run: ["deno"], read: true };

/** Other clients, given the port: what is typed goes out, what comes is printed. */
const CLIENTS: Record<string, (port: number) => string[]> = {
  ncat: (port) => ["127.0.0.1", `${port}`],
  "ncat --crlf": (port) => ["--crlf", "127.0.0.1", `${port}`], // as telnet ends its lines
  socat: (port) => ["-t", "30", "-", `TCP:127.0.0.1:${port}`],
};

/** Somebody in the room who is a connection of ours. */
async function join(addr: Deno.NetAddr, name: string): Promise<LineConn> {
  const person = new LineConn(await dial(addr));
  await person.send(name);
  await person.receive(); // Welcome to the chat! What is your name?
  assertMatch(await person.receive() ?? "", new RegExp(`^\\* you are ${name}; `));
  return person;
}

/** A conversation of a client with ada, from its name to its end. */
async function talksWith(ada: LineConn, client: Started, name: string): Promise<void> {
  await client.printed(/What is your name\?/);
  await client.type(`${name}\n`);
  await client.printed(new RegExp(`you are ${name}; 2 here: ada, ${name}`));
  assertEquals(await ada.receive(), `* ${name} joined`);
  await client.type("wörld 😀\n");
  assertEquals(await ada.receive(), `${name}: wörld 😀`);
  await ada.send("hello");
  await client.printed(/ada: hello\n/);
  await client.type("/quit\n");
  await client.printed(/Goodbye!\n/);
  assertEquals(await ada.receive(), `* ${name} left (quit)`);
  await client.endInput();
  await client.output();
}

needs(STARTING, "cmd/chat.ts serves cmd/talk.ts", async () => {
  await using chat = await start("chat", ["--port", "0"]);
  const addr = await chat.addr();
  using ada = await join(addr, "ada");
  await using client = await start("talk", [`:${addr.port}`]);
  await talksWith(ada, client, "bob");
});

for (const [client, args] of Object.entries(CLIENTS)) {
  const [program = ""] = client.split(" ");
  needs({ ...STARTING, run: ["deno", program] }, `cmd/chat.ts serves ${client}`, async () => {
    await using chat = await start("chat", ["--port", "0"]);
    const addr = await chat.addr();
    using ada = await join(addr, "ada");
    await using bob = startProgram(program, args(addr.port));
    await talksWith(ada, bob, "bob");
  });
}

needs(STARTING, "cmd/chat.ts takes what a pipe says, and lets it go at its end", async () => {
  await using chat = await start("chat", ["--port", "0"]);
  const addr = await chat.addr();
  using ada = await join(addr, "ada");
  await using client = await start("talk", [`:${addr.port}`], { input: "bob\none\ntwo" });
  assertEquals(
    await client.output(),
    "Welcome to the chat! What is your name?\n" +
      "* you are bob; 2 here: ada, bob; try /who, /name NAME, /quit\n",
  );
  const heard = [await ada.receive(), await ada.receive(), await ada.receive()];
  assertEquals(heard, ["* bob joined", "bob: one", "bob: two"]);
  assertEquals(await ada.receive(), "* bob left (end of input)");
});

for (const slow of ["buffer", "drop", "disconnect"]) {
  needs(STARTING, `cmd/chat.ts --slow ${slow} slows nobody for one who does not read`, async () => {
    await using chat = await start("chat", ["--port", "0", "--slow", slow, "--queue", "16KiB"]);
    const addr = await chat.addr();
    using ada = await join(addr, "ada");
    using bob = await dial(addr);
    await writeAll(bob, new TextEncoder().encode("bob\n"));
    assertEquals(await ada.receive(), "* bob joined");
    using cyd = await join(addr, "cyd");
    assertEquals(await ada.receive(), "* cyd joined");

    // More than both kernels hold for bob: 16 MiB, of which he reads nothing.
    const text = "x".repeat(1000);
    const count = 16_000;
    let heard = 0;
    let left = false;
    for (let sent = 0; heard < count;) {
      for (; sent < heard + 100; sent++) await ada.send(`${sent} ${text}`);
      while (heard < sent) {
        const line = await cyd.receive();
        if (line === "* bob left (read too slowly)") left = true;
        else assertEquals(line, `ada: ${heard++} ${text}`);
      }
    }

    // And what he finds at last is whole lines, with nothing missing that he is not told of.
    if (slow !== "disconnect") await writeAll(bob, new TextEncoder().encode("/quit\n"));
    const found = new TextDecoder().decode(await readToEnd(bob, { maxBytes: 32 << 20 }));
    const lines = found.split("\n");
    const half = lines.pop();
    let expected = 0;
    for (const line of lines.slice(3)) {
      const [, dropped] = /^… (\d+) lines? w\w+ dropped$/.exec(line) ?? [];
      if (dropped !== undefined) expected += Number(dropped);
      else if (line.startsWith("ada: ")) assertEquals(line, `ada: ${expected++} ${text}`);
    }
    if (slow !== "disconnect") {
      assertEquals([left, expected, lines.at(-1), half], [false, count, "Goodbye!", ""]);
    } else { // cut wherever his kernel took no more, or told why if there was room for it
      assert(expected < count);
      if (!left) assertEquals(await cyd.receive(), "* bob left (read too slowly)");
    }
    chat.kill("SIGTERM");
    for await (const _ of ada);
    for await (const _ of cyd);
    for (const person of [ada, bob, cyd]) person[Symbol.dispose]();
    assertEquals((await chat.ended()).code, 0);
  });
}

needs(STARTING, "cmd/chat.ts tells all at SIGTERM that the room closes, and ends", async () => {
  await using chat = await start("chat", ["--port", "0"]);
  const addr = await chat.addr();
  using ada = await join(addr, "ada");
  using stranger = await dial(addr);
  await stranger.read(new Uint8Array(100));
  chat.kill("SIGTERM");
  assertEquals(await ada.receive(), "* the room is closing. Goodbye!");
  assertEquals(await ada.receive(), null);
  for await (const _ of chunks(stranger));
  for (const person of [ada, stranger]) person[Symbol.dispose]();
  const { code, stderr } = await chat.ended();
  assertEquals(code, 0);
  assertMatch(stderr, /: 2 finished, 0 cut, 0 never served\n$/);
  assert(!stderr.includes("ada"), "nobody's words are logged");
});

needs(STARTING, "cmd/chat.ts wants a queue for more than a few lines", async () => {
  await using chat = await start("chat", ["--queue", "8KiB", "--max-line", "1025"]);
  const { code, stderr } = await chat.ended();
  assertEquals([code, stderr], [
    2,
    "chat: --queue must be at least 8 times --max-line: got 8192\n",
  ]);
});
