/**
 * The four good practices of the chapter, as parts of a lesson: deadlines, a port that can be
 * had again at once, a protocol, and a log.
 *
 * @module
 */

import type { TcpAddr } from "../../lib/addr.ts";
import { LineConn, receiveMessage, sendMessage } from "../../lib/framing/messages.ts";
import type { ServerEvent } from "../../lib/server/events.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd } from "../../lib/stream/conn.ts";
import { dialResettable } from "../../lib/stream/resettable.ts";
import type { Lab } from "./_lab.ts";

/** Good practice 1: no wait without an end. */
export async function deadlines(lab: Lab): Promise<void> {
  const timeout = 50;
  lab.say(`Good practice 1: a deadline. The client is silent; the server waits ${timeout} ms.`);
  await using server = lab.serve(async (conn) => {
    const lines = new LineConn(conn);
    await lines.receive({ timeout }).catch((error: Error) => lines.send(error.name));
  });
  using client = await lab.dial(server.addr);
  const heard = new TextDecoder().decode(await readToEnd(client));
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
  lab.check("practice 1: the server gave up, and said so", heard, "TimeoutError\n");
}

/** Good practice 2: SO_REUSEADDR, so that a server can start again where it was. */
export async function restart(lab: Lab): Promise<void> {
  lab.say("Good practice 2: SO_REUSEADDR, as Deno has it. A server in TIME_WAIT starts again.");
  const { signal } = lab;
  const serve = (port: number) =>
    serveTcp({ signal, port }, async (conn) => {
      using end = lab.accepted(conn);
      await sendMessage(end, "hello");
    });
  const hear = async (addr: TcpAddr) => {
    using client = await lab.dial(addr);
    return new TextDecoder().decode((await readToEnd(client)).subarray(4));
  };
  let addr: TcpAddr;
  {
    await using server = serve(0);
    addr = server.addr;
    await hear(addr);
  }
  await using again = serve(addr.port);
  const heard = await hear(again.addr);
  const taken = await Promise.try(() => serve(addr.port)).catch((error) => error);
  lab.draw();
  lab.check("practice 2: it is served again, on the same port", heard, "hello");
  lab.check(
    "practice 2: a port that is listened on is still refused to others",
    taken instanceof Deno.errors.AddrInUse,
  );
}

/** Good practice 3: a protocol that knows where a message ends. */
export async function protocol(lab: Lab): Promise<void> {
  const poem = [
    "Bytes go one by one,",
    "whole the message comes to me:",
    "its length went before.",
  ];
  const text = poem.join("\n");
  lab.say("Good practice 3: a protocol. A message of three lines, and its length before it.");
  await using server = lab.serve(async (conn) => {
    await sendMessage(conn, await receiveMessage(conn) ?? "nothing");
  });
  using client = await lab.dial(server.addr);
  await sendMessage(client, text);
  const answer = await receiveMessage(client);
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();
  lab.check("practice 3: it went there and back in one piece", answer, text);
}

/** Good practice 4: a server that tells what it does. */
export async function log(lab: Lab): Promise<void> {
  const events: ServerEvent[] = [];
  const errors: unknown[] = [];
  let closed = Promise.withResolvers<void>();
  const onEvent = (event: ServerEvent) => {
    events.push(event);
    if (event.type === "closed") closed.resolve();
  };
  lab.say("Good practice 4: a log. One client ends well, one breaks off, one finds a bug.");
  const { signal } = lab;
  await using server = serveTcp(
    { signal, onEvent, onError: (error) => errors.push(error) },
    async (conn) => {
      using end = lab.accepted(conn);
      const text = await receiveMessage(end);
      if (text === "bug") throw new Error("this one");
      await sendMessage(end, text ?? "");
      await end.read(new Uint8Array(1));
    },
  );
  const { addr } = server;
  for (const text of ["well", "reset", "bug"]) {
    closed = Promise.withResolvers();
    using client = await lab.connect(addr, "client", () => dialResettable(addr));
    await sendMessage(client, text);
    await receiveMessage(client);
    if (text === "reset") client.reset();
    else client[Symbol.dispose]();
    await closed.promise;
  }
  const { accepted, active, handlerErrors } = server.stats;
  for (const line of events.flatMap(logLine)) lab.say(line);
  lab.draw();
  const reasons = events.flatMap((event) => event.type === "closed" ? [event.reason] : []);
  lab.check("practice 4: the log tells the three apart", reasons, [
    "finished",
    "reset",
    "error",
  ]);
  lab.check("practice 4: it has the bug, and only that", errors.map(String), [
    "Error: this one",
  ]);
  lab.check("practice 4: the counts agree", { accepted, active, handlerErrors }, {
    accepted: 3,
    active: 0,
    handlerErrors: 1,
  });
}

function logLine(event: ServerEvent): string[] {
  if (event.type !== "closed") return [];
  const { id, reason, by, bytesRead, bytesWritten } = event;
  return [`closed #${id}: ${reason}, by the ${by}; ${bytesRead} B in, ${bytesWritten} B out`];
}
