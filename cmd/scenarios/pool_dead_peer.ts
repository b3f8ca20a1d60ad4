#!/usr/bin/env -S deno run --allow-net=127.0.0.1
/**
 * A pool and a peer that is gone: who lends a dead connection
 *
 * Chapter §3.2.3: Cas d'usage réel : connection pooling
 *
 * While a connection waits in a pool, its server may end it: it is restarted, or it
 * closes what has been silent for long. The chapter's pool is a queue, and looks at
 * nothing. It lends what is dead: the first write passes, since it only fills a buffer,
 * and then there is no answer. Worse is a connection on which an answer comes late:
 * the next borrower takes it for the answer to its own question.
 *
 * The pool of this toolkit has a read waiting on each connection that is free, so it
 * hears of FIN, of RST, and of bytes that nobody asked for, and closes what is not as
 * it was. Before it lends one, it makes sure that nothing lies in the kernel.
 *
 *     deno task lab pool_dead_peer
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
import type { PoolEvent } from "../../lib/client/pool_events.ts";
import type { Pool } from "../../lib/client/pool_handle.ts";
import type { LentConn } from "../../lib/client/pool_lent_conn.ts";
import { tcpPool } from "../../lib/client/pool_tcp.ts";
import { traced } from "../../lib/observe/trace.ts";
import { type Duplex, readExact, type Resettable, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable, type ResettableListener } from "../../lib/stream/resettable.ts";
import { run } from "../_cli.ts";
import type { Lab } from "./_lab.ts";
import { scenario } from "./_scenario.ts";

/** What a server may do to a connection that lies in a pool, by what `tcpPool` says of it. */
interface End {
  readonly what: string;
  readonly end: (server: Duplex & Resettable) => unknown;
}

const ENDS = {
  finished: {
    what: "The server says that it is done: FIN.",
    end: (server: Duplex) => server.closeWrite(),
  },
  reset: {
    what: "The server resets it: RST.",
    end: (server: Resettable) => server.reset(),
  },
  unexpected: {
    what: "The server sends an answer that comes too late.",
    end: (server: Duplex) => writeAll(server, text("late")),
  },
} satisfies Record<string, End>;

/** What a borrower may do with a pool of either kind. */
interface Lending extends AsyncDisposable {
  /** Borrows one for as long as `fn` runs. */
  lend<T>(fn: (conn: Duplex, fresh: boolean) => Promise<T>): Promise<T>;
  /** Resolves when the pool has heard that what lies in it has ended, if it is one that listens. */
  heard?(): Promise<void>;
}

/** Each end, on the chapter's pool and on ours. */
export const main = scenario(import.meta, async (lab) => {
  await chapters(lab);
  for (const [reason, { what, end }] of Object.entries(ENDS)) {
    const reasons: string[] = [];
    const { fresh, answer } = await lendTwice(
      lab,
      `tcpPool. ${what}`,
      (addr) => new OurPool(lab, addr, reasons),
      end,
    );
    lab.check(`tcpPool: closed as ${reason}, before anybody came`, reasons[0], reason);
    lab.check(`tcpPool, ${reason}: the next one gets another, and its answer`, [fresh, answer], [
      true,
      "pong",
    ]);
  }
});

async function chapters(lab: Lab): Promise<void> {
  const lent = ({ what, end }: End) =>
    lendTwice(lab, `The chapter's pool. ${what}`, (addr) => new ChapterPool(lab, addr), end);
  const fin = await lent(ENDS.finished);
  lab.check("the chapter's pool, FIN: it lends the dead, and the first write passes", [
    fin.fresh,
    fin.wrote,
  ], [false, true]);
  lab.check(
    "the chapter's pool, FIN: an end instead of an answer",
    fin.answer,
    "UnexpectedEofError",
  );
  const rst = await lent(ENDS.reset);
  lab.check("the chapter's pool, RST: it lends the dead", rst.fresh, false);
  lab.check(
    "the chapter's pool, RST: an error instead of an answer",
    ["ECONNRESET", "EPIPE"].includes(rst.answer),
  );
  const late = await lent(ENDS.unexpected);
  lab.check("the chapter's pool, bytes: the answer is to another question", [
    late.fresh,
    late.answer,
  ], [false, "late"]);
}

