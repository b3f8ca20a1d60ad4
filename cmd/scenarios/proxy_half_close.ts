#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Half-close through a proxy: the chapter's loses the answer, ours does not
 *
 * Chapter §9.1: API Gateway (type Kong, Nginx)
 *
 * The chapter's proxy copies each way in a thread of its own. When one of them reads the end,
 * it closes both connections: `source.close()`, `destination.close()`. So a client that says
 * FIN, since it has asked all it wanted, and then waits for the answer, cuts its own answer
 * off. A relay passes FIN on, in that direction alone, and waits for the other.
 *
 *     deno task lab proxy_half_close
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

import type { TcpAddr } from "../../lib/addr.ts";
import { type Duplex, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { LIFELINES, proxied, toOne } from "./_proxied.ts";
import { scenario } from "./_scenario.ts";

const QUESTION = "how many bytes is this?";
const ANSWER = `${QUESTION.length} bytes`;

/** The same question, through one proxy and the other. */
export const main = scenario(import.meta, async (lab) => {
  await using server = lab.serve(async (conn) => {
    const { length } = await readToEnd(conn);
    // The chapter's proxy may be gone by now, and the answer with it.
    await writeAll(conn, new TextEncoder().encode(`${length} bytes`)).catch(() => {});
  });

  lab.say("The chapter's proxy. The client asks, says FIN, and waits for the answer.");
  const theirs = lab.serve((conn) => chaptersProxy(lab, conn, server.addr), "proxy");
  const cut = await ask(lab, theirs.addr);
  await theirs[Symbol.asyncDispose]();
  await server.idle();
  lab.draw({ lifelines: LIFELINES });

  lab.say("The same through serveProxy: FIN goes one way, the answer comes the other.");
  await using ours = await proxied(lab, toOne(lab, server.addr));
  const whole = await ask(lab, ours.addr);
  const { bytesUp, bytesDown, end } = await ours.next();
  lab.draw({ lifelines: LIFELINES });

  lab.check("the chapter's: the answer is lost, and FIN says that this was all", cut, "");
  lab.check("ours: the answer is whole", whole, ANSWER);
  lab.check("ours: every byte was carried", [bytesUp, bytesDown], [QUESTION.length, ANSWER.length]);
  lab.check("ours: the client said FIN first", end.why, "the client said FIN, then the server");
});

/** Asks, says FIN, and hears the answer to its end. */
async function ask(lab: Lab, addr: TcpAddr): Promise<string> {
  using client = await lab.dial(addr);
  await writeAll(client, new TextEncoder().encode(QUESTION));
  await client.closeWrite();
  return new TextDecoder().decode(await readToEnd(client));
}

/** The chapter's `proxy()`, line for line. */
async function chaptersProxy(lab: Lab, client: Duplex, addr: TcpAddr): Promise<void> {
  const backend = await lab.dial(addr, "proxy");
  await Promise.all([forward(client, backend), forward(backend, client)]);
}

/** The chapter's `forward()`; what it does not catch ends its thread. */
async function forward(source: Duplex, destination: Duplex): Promise<void> {
  const buffer = new Uint8Array(4096);
  try {
    while (true) {
      const n = await source.read(buffer);
      if (n === null) break;
      await writeAll(destination, buffer.subarray(0, n));
    }
  } catch {
    // The other thread has closed it.
  } finally {
    source[Symbol.dispose]();
    destination[Symbol.dispose]();
  }
}

if (import.meta.main) await run(main, import.meta);
