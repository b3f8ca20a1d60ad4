#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Pitfalls: five traps, each fallen into and then avoided
 *
 * Chapter §8: Pièges courants et bonnes pratiques
 *
 * A write that took a part, a read that gave a part, a reset that nobody expected,
 * a close that was forgotten, and a client who keeps all others waiting. Each trap
 * is walked into here, to see what it looks like from inside; then around it.
 *
 * After them come the chapter's four good practices: deadlines, SO_REUSEADDR,
 * which Deno sets on every listener by itself, a protocol, and a log.
 *
 *     deno task lab pitfalls
 *
 * Flags:
 *
 *     --json           print what happens as JSON, one event on each line
 *     --quiet          print the verdict only
 *     --mermaid        print the pictures as a Mermaid sequence diagram
 *     --svg FILE       write the pictures as SVG as well
 *     --pcapng FILE    write the packets for Wireshark as well
 *     --help, --version
 *
 * Exit codes: 0, every check held; 1, one did not; 2, wrong command line.
 *
 * @module
 */

import { chunks, type Duplex, readExact, writeAll } from "../../lib/stream/conn.ts";
import { dialResettable, listenResettable } from "../../lib/stream/resettable.ts";
import { TimedReader } from "../../lib/stream/timed_reader.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn } from "./_lab.ts";
import { deadlines, log, protocol, restart } from "./_practices.ts";
import { scenario } from "./_scenario.ts";

const HELLO = new TextEncoder().encode("hello");

/** The traps in the chapter's order, then the practices. */
export const main = scenario(import.meta, async (lab) => {
  await partOfAWrite(lab);
  await partOfAMessage(lab);
  await reset(lab);
  await forgottenClose(lab);
  await oneAtATime(lab);
  await deadlines(lab);
  await restart(lab);
  await protocol(lab);
  await log(lab);
});

async function partOfAWrite(lab: Lab): Promise<void> {
  // More than both kernels hold, and nobody reads during the write: there is but one thread.
  const data = new Uint8Array(64 * 1024 * 1024);
  const deliver = async (send: (client: Duplex) => Promise<unknown>) => {
    let received = 0;
    await using server = lab.serve(async (conn) => {
      for await (const chunk of chunks(conn)) received += chunk.length;
    });
    {
      using client = await lab.dial(server.addr);
      await send(client);
    }
    await server.idle();
    lab.draw();
    return received;
  };
  lab.say("Trap 1: 64 MiB in one write, whose result is ignored.");
  const some = await deliver((client) => client.write(data));
  lab.check("trap 1, fallen into: a part is missing, without any error", some < data.length);
  lab.say("Around it: writeAll.");
  const all = await deliver((client) => writeAll(client, data));
  lab.check("trap 1, avoided: all of it came", all, data.length);
}

async function partOfAMessage(lab: Lab): Promise<void> {
  const receive = async (read: (client: Duplex, goOn: () => void) => Promise<Uint8Array>) => {
    const more = Promise.withResolvers<void>();
    await using server = lab.serve(async (conn) => {
      await writeAll(conn, HELLO.subarray(0, 2));
      await more.promise;
      await writeAll(conn, HELLO.subarray(2));
    });
    using client = await lab.dial(server.addr);
    const received = await read(client, more.resolve);
    client[Symbol.dispose]();
    await server.idle();
    lab.draw();
    return new TextDecoder().decode(received);
  };
  lab.say("Trap 2: a read with room for all of a message, the rest of which is on its way.");
  const part = await receive(async (client, goOn) => {
    const buffer = new Uint8Array(HELLO.length);
    const n = await client.read(buffer);
    goOn();
    return buffer.subarray(0, n ?? 0);
  });
  lab.check("trap 2, fallen into: this is not the message", part, "he");
  lab.say("Around it: readExact.");
  const whole = await receive((client, goOn) => {
    const reading = readExact(client, HELLO.length);
    goOn();
    return reading;
  });
  lab.check("trap 2, avoided: this is", whole, "hello");
}

