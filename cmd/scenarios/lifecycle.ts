#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * The life of a connection: listen, connect, accept, exchange, close
 *
 * Chapter §2: Cycle de vie d'une connexion TCP
 *
 * The chapter's first diagram, drawn from what really happened: what each program
 * called, when, and what went over to the other. Then three clients at once: the
 * listening socket stays what it is, and every accept() makes a new one, which is
 * told from its sisters by the client's address alone.
 *
 *     deno task lab lifecycle
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

import { chunks, readExact, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab, LabConn, LabServer } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** One client from the first call to the last, then three at once. */
export const main = scenario(import.meta, async (lab) => {
  const accepted: LabConn[] = [];
  lab.say("The server listens. From now on its kernel answers every SYN by itself.");
  await using server = lab.serve(async (conn) => {
    accepted.push(conn);
    for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
  });

  await oneClient(lab, server);
  lab.check("accept() made a connection of one client", accepted.length, 1);

  const ports = await threeClients(lab, server);
  const sisters = accepted.slice(1);
  lab.check("accept() made a connection for each of three more", sisters.length, 3);
  lab.check(
    "all of them live on the port of the one listening socket",
    accepted.map((conn) => conn.localAddr.port),
    accepted.map(() => server.addr.port),
  );
  lab.check(
    "each is told from its sisters by the port of its client",
    sisters.map((conn) => conn.remoteAddr.port).sort(),
    ports.sort(),
  );
});

async function oneClient(lab: Lab, server: LabServer): Promise<void> {
  const message = new TextEncoder().encode("Hello, Server!");
  lab.say("connect() returns when the three-way handshake is done; accept() takes it over.");
  using client = await lab.dial(server.addr);

  lab.say("Bytes go there, and here they come back.");
  await writeAll(client, message);
  const answer = await readExact(client, message.length);

  lab.say("close() says FIN. The server reads that as the end, and closes as well.");
  client[Symbol.dispose]();
  await server.idle();
  lab.draw();

  lab.check("what came back is what was sent", answer, message);
  const ends = lab.calls("server", "read").map((call) => call.bytes);
  lab.check("the server read a last time, and that was the end", ends.at(-1), null);
}

/** Resolves with the ports that the kernel chose for the clients. */
async function threeClients(lab: Lab, server: LabServer): Promise<number[]> {
  const names = ["client 1", "client 2", "client 3"];
  lab.say("Three clients at once: one port, and a socket for each of them.");
  const clients: LabConn[] = [];
  for (const who of names) {
    const client = await lab.dial(server.addr, who);
    clients.push(client);
    await writeAll(client, new TextEncoder().encode(who));
    await readExact(client, who.length);
  }
  for (const client of clients) client[Symbol.dispose]();
  await server.idle();
  lab.draw({ lifelines: ["server", ...names] });
  return clients.map((client) => client.localAddr.port);
}

if (import.meta.main) await run(main, import.meta);