/** What the second borrower met. */
interface Told {
  /** Whether it was lent another connection than the first one. */
  readonly fresh: boolean;
  /** Whether its question could be written. */
  readonly wrote: boolean;
  /** What it read, or the error it got. */
  readonly answer: string;
}

/** One borrows, asks and gives back; the server ends it; another one borrows and asks. */
async function lendTwice(
  lab: Lab,
  what: string,
  poolOf: (addr: TcpAddr) => Lending,
  end: End["end"],
): Promise<Told> {
  lab.say(what);
  using listener = await listenResettable();
  const told = await borrowTwice(lab, listener, poolOf(listener.addr), end);
  lab.draw();
  return told;
}

async function borrowTwice(
  lab: Lab,
  listener: ResettableListener,
  lending: Lending,
  end: End["end"],
): Promise<Told> {
  using ends = new DisposableStack();
  await using pool = lending;
  const accept = async () => ends.use(lab.accepted(await listener.accept()));
  const server = await pool.lend(async (conn) => {
    const server = await accept();
    await Promise.all([answer(server), ask(conn)]);
    return server;
  });
  await end(server);
  await pool.heard?.();
  return await pool.lend(async (conn, fresh) => {
    // Only a connection that is new has somebody at its other end.
    const answering = fresh ? accept().then(answer) : undefined;
    const told = await ask(conn);
    await answering;
    return { fresh, ...told };
  });
}

async function answer(server: Duplex): Promise<void> {
  await readExact(server, 4);
  await writeAll(server, text("pong"));
}

async function ask(conn: Duplex): Promise<Omit<Told, "fresh">> {
  let wrote = false;
  try {
    await writeAll(conn, text("ping"));
    wrote = true;
    return { wrote, answer: new TextDecoder().decode(await readExact(conn, 4)) };
  } catch (error) {
    const { code, name } = error as Error & { code?: string };
    return { wrote, answer: code ?? name };
  }
}

/** The chapter's pool, with one connection: a queue. */
class ChapterPool implements Lending {
  readonly #lab: Lab;
  readonly #addr: TcpAddr;
  readonly #queue: Duplex[] = [];

  constructor(lab: Lab, addr: TcpAddr) {
    this.#lab = lab;
    this.#addr = addr;
  }

  async lend<T>(fn: (conn: Duplex, fresh: boolean) => Promise<T>): Promise<T> {
    const kept = this.#queue.shift();
    const conn = kept ?? await this.#lab.dial(this.#addr);
    const result = await fn(conn, kept === undefined);
    this.#queue.push(conn);
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const conn of this.#queue) conn[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** The pool of this toolkit, with one connection. */
class OurPool implements Lending {
  readonly #lab: Lab;
  readonly #addr: TcpAddr;
  readonly #pool: Pool<LentConn>;
  readonly #heard = Promise.withResolvers<void>();
  readonly #lent = new Set<number>();

  /** Writes down in `reasons` why it closes what it closes. */
  constructor(lab: Lab, addr: TcpAddr, reasons: string[]) {
    this.#lab = lab;
    this.#addr = addr;
    const onEvent = (event: PoolEvent) => {
      if (event.type !== "closed") return;
      reasons.push(event.reason);
      this.#heard.resolve();
    };
    this.#pool = tcpPool(addr, { max: 1, signal: lab.signal, onEvent });
  }

  async lend<T>(fn: (conn: Duplex, fresh: boolean) => Promise<T>): Promise<T> {
    using lease = await this.#pool.acquire();
    const fresh = !this.#lent.has(lease.id);
    this.#lent.add(lease.id);
    const { value } = lease;
    const conn = fresh
      ? await this.#lab.connect(this.#addr, "client", () => Promise.resolve(value))
      : traced(value, "client", this.#lab.trace);
    return await fn(conn, fresh);
  }

  heard(): Promise<void> {
    return this.#heard.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

function text(words: string): Uint8Array {
  return new TextEncoder().encode(words);
}

if (import.meta.main) await run(main, import.meta);
