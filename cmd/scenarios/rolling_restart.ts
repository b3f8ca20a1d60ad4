#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A rolling restart: two servers are replaced under load, and nothing is lost
 *
 * Chapter §9.2: Load Balancer simple (Round-Robin)
 *
 * A server that is simply restarted cuts off whoever it was serving. Instead it is drained: it
 * gets no new connection, keeps those that it has until they end, and goes when there are none.
 * Meanwhile the other server takes what comes. Then it is the other one's turn.
 *
 *     deno task lab rolling_restart
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
import { serveProxy } from "../../lib/proxy/proxy.ts";
import { parseServerList } from "../../lib/proxy/server_list.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { type Duplex, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { proxied } from "./_proxied.ts";
import { scenario } from "./_scenario.ts";

/** Clients, and what each asks over one connection before it opens another. */
const CLIENTS = 20;
const QUESTIONS = 5;

/** Two connections that are drawn, then a crowd. */
export const main = scenario(import.meta, async (lab) => {
  await twoConnections(lab);
  lab.say(`${CLIENTS} clients ask all the time, ${QUESTIONS} questions over each connection.`);
  const hard = await underLoad(lab, "hard");
  lab.say(`Both servers restarted at once: ${shown(hard)}`);
  const gentle = await underLoad(lab, "gentle");
  lab.say(`One after the other, each drained first: ${shown(gentle)}`);
  lab.draw({ lifelines: ["client", "proxy", "old", "new"] });

  lab.check("at once: who was being served is cut off", hard.lost > 0);
  lab.check("rolling: every question had its answer", gentle.lost, 0);
  lab.check("rolling: both old servers cut nobody off", gentle.cut, 0);
  lab.check("rolling: the new ones have taken over", gentle.served.join(", "), "a2, b2");
});

async function twoConnections(lab: Lab): Promise<void> {
  const answering = async (conn: Duplex, name: string) => {
    while (await conn.read(new Uint8Array(1)) !== null) {
      await writeAll(conn, new TextEncoder().encode(name));
    }
  };
  await using old = lab.serve((conn) => answering(conn, "o"), "old");
  await using fresh = lab.serve((conn) => answering(conn, "n"), "new");
  await using fleet = new Fleet(listOf({ old: old.addr }), {
    open: (addr, signal) => lab.connect(addr, "proxy", () => dial(addr, { signal })),
  });
  await using proxy = await proxied(lab, fleet.connect);
  lab.say("A client is being served by the old server.");
  using first = await lab.dial(proxy.addr);
  const heard = [await ask(first)];
  lab.say("The list has a new server, and the old one is to drain. Another client comes.");
  fleet.reload(parseServerList(
    `old=${formatAddr(old.addr)} drain, new=${formatAddr(fresh.addr)}`,
  ));
  using second = await lab.dial(proxy.addr);
  heard.push(await ask(second));
  lab.say("The first one goes on with the old server, until it has had enough.");
  heard.push(await ask(first));
  const before = fleet.balancer.servers.map(({ id, active }) => `${id} ${active}`).join(", ");
  await first.closeWrite();
  await first.read(new Uint8Array(1));
  await proxy.next();
  const after = fleet.balancer.servers.map(({ id, active }) => `${id} ${active}`).join(", ");
  await second.closeWrite();
  await second.read(new Uint8Array(1));
  lab.draw({ lifelines: ["client", "proxy", "old", "new"] });

  lab.check(
    "drawn: the first is served by the old one, the second by the new",
    heard.join(""),
    "ono",
  );
  lab.check("drawn: while it drains, the old one keeps its connection", before, "old 1, new 1");
  lab.check("drawn: then it has none, and may go", after, "old 0, new 1");
}

async function ask(conn: Duplex): Promise<string> {
  await writeAll(conn, new TextEncoder().encode("?"));
  return new TextDecoder().decode(await readExact(conn, 1));
}

/** What became of the load. */
interface Outcome {
  readonly answered: number;
  readonly lost: number;
  /** Connections that the old servers cut off. */
  readonly cut: number;
  /** Who serves in the end. */
  readonly served: string[];
}

