#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A proxy: two connections joined, and a log that says what became of them
 *
 * Chapter §9.1: API Gateway (type Kong, Nginx)
 *
 * The chapter's proxy accepts, connects to the server, and starts two threads that copy. What
 * it leaves out is what decides whether one can put it in front of a service: what the client
 * says while the server is still being connected to, a server that is not there, and what
 * became of each connection. This one is `serveProxy`.
 *
 *     deno task lab proxy
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

import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { LIFELINES, proxied, toOne } from "./_proxied.ts";
import { scenario } from "./_scenario.ts";

/** One that works, one that speaks too early, one in vain. */
export const main = scenario(import.meta, async (lab) => {
  await using server = lab.serve(async (conn) => {
    const asked = await readExact(conn, 4);
    await writeAll(conn, asked.reverse());
    await readToEnd(conn);
  });
  const connect = toOne(lab, server.addr);
  await through(lab, connect);
  await tooEarly(lab, connect);
  await inVain(lab);
});

type Connect = ReturnType<typeof toOne>;

async function through(lab: Lab, connect: Connect): Promise<void> {
  lab.say("A question and its answer, through a proxy. Neither end can tell.");
  await using proxy = await proxied(lab, connect);
  using client = await lab.dial(proxy.addr);
  await writeAll(client, text("ping"));
  const answer = string(await readExact(client, 4));
  await client.closeWrite();
  const end = await client.read(new Uint8Array(1));
  const { bytesUp, bytesDown, server, end: { code, why } } = await proxy.next();
  lab.say(`The log: server=${server} up=${bytesUp} down=${bytesDown} end=${code} (${why})`);
  lab.draw({ lifelines: LIFELINES });

  lab.check("through: the answer came back", answer, "gnip");
  lab.check("through: and the server's FIN behind it", end, null);
  lab.check("through: the log has both counts", [bytesUp, bytesDown], [4, 4]);
  lab.check("through: it ended well", code, "--");
}

async function tooEarly(lab: Lab, connect: Connect): Promise<void> {
  lab.say("The client speaks, and says FIN, while the proxy still looks for a server.");
  const ready = Promise.withResolvers<void>();
  await using proxy = await proxied(lab, async (client, context) => {
    await client.peek(() => undefined); // until its FIN has been read
    ready.resolve();
    return await connect(client, context);
  });
  using client = await lab.dial(proxy.addr);
  await writeAll(client, text("pong"));
  await client.closeWrite();
  await ready.promise;
  const answer = string(await readToEnd(client));
  const { end: { code } } = await proxy.next();
  lab.draw({ lifelines: LIFELINES });

  lab.check("too early: no byte was lost, nor was FIN", answer, "gnop");
  lab.check("too early: it ended well", code, "--");
}

async function inVain(lab: Lab): Promise<void> {
  lab.say("The server is not there. The client hears of it at once, and the log says why.");
  const gone = await listenResettable();
  gone.close();
  await using proxy = await proxied(lab, toOne(lab, gone.addr));
  using client = await lab.dial(proxy.addr);
  const end = await client.read(new Uint8Array(1));
  client[Symbol.dispose]();
  const { server, end: { code, why } } = await proxy.next();
  lab.say(`The log: server=${server ?? "-"} end=${code} (${why})`);
  lab.draw({ lifelines: LIFELINES });

  lab.check("in vain: the client hears FIN, at once", end, null);
  lab.check("in vain: the server, S, while connecting, C", code, "SC");
}

function text(of: string): Uint8Array {
  return new TextEncoder().encode(of);
}

function string(of: Uint8Array): string {
  return new TextDecoder().decode(of);
}

if (import.meta.main) await run(main, import.meta);
