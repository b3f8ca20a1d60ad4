#!/usr/bin/env -S deno run --allow-net=127.0.0.1 --allow-run=tcpdump
/**
 * Pooling: ten requests, one connection
 *
 * Chapter §3.2.3: Cas d'usage réel : connection pooling
 *
 * A connection that was good for one request is good for the next one. A pool keeps
 * it, lends it, and takes it back. Ten requests on ten connections are ten handshakes,
 * each of which takes a round trip before the first byte may go, and ten farewells;
 * ten requests from a pool are one handshake.
 *
 * How often hands are shaken is counted by the server, and on the wire where `tcpdump`
 * may run. How much time that saves is measured: on loopback, where a round trip takes
 * microseconds. On a network with 50 ms to the server and back, a request with a
 * handshake takes 100 ms, and one without takes 50.
 *
 *     deno task lab pooling
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
import { dial } from "../../lib/client/dial.ts";
import { PoolTimeline } from "../../lib/client/pool_timeline.ts";
import { tcpPool } from "../../lib/client/pool_tcp.ts";
import { traced } from "../../lib/observe/trace.ts";
import { rawEcho } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { chunks, type Duplex, readExact, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab, LabServer } from "./_lab.ts";
import { scenario } from "./_scenario.ts";
import type { LabWire } from "./_wire.ts";

const REQUESTS = 10;

/** What is measured: rounds of so many requests. */
const ROUNDS = 5;
const MEASURED = 100;

/** Ten requests without a pool and with one; then how long that takes. */
export const main = scenario(import.meta, async (lab) => {
  let accepted = 0;
  await using server = lab.serve(async (conn) => {
    accepted++;
    for await (const chunk of chunks(conn)) await writeAll(conn, chunk);
  });
  const wire = await lab.wire(server.addr);

  lab.say(`${REQUESTS} requests, each on a connection of its own.`);
  await eachOnItsOwn(lab, server, wire);
  const alone = accepted;
  await checkHandshakes(lab, wire, "without a pool", REQUESTS);

  lab.say(`${REQUESTS} requests from a pool, which may hold 4 connections.`);
  await fromPool(lab, server, wire);
  const pooled = accepted - alone;
  await checkHandshakes(lab, wire, "with a pool", 1);

  lab.check("without a pool the server accepted as many connections", alone, REQUESTS);
  lab.check("with a pool it accepted one", pooled, 1);
  await race(lab);
});

async function eachOnItsOwn(lab: Lab, server: LabServer, wire: LabWire): Promise<void> {
  for (let request = 0; request < REQUESTS; request++) {
    using conn = await lab.dial(server.addr);
    await ask(conn, request);
    await conn.closeWrite();
    await conn.read(new Uint8Array(1)); // FIN
  }
  await server.idle();
  await wire.settled();
  lab.draw();
}

async function fromPool(lab: Lab, server: LabServer, wire: LabWire): Promise<void> {
  const timeline = new PoolTimeline();
  const ids = new Set<number>();
  {
    await using pool = tcpPool(server.addr, { max: 4, onEvent: (event) => timeline.add(event) });
    for (let request = 0; request < REQUESTS; request++) {
      using lease = await pool.acquire();
      const conn = ids.has(lease.id)
        ? traced(lease.value, "client", lab.trace)
        : await lab.connect(server.addr, "client", () => Promise.resolve(lease.value));
      ids.add(lease.id);
      await ask(conn, request);
    }
  }
  await server.idle();
  await wire.settled();
  lab.draw();
  const [life, ...others] = timeline.lives;
  const holds = timeline.spans.filter(({ kind }) => kind === "hold").length;
  lab.check("the pool opened one, and lent it for each request", [
    others.length,
    life?.id,
    holds,
  ], [0, 1, REQUESTS]);
}

async function ask(conn: Duplex, request: number): Promise<void> {
  await writeAll(conn, Uint8Array.of(request));
  await readExact(conn, 1);
}

/** Claims how many connections were begun on the wire since the last such claim. */
async function checkHandshakes(
  lab: Lab,
  wire: LabWire,
  what: string,
  times: number,
): Promise<void> {
  const claim = `${what}: ${times === 1 ? "one handshake" : `${times} handshakes`} on the wire`;
  const seen = await wire.next(2 * times, { flags: ["SYN"] });
  if (seen === undefined) return lab.unseen(claim, wire.unseen!);
  const handshake = ["client SYN", "server SYN-ACK"];
  lab.check(claim, seen, Array.from({ length: times }, () => handshake).flat());
}

/** The same many times over, off the record, one after the other in each round. */
async function race(lab: Lab): Promise<void> {
  const { signal } = lab;
  await using server = serveTcp({ signal }, rawEcho);
  await using pool = tcpPool(server.addr);
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await timed(() => once(server.addr, signal));
    const pooled = await timed(() => pool.use((conn) => ask(conn, 1)));
    ratios.push(alone / pooled);
  }
  const ratio = ratios.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
  const saved = Math.round((1 - 1 / ratio) * 100);
  lab.say(
    `On loopback, a request from the pool is ${ratio.toFixed(1)} times as fast: ` +
      `${saved} % of the time was handshakes and farewells.`,
  );
  lab.check("a request from the pool takes less time", ratio > 1);
  lab.check("the pool has opened one connection all the while", pool.stats.opened, 1);
}

async function once(addr: TcpAddr, signal: AbortSignal): Promise<void> {
  using conn = await dial(addr, { signal });
  await ask(conn, 1);
}

/** How many milliseconds so many of them take. */
async function timed(request: () => Promise<void>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < MEASURED; i++) await request();
  return performance.now() - start;
}

if (import.meta.main) await run(main, import.meta);