function shown({ answered, lost }: Outcome): string {
  return lost === 0
    ? "every question was answered"
    : `${lost > 0 && answered > 0 ? "some" : "all"} were lost`;
}

/** A server that says its name to every question. */
function named(name: string): TcpServer {
  return serveTcp({ onError: () => {} }, async (conn) => {
    while (await conn.read(new Uint8Array(1)) !== null) {
      await writeAll(conn, new TextEncoder().encode(name.padEnd(2)));
    }
  });
}

async function underLoad(lab: Lab, how: "hard" | "gentle"): Promise<Outcome> {
  const servers = { a: named("a"), b: named("b") };
  const fresh = { a: named("a2"), b: named("b2") };
  await using fleet = new Fleet(listOf({ a: servers.a.addr, b: servers.b.addr }));
  await using proxy = serveProxy({ connect: fleet.connect, signal: lab.signal });
  const load = new Load(proxy.addr);
  await load.answers(100);
  let cut = 0;
  if (how === "hard") {
    const lists = listOf({ a2: fresh.a.addr, b2: fresh.b.addr });
    cut += (await servers.a.abort()).closed + (await servers.b.abort()).closed;
    fleet.reload(lists);
  } else {
    // First a: the new one comes, the old one drains, and goes when it is alone.
    fleet.reload(parseServerList(
      `a=${formatAddr(servers.a.addr)} drain, a2=${formatAddr(fresh.a.addr)},` +
        `b=${formatAddr(servers.b.addr)}`,
    ));
    await idle(fleet, "a");
    cut += (await servers.a.shutdown()).cut;
    fleet.reload(parseServerList(
      `a2=${formatAddr(fresh.a.addr)}, b=${formatAddr(servers.b.addr)} drain,` +
        `b2=${formatAddr(fresh.b.addr)}`,
    ));
    await idle(fleet, "b");
    cut += (await servers.b.shutdown()).cut;
    fleet.reload(listOf({ a2: fresh.a.addr, b2: fresh.b.addr }));
  }
  load.names.clear();
  await load.answers(200);
  const { answered, lost } = await load.stop();
  await Promise.all([...Object.values(fresh), ...Object.values(servers)].map((s) => s.shutdown()));
  return { answered, lost, cut, served: [...load.names].sort() };
}

/** Waits until a server has no connection. */
function idle({ balancer }: Fleet, id: string): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (balancer.servers.some((server) => server.id === id && server.active > 0)) return;
      forget();
      resolve();
    };
    const forget = balancer.onChange(look);
    look();
  });
}

/** Clients who ask for as long as they are not stopped. */
class Load {
  /** Who has answered. */
  readonly names = new Set<string>();
  answered = 0;
  lost = 0;
  #stopped = false;
  #wake = (_question: number) => {};
  readonly #clients: Promise<void>[];

  constructor(addr: TcpAddr) {
    this.#clients = Array.from({ length: CLIENTS }, () => this.#client(addr));
  }

  async #client(addr: TcpAddr): Promise<void> {
    while (!this.#stopped) {
      try {
        using conn = await dial(addr);
        for (let i = 0; i < QUESTIONS; i++) {
          await writeAll(conn, Uint8Array.of(63));
          this.names.add(new TextDecoder().decode(await readExact(conn, 2)).trim());
          this.answered++;
          this.#wake(i);
        }
        await conn.closeWrite();
        await readToEnd(conn);
      } catch {
        this.lost++;
      }
    }
  }

  /** Waits for so many more answers, and then for one that is not a connection's last. */
  async answers(count: number): Promise<void> {
    const enough = this.answered + count;
    const answer = () => new Promise<number>((resolve) => this.#wake = resolve);
    for (let at = QUESTIONS; this.answered < enough || at > 1;) at = await answer();
  }

  async stop(): Promise<{ answered: number; lost: number }> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    return this;
  }
}

function listOf(servers: Record<string, TcpAddr>) {
  return parseServerList(
    Object.entries(servers).map(([id, addr]) => `${id}=${formatAddr(addr)}`).join(","),
  );
}

if (import.meta.main) await run(main, import.meta);