async function reset(lab: Lab): Promise<void> {
  lab.say("Trap 3: a server without a catch, and a client that breaks off.");
  {
    using listener = await listenResettable();
    const serving = (async () => {
      while (true) {
        using conn = lab.accepted(await listener.accept());
        await echo(conn);
      }
    })();
    const end = serving.catch((error) => error);
    const { addr } = listener;
    using client = await lab.connect(addr, "client", () => dialResettable(addr));
    await hello(client);
    client.reset();
    lab.check("trap 3, fallen into: one RST ended the server", isReset(await end));
    lab.draw();
  }
  lab.say("Around it: each connection fails by itself. Another client comes after it.");
  await using server = lab.serve(echo);
  const { addr } = server;
  using rude = await lab.connect(addr, "client", () => dialResettable(addr));
  await hello(rude);
  rude.reset();
  using polite = await lab.dial(addr);
  const answer = await hello(polite);
  polite[Symbol.dispose]();
  await server.idle();
  lab.draw();
  lab.check("trap 3, avoided: the next client is served", answer, "hello");
}

async function forgottenClose(lab: Lab): Promise<void> {
  let open = 0;
  const counted = async (conn: LabConn) => {
    open++;
    await echo(conn).finally(() => open--);
  };
  lab.say("Trap 4: three clients that are done, and forget to close.");
  await using server = lab.serve(counted);
  const forgotten: LabConn[] = [];
  for (let i = 0; i < 3; i++) {
    forgotten.push(await lab.dial(server.addr));
    await hello(forgotten.at(-1)!);
  }
  lab.draw();
  lab.check("trap 4, fallen into: the server still waits for them", open, 3);
  lab.say("This lesson closes them at last. A server would have run out of descriptors.");
  for (const client of forgotten) client[Symbol.dispose]();
  await server.idle();

  lab.say("Around it: `using`, which closes at the end of its block, come what may.");
  for (let i = 0; i < 3; i++) {
    using client = await lab.dial(server.addr);
    await hello(client);
  }
  await server.idle();
  lab.draw();
  lab.check("trap 4, avoided: nothing is left open", open, 0);
}

async function oneAtATime(lab: Lab): Promise<void> {
  const patience = 50;
  const lifelines = ["client A", "server", "client B"];
  lab.say("Trap 5: a server that serves A, and only then accepts B. A is in no hurry.");
  {
    using listener = await listenResettable();
    const serving = (async () => {
      for (let clients = 0; clients < 2; clients++) {
        using conn = lab.accepted(await listener.accept());
        await echo(conn);
      }
    })();
    using a = await lab.dial(listener.addr, "client A");
    await hello(a);
    using b = await lab.dial(listener.addr, "client B");
    await writeAll(b, HELLO);
    const reader = new TimedReader(b);
    const buffer = new Uint8Array(HELLO.length);
    const late = await reader.read(buffer, { timeout: patience }).catch((error) => error);
    a[Symbol.dispose]();
    await readExact(reader, HELLO.length);
    b[Symbol.dispose]();
    await serving;
    lab.draw({ lifelines });
    lab.check(`trap 5, fallen into: B waited ${patience} ms in vain`, late?.name, "TimeoutError");
  }
  lab.say("Around it: serve each connection, and go on accepting.");
  await using server = lab.serve(echo);
  using a = await lab.dial(server.addr, "client A");
  await hello(a);
  using b = await lab.dial(server.addr, "client B");
  const answer = await hello(b);
  b[Symbol.dispose]();
  a[Symbol.dispose]();
  await server.idle();
  lab.draw({ lifelines });
  lab.check("trap 5, avoided: B was answered while A was still there", answer, "hello");
}

/** Says hello, and returns the answer. */
async function hello(conn: Duplex): Promise<string> {
  await writeAll(conn, HELLO);
  return new TextDecoder().decode(await readExact(conn, HELLO.length));
}

async function echo(conn: Duplex): Promise<void> {
  for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
}

function isReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset;
}

if (import.meta.main) await run(main, import.meta);
