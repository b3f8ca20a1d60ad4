#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * Failover: a server dies under load, and no client that comes notices
 *
 * Chapter §9.2: Load Balancer simple (Round-Robin)
 *
 * The chapter's balancer goes on sending every third client to a server that is dead, and
 * closes on them. Here a connection that a server does not take goes to the next one, before
 * the client has noticed anything, and what the balancer learns by it keeps others from trying.
 * Who was connected to the dead server is cut off: no balancer can finish what that had begun.
 *
 *     deno task lab failover
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

import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { Fleet } from "../../lib/proxy/fleet.ts";
import { connectProbe } from "../../lib/proxy/probes.ts";
import { serveProxy } from "../../lib/proxy/proxy.ts";
import type { ProxyRecord } from "../../lib/proxy/proxy_record.ts";
import { parseServerList } from "../../lib/proxy/server_list.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable, type ResettableListener } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { LIFELINES, proxied } from "./_proxied.ts";
import { scenario } from "./_scenario.ts";

/** Rounds of clients, and clients in each. */
const ROUNDS = 8;
const CLIENTS = 30;

/** After which round a server dies, and after which another one takes its place. */
const DIES = 3;
const JOINS = 6;

/** A connection that is drawn, then a crowd through the chapter's balancer and through ours. */
export const main = scenario(import.meta, async (lab) => {
  await oneConnection(lab);
  await crowds(lab);
});

async function oneConnection(lab: Lab): Promise<void> {
  lab.say("One connection: the first server refuses, and the second one is asked.");
  await using alive = lab.serve(async (conn) => {
    await writeAll(conn, new TextEncoder().encode("b"));
    await readToEnd(conn);
  });
  const dead = await listenResettable();
  dead.close();
  await using fleet = new Fleet(listOf({ a: dead.addr, b: alive.addr }), {
    algorithm: "first",
    open: (addr, signal) => lab.connect(addr, "proxy", () => dial(addr, { signal })),
  });
  await using proxy = await proxied(lab, fleet.connect);
  using client = await lab.dial(proxy.addr);
  const heard = await readExact(client, 1);
  await client.closeWrite();
  await client.read(new Uint8Array(1));
  client[Symbol.dispose]();
  const { server, retries, end } = await proxy.next();
  lab.draw({ lifelines: LIFELINES });

  lab.check("one: the client was served, as if nothing had been", heard, new Uint8Array([98]));
  lab.check("one: the log knows of the retry", { server, retries, end: end.code }, {
    server: "b",
    retries: 1,
    end: "--",
  });
}

async function crowds(lab: Lab): Promise<void> {
  lab.say(
    `${ROUNDS} rounds of ${CLIENTS} clients, three servers. b dies after round ${DIES}, a new ` +
      `server d comes after round ${JOINS}.`,
  );
  const theirs = await chaptersDay();
  for (const [i, round] of theirs.entries()) {
    lab.say(`the chapter's, round ${i + 1}: ${shown(round)}`);
  }
  const { rounds: ours, retries, cut, reason } = await ourDay(lab);
  for (const [i, round] of ours.entries()) lab.say(`ours, round ${i + 1}: ${shown(round)}`);
  lab.say(`Connections that had to go to another server: ${retries}. b was down: ${reason}`);
  lab.draw();

  const lost = (rounds: Round[]) => rounds.reduce((sum, round) => sum + (round.get("-") ?? 0), 0);
  lab.check("the chapter's: a third fails in every round after that", lost(theirs), 50);
  lab.check("ours: no client fails", lost(ours), 0);
  lab.check("ours: some had to go to another server", retries > 0);
  lab.check("ours: and nobody did once the balancer knew", retries < CLIENTS);
  lab.check("ours: who was connected to b was cut off, and the log says so", cut, "SD");
  lab.check("ours: the new server gets its share", ours.at(-1)!.get("d"), CLIENTS / 3);
}

/** How many clients each server has served; `-` are those that nobody has. */
type Round = ReadonlyMap<string, number>;

function shown(round: Round): string {
  const names = [...round.keys()].sort();
  return names.map((name) => `${name === "-" ? "failed" : name} ${round.get(name)}`).join(", ");
}

function named(name: string, listener?: ResettableListener): TcpServer {
  return serveTcp({ listener }, async (conn) => {
    const asked = await readExact(conn, 1);
    if (asked[0] === HOLD) await readToEnd(conn);
    else await writeAll(conn, new TextEncoder().encode(name));
  });
}

/** What a client says who wants to stay. */
const HOLD = 1;

async function one(addr: TcpAddr): Promise<string> {
  try {
    using conn = await dial(addr);
    await writeAll(conn, Uint8Array.of(0));
    await conn.closeWrite();
    return new TextDecoder().decode(await readToEnd(conn)) || "-";
  } catch {
    return "-";
  }
}

async function roundOf(addr: TcpAddr): Promise<Round> {
  const round = new Map<string, number>();
  // Not all at once: each client comes when the one before is being served.
  for (let i = 0; i < CLIENTS; i++) {
    const name = await one(addr);
    round.set(name, (round.get(name) ?? 0) + 1);
  }
  return round;
}

/** The chapter's `LoadBalancer`: a counter, no second try, no checks. */
async function chaptersDay(): Promise<Round[]> {
  await using a = named("a");
  await using b = named("b");
  await using c = named("c");
  const backends = [a.addr, b.addr, c.addr];
  let current = 0;
  await using proxy = serveProxy({
    connect: async () => {
      const addr = backends[current]!;
      current = (current + 1) % backends.length;
      return { conn: await dial(addr), server: formatAddr(addr) };
    },
  });
  const rounds: Round[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    rounds.push(await roundOf(proxy.addr));
    if (round === DIES) await b.abort();
  }
  return rounds;
}

async function ourDay(lab: Lab) {
  await using a = named("a");
  // A process that dies resets its connections.
  await using b = named("b", await listenResettable());
  await using c = named("c");
  await using d = named("d");
  const records: ProxyRecord[] = [];
  await using fleet = new Fleet(listOf({ a: a.addr, b: b.addr, c: c.addr }), {
    health: { probe: connectProbe(), interval: 5000, errorLimit: 1, onError: "mark-down" },
  });
  await using proxy = serveProxy({
    connect: fleet.connect,
    signal: lab.signal,
    onConn: (record) => records.push(record),
  });
  // Three who stay, of whom one is connected to b.
  const staying = await Promise.all([1, 2, 3].map(async () => {
    const conn = await dial(proxy.addr);
    await writeAll(conn, Uint8Array.of(HOLD));
    return conn;
  }));
  const rounds: Round[] = [];
  let reason = "";
  for (let round = 1; round <= ROUNDS; round++) {
    rounds.push(await roundOf(proxy.addr));
    if (round === DIES) await b.abort();
    if (round === JOINS) fleet.reload(listOf({ a: a.addr, c: c.addr, d: d.addr }));
    if (round === DIES + 1) reason = fleet.watch?.state("b")?.reason ?? "";
  }
  for (const conn of staying) conn[Symbol.dispose]();
  await proxy.shutdown();
  const cut = records.find(({ server, bytesUp, end }) =>
    server === "b" && bytesUp === 1 && end.code !== "--"
  );
  return {
    rounds,
    retries: records.reduce((sum, { retries }) => sum + retries, 0),
    cut: cut?.end.code,
    reason,
  };
}

function listOf(servers: Record<string, TcpAddr>) {
  return parseServerList(
    Object.entries(servers).map(([id, addr]) => `${id}=${formatAddr(addr)}`).join(","),
  );
}

if (import.meta.main) await run(main, import.meta);
