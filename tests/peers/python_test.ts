/** Our messages and our echo, with peers that were written in another language. */

import { assertEquals, assertMatch } from "@std/assert";
import { dial } from "../../lib/client/dial.ts";
import { LineConn, MessageConn, receiveMessage, sendMessage } from "../../lib/framing/messages.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { type Duplex, readToEnd } from "../../lib/stream/conn.ts";
import type { TcpStream } from "../../lib/stream/tcp.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";

const PYTHON = { run: ["python3"] } as const;

/** Text that a length or an encoding might trip over; without newlines. */
const TEXTS = [
  "Hello, this is a complete message!",
  "",
  "\0",
  "é€𝄞 \ufeff",
  "x".repeat(255),
  "y".repeat(65_536),
];

/** Both formats, as our connections have them. */
const CONNS: Record<string, (conn: Duplex) => LineConn | MessageConn> = {
  length: (conn) => new MessageConn(conn),
  lines: (conn) => new LineConn(conn),
};

const peer = (...args: string[]) => startProgram("python3", ["tests/peers/messages.py", ...args]);

for (const [format, over] of Object.entries(CONNS)) {
  for (const manner of [[], ["dribble"]]) {
    const how = manner.length > 0 ? `${format}, byte by byte` : format;

    needs(PYTHON, `a Python server gives back what our client sends (${how})`, async () => {
      await using server = peer("listen", format, ...manner);
      const { hostname, port } = await server.addr();
      using client = over(await dial({ hostname, port }));
      for (const text of TEXTS) {
        await client.send(text);
        assertEquals(await client.receive(), text);
      }
      await client.closeWrite();
      assertEquals(await client.receive(), null);
      client[Symbol.dispose]();
      await server.output();
    });

    needs(PYTHON, `our server gives back what a Python client sends (${how})`, async () => {
      await using server = serveTcp({}, async (conn) => {
        const messages = over(conn);
        for await (const text of messages) await messages.send(text);
      });
      await using client = peer(`${server.addr.port}`, format, ...manner);
      for (const text of TEXTS) await client.type(`${JSON.stringify(text)}\n`);
      await client.endInput();
      const received = (await client.output()).trimEnd().split("\n");
      assertEquals(received.map((line) => JSON.parse(line)), TEXTS);
    });
  }
}

needs(PYTHON, "receiveMessage() and sendMessage() serve a Python client", async () => {
  await using server = serveTcp({}, async (conn: TcpStream) => {
    for (let text; (text = await receiveMessage(conn)) !== null;) await sendMessage(conn, text);
  });
  await using client = peer(`${server.addr.port}`, "length", "dribble");
  for (const text of TEXTS) await client.type(`${JSON.stringify(text)}\n`);
  await client.endInput();
  const received = (await client.output()).trimEnd().split("\n");
  assertEquals(received.map((line) => JSON.parse(line)), TEXTS);
});

needs(PYTHON, "a Python server's messages are, byte for byte, those that we send", async () => {
  for (const [format, over] of Object.entries(CONNS)) {
    await using server = peer("listen", format);
    const { hostname, port } = await server.addr();
    const sent: Uint8Array[] = [];
    using conn = await dial({ hostname, port });
    const tapped: Duplex = {
      read: (p) => conn.read(p),
      write: (p) => (sent.push(p.slice()), conn.write(p)),
      closeWrite: () => conn.closeWrite(),
      [Symbol.dispose]: () => {},
    };
    const client = over(tapped);
    for (const text of TEXTS.slice(0, -1)) await client.send(text);
    await client.closeWrite();
    const received = await readToEnd(conn);
    assertEquals([...received], sent.flatMap((bytes) => [...bytes]));
  }
});

needs(PYTHON, "the echo server answers a Python client, both ways at once", async () => {
  await using server = serveTcp({}, echo);
  const args = ["tests/peers/echo_client.py", `${server.addr.port}`];
  await using client = startProgram("python3", args);
  await client.type("Hello\n");
  await client.printed(/\nECHO: Hello\n$/);
  await client.type("World\nquit\n");
  assertMatch(await client.output(), /^Welcome.*\nECHO: Hello\nECHO: World\nGoodbye!\n$/);
});

needs(PYTHON, "the echo server lets a Python client end with FIN instead", async () => {
  await using server = serveTcp({}, echo);
  const args = ["tests/peers/echo_client.py", `${server.addr.port}`];
  await using client = startProgram("python3", args, "last words, without a newline");
  assertMatch(await client.output(), /\nECHO: last words, without a newline\n$/);
});
