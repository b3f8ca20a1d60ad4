#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A load balancer: whom each connection goes to, and whether that is fair
 *
 * Chapter §9.2: Load Balancer simple (Round-Robin)
 *
 * The chapter's balancer counts: first server, second, third, and again. Here servers have
 * weights, and the five ways to choose that there are get the same day of 20,000 connections.
 * Fair is who gives each server its due. Last, a server leaves: then who chooses by the
 * client's address should leave most clients where they are.
 *
 *     deno task lab balance
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

import { type Algorithm, ALGORITHMS } from "../../lib/proxy/balance_algorithms.ts";
import { Balancer } from "../../lib/proxy/balancer.ts";
import { fairness, type TraceConn } from "../../lib/proxy/fairness.ts";
import { ServerQueue } from "../../lib/proxy/server_queue.ts";
import { toBalanced } from "../../lib/proxy/upstream.ts";
import { dial } from "../../lib/client/dial.ts";
import type { TcpAddr } from "../../lib/addr.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { dice } from "../../lib/world.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { proxied } from "./_proxied.ts";
import { scenario } from "./_scenario.ts";

/** Four connections that are drawn, a day that is counted, and a server that leaves. */
export const main = scenario(import.meta, async (lab) => {
  await fourConnections(lab);
  aDay(lab);
  oneLeaves(lab);
  lab.draw({ lifelines: ["client", "proxy", "a", "b"] });
});

async function fourConnections(lab: Lab): Promise<void> {
  const serving = (name: string) =>
    lab.serve(async (conn) => {
      await writeAll(conn, new TextEncoder().encode(name));
      await readToEnd(conn);
    }, name);
  await using a = serving("a");
  await using b = serving("b");
  const balancer = new Balancer<TcpAddr>({ algorithm: "round-robin" });
  balancer.add("a", a.addr);
  balancer.add("b", b.addr, { weight: 3 });
  const connect = toBalanced(new ServerQueue(balancer), {
    open: (addr, signal) => lab.connect(addr, "proxy", () => dial(addr, { signal })),
  });
  lab.say("Two servers, of which b is due three times as much as a; and four clients in a row.");
  await using proxy = await proxied(lab, connect);
  const served: string[] = [];
  for (let i = 0; i < 4; i++) {
    using client = await lab.dial(proxy.addr);
    served.push(new TextDecoder().decode(await readExact(client, 1)));
    await client.closeWrite();
    await client.read(new Uint8Array(1));
    await proxy.next();
  }

  lab.check("round-robin: one for a, three for b, and not in a row", served.join(""), "babb");
}

const WEIGHTS = { a: 1, b: 2, c: 5 };

/** Twenty thousand connections of many clients; how long one lasts is left to the dice. */
function day(): TraceConn[] {
  const roll = dice(7);
  return Array.from({ length: 20_000 }, (_, i) => ({
    key: `10.0.${i % 251}.${i % 241}`,
    lasts: Math.floor(roll() * 600),
  }));
}

function aDay(lab: Lab): void {
  lab.say("20,000 connections to servers of the weights 1, 2 and 5:");
  const trace = day();
  const worst = new Map<Algorithm, number>();
  for (const algorithm of ALGORITHMS) {
    const report = fairness(algorithm, WEIGHTS, trace);
    const shares = report.servers.map(({ id, share, due }) => `${id} ${percent(share, due)}`);
    lab.say(`${algorithm}: ${shares.join(", ")}`);
    if (report.weighted) worst.set(algorithm, report.worst);
  }
  for (const [algorithm, off] of worst) {
    lab.check(`${algorithm}: each server's share is within 5 % of its due`, off <= 0.05);
  }
}

function percent(share: number, due: number): string {
  return `${(share * 100).toFixed(1)} % (due ${(due * 100).toFixed(1)})`;
}

/** How many of the clients go somewhere else when one of `count` servers leaves. */
function moved(choose: (key: string, servers: readonly string[]) => string, count: number): number {
  const before = Array.from({ length: count }, (_, i) => `s${i}`);
  const after = before.filter((id) => id !== "s1");
  const clients = Array.from({ length: 10_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  return clients.filter((key) => choose(key, before) !== choose(key, after)).length /
    clients.length;
}

function oneLeaves(lab: Lab): void {
  const consistent = moved((key, servers) => {
    const balancer = new Balancer<string>({ algorithm: "source-hash" });
    for (const id of servers) balancer.add(id, id);
    return balancer.pick({ key }).lease!.id;
  }, 5);
  const modulo = moved((key, servers) => servers[sum(key) % servers.length]!, 5);
  lab.say("Of five servers, one leaves. So many clients come to another server than before:");
  lab.say(`source-hash: ${(consistent * 100).toFixed(1)} %`);
  lab.say(`a number from the address, modulo the servers: ${(modulo * 100).toFixed(1)} %`);

  lab.check("source-hash: a fifth has to move, and hardly anybody else", consistent <= 0.25);
  lab.check("modulo: most move", modulo > 0.5);
}

/** A hash for the comparison: FNV-1a. */
function sum(key: string): number {
  let hash = 0x811c9dc5;
  for (const char of key) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return hash;
}

if (import.meta.main) await run(main, import.meta);
