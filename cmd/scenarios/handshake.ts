#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=ss,tcpdump
/**
 * The handshake: SYN, SYN-ACK, ACK, and no program has a hand in it
 *
 * Chapter §3.3: Le 3-way handshake en détail
 *
 * A server that listens sends nothing: until a client dials, the wire is silent.
 * Then three segments go, and it is the kernels who send them. accept() is not
 * what answers a SYN: here the server takes nobody over, and still the connection
 * is whole, connect() returns, and bytes that the client writes are acknowledged.
 *
 * What acknowledges says which number it waits for next. Each byte has one; so do
 * SYN and FIN, which carry none.
 *
 * The states are the kernel's own, by `ss`; the segments are those that `tcpdump`
 * saw. Where one of them cannot run, the lesson says what it could not see.
 *
 *     deno task lab handshake
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

import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import { scenario } from "./_scenario.ts";

const HELLO = "hello";

/** Nobody is accepted until both kernels have shaken hands, and bytes have come. */
export const main = scenario(import.meta, async (lab) => {
  let heard = "";
  lab.say("The server listens. Nothing goes over the wire.");
  await using server = lab.serve(async (conn) => {
    heard = new TextDecoder().decode(await readToEnd(conn));
  });
  const wire = await lab.wire(server.addr);
  server.suspend();
  await lab.checkState("the kernel has a socket that listens", server.addr, { server: "LISTEN" });
  await lab.checkWire("before connect(), nothing is on the wire", wire, []);

  lab.say("connect() sends SYN, and returns when the answer has come. Nobody accepts yet.");
  using client = await lab.dial(server.addr);
  await lab.checkWire("three segments make a connection", wire, [
    "client SYN",
    "server SYN-ACK",
    "client ACK",
  ]);
  await lab.checkState("both ends are ESTABLISHED before any accept()", client, {
    client: "ESTABLISHED",
    server: "ESTABLISHED",
  });
  await writeAll(client, new TextEncoder().encode(HELLO));
  await lab.checkWire("bytes are acknowledged by a kernel, which no program has read", wire, [
    `client PSH-ACK ${HELLO.length} B`,
    "server ACK",
  ]);

  lab.say("The server's program takes it over: all has been there for a while.");
  server.resume();
  await client.closeWrite();
  await client.read(new Uint8Array(1));
  client[Symbol.dispose]();
  await server.idle();
  await wire.settled();
  lab.draw();

  const [connect] = lab.calls("client", "connect");
  const [accept] = lab.calls("server", "accept");
  lab.check("accept() returned long after connect() had", accept!.end! > connect!.end!);
  lab.check("what was written before accept() is read after it", heard, HELLO);
  const claim = "SYN and FIN take a number each, as if they were bytes";
  const last = wire.segments.findLast(({ who }) => who === "server");
  if (wire.unseen === undefined) lab.check(claim, last?.ack, 1 + HELLO.length + 1);
  else lab.unseen(claim, wire.unseen);
});

if (import.meta.main) await run(main, import.meta);
