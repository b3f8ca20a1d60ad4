#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Partial writes: what one `write` really took
 *
 * Chapter §4.1: send() - Envoi de données
 *
 * A `write` hands bytes to the kernel. It resolves with how many the kernel took,
 * which is as many as it had room for: here, in its own send buffer and in the
 * receive buffer of a peer who does not read. Who ignores that number loses the
 * rest without any error, and nobody will ever know.
 *
 * `writeAll` is the loop around it, Python's sendall(). It ends when all is taken,
 * so it is as slow as the peer reads: that is flow control, and it is a feature.
 *
 *     deno task lab partial_write
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

import { chunks, type Reader, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** More than both kernels hold: Linux lets these buffers grow to 4 MiB and to 32 MiB. */
const SIZE = 64 * 1024 * 1024;

/** One write and its loss, then all of it. */
export const main = scenario(import.meta, async (lab) => {
  const data = new Uint8Array(SIZE);
  for (let at = 0; at < SIZE; at++) data[at] = at % 251;
  await once(lab, data);
  await all(lab, data);
});

async function once(lab: Lab, data: Uint8Array): Promise<void> {
  const written = Promise.withResolvers<void>();
  let received = 0;
  lab.say("64 MiB in one write, to a server that does not read yet.");
  await using server = lab.serve(async (conn) => {
    await written.promise;
    received = await countAlike(conn, data);
  });
  using client = await lab.dial(server.addr);
  const taken = await client.write(data);
  lab.say("Who takes that for all of it says FIN now. The server reads what there is.");
  await client.closeWrite();
  written.resolve();
  await server.idle();
  client[Symbol.dispose]();
  lab.draw();

  lab.check("one write took something, but not all", taken > 0 && taken < SIZE);
  lab.check("what it took is what came, and nobody heard of the rest", received, taken);
}

async function all(lab: Lab, data: Uint8Array): Promise<void> {
  let received = 0;
  lab.say("The same with writeAll: what was not taken is offered again.");
  await using server = lab.serve(async (conn) => {
    received = await countAlike(conn, data);
  });
  using client = await lab.dial(server.addr);
  await writeAll(client, data);
  await client.closeWrite();
  await server.idle();
  client[Symbol.dispose]();
  lab.draw();

  const writes = lab.calls("client", "write").slice(1); // the first one is of the other client
  lab.check("writeAll: all of it came, in the order in which it was sent", received, SIZE);
  lab.check("writeAll: that took more than one write", writes.length > 1);
}

/** How many bytes come until FIN, as long as they are those of `data`. */
async function countAlike(from: Reader, data: Uint8Array): Promise<number> {
  let count = 0;
  for await (const chunk of chunks(from)) {
    for (const byte of chunk) if (byte !== data[count++]) return -1;
  }
  return count;
}

if (import.meta.main) await run(main, import.meta);
