import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { tcpAddr } from "../../lib/addr.ts";
import {
  LeaseReleasedError,
  type LentConn,
  PoolClosedError,
  type PoolEvent,
  tcpPool,
  type TcpPoolOptions,
} from "../../lib/client/mod.ts";
import { dial } from "../../lib/client/dial.ts";
import { PooledConn } from "../../lib/client/pool_conn.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { listenResettable, type ResettableConn } from "../../lib/stream/resettable.ts";
import { dice, seededWorld } from "../../lib/world.ts";
import { needs } from "../_needs.ts";

/** A server whose ends the test holds: as they can be closed, reset, and written to at will. */
async function reception() {
  const listener = await listenResettable();
  const stack = new DisposableStack();
  stack.use(listener);
  return {
    addr: listener.addr,
    accept: async (): Promise<ResettableConn> => stack.use(await listener.accept()),
    [Symbol.dispose]: () => stack[Symbol.dispose](),
  };
}

function pooled(addr: { hostname: string; port: number }, options: TcpPoolOptions = {}) {
  const events: PoolEvent[] = [];
  const gone: (() => void)[] = [];
  const pool = tcpPool(addr, {
    ...options,
    onEvent: (event) => {
      events.push(event);
      if (event.type === "closed") { for (const tell of gone.splice(0)) tell(); }
    },
  });
  return {
    pool,
    reasons: () => events.flatMap((event) => event.type === "closed" ? [event.reason] : []),
    /** The next closing. */
    closing: () => new Promise<void>((resolve) => gone.push(resolve)),
  };
}

/** A request of one byte, answered by the test. */
async function exchange(conn: LentConn, server: ResettableConn): Promise<void> {
  await writeAll(conn, Uint8Array.of(1));
  await readExact(server, 1);
  await writeAll(server, Uint8Array.of(2));
  assertEquals(await readExact(conn, 1), Uint8Array.of(2));
}

Deno.test("tcpPool() lends the same connection again and again", async () => {
  using server = await reception();
  const { pool } = pooled(server.addr);
  await using _pool = pool;
  const first = await pool.acquire();
  const end = await server.accept();
  await exchange(first.value, end);
  first.release();
  for (let i = 0; i < 5; i++) {
    using lease = await pool.acquire();
    assertEquals([lease.id, lease.value.remoteAddr.port], [1, server.addr.port]);
    assertEquals(lease.value.localAddr.port, end.remoteAddr.port);
    await exchange(lease.value, end);
  }
  assertEquals(pool.stats.opened, 1);
});

for (const turnBy of ["socket", "timer"] as const) {
  Deno.test(`tcpPool() never lends what has a FIN in the kernel, turns by ${turnBy}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { pool } = pooled(listener.addr, { turnBy });
    await using _pool = pool;
    const rounds = turnBy === "socket" ? 1000 : 50;
    let lease = await pool.acquire();
    for (let round = 0; round < rounds; round++) {
      const server = await listener.accept();
      if (round % 2 === 0) {
        await writeAll(lease.value, Uint8Array.of(1));
        await readExact(server, 1);
        await writeAll(server, Uint8Array.of(2));
        await readExact(lease.value, 1);
      }
      // Before or after it came back: close() has put FIN into our kernel when it returns.
      if (round % 3 === 0) server.close();
      const { id } = lease;
      lease.release();
      if (round % 3 === 1) await pool.acquire().then((again) => again.release());
      if (round % 3 !== 0) server.close();
      lease = await pool.acquire();
      assert(lease.id !== id, `a corpse in round ${round}`);
    }
    lease.release();
    assertEquals(pool.stats.closed, { finished: rounds });
  });

  Deno.test(`a program that is kept waiting lends no corpse either, turns by ${turnBy}`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { pool } = pooled(listener.addr, { turnBy });
    await using _pool = pool;
    let lease = await pool.acquire();
    for (let round = 0; round < 20; round++) {
      const server = await listener.accept();
      lease.release();
      await pool.acquire().then((again) => again.release());
      server.close();
      const { id } = lease;
      const next = pool.acquire();
      // Now whatever timer it has set is due, and is told in one go with the FIN.
      for (const end = performance.now() + 5; performance.now() < end;);
      lease = await next;
      assert(lease.id !== id, `a corpse in round ${round}`);
    }
    lease.release();
  });
}

Deno.test("in a crowd, nobody is lent what had ended before he asked", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  /** Which connection has a client's port now: the kernel gives one again once it is free. */
  const numbers = new Map<number, number>();
  /** Those that the server has ended. */
  const ended = new Set<number>();
  let opened = 0;
  const roll = dice(1);
  const answer = async (conn: Deno.TcpConn) => {
    using _conn = conn;
    const byte = new Uint8Array(1);
    while (await conn.read(byte) !== null) {
      await conn.write(byte);
      for (let pause = roll() * 20; pause > 0; pause--) await undefined;
      if (roll() > 0.2) continue;
      conn.close(); // which has put FIN into the client's kernel when it returns
      ended.add(numbers.get(conn.remoteAddr.port)!);
      return;
    }
  };
  const serving = (async () => {
    // What is written to one whose borrower has given up is an error nobody needs.
    for await (const conn of listener) answer(conn).catch(() => {});
  })();
  let lent = 0;
  {
    await using pool = tcpPool(listener.addr, {
      max: 8,
      prepare: ({ localAddr }) => void numbers.set(localAddr.port, opened++),
    });
    await Promise.all(Array.from({ length: 24 }, async () => {
      for (let i = 0; i < 50; i++) {
        const before = new Set(ended);
        using lease = await pool.acquire();
        const number = numbers.get(lease.value.localAddr.port)!;
        assert(!before.has(number), `number ${number} had ended before`);
        lent++;
        // It may have ended since, which is the borrower's to see.
        await ask(lease.value).catch(() => lease.destroy());
      }
    }));
    assert(pool.stats.opened < lent);
    assert(pool.stats.closed.finished! > 100);
  }
  listener.close();
  await serving;
  assertEquals(lent, 1200);
});

Deno.test("tcpPool() closes an idle connection as soon as the peer ends it, and says how", async () => {
  const ends: [(server: ResettableConn) => void, string][] = [
    [(server) => server[Symbol.dispose](), "finished"],
    [(server) => server.reset(), "reset"],
    [(server) => void server.write(Uint8Array.of(66)), "unexpected"],
  ];
  for (const [end, reason] of ends) {
    using reached = await reception();
    const { pool, reasons, closing } = pooled(reached.addr);
    await using _pool = pool;
    const lease = await pool.acquire();
    const server = await reached.accept();
    lease.release();
    const closed = closing();
    end(server);
    await closed;
    assertEquals([reasons(), pool.stats.size], [[reason], 0]);
  }
});

Deno.test("the bytes that the waiting read brings are the borrower's, all and in order", async () => {
  using reached = await reception();
  const { pool } = pooled(reached.addr);
  await using _pool = pool;
  (await pool.acquire()).release();
  const server = await reached.accept();
  using lease = await pool.acquire();
  const sent = Uint8Array.from({ length: 10_000 }, (_, i) => i);
  const buffers = [3, 5000, 1, 4, 9_992].map((size) => new Uint8Array(size));
  // Several reads at once, of which the waiting one serves the first ones.
  const reads = buffers.slice(0, 4).map((buffer) => lease.value.read(buffer));
  assertEquals(await lease.value.read(new Uint8Array(0)), 0);
  await writeAll(server, sent);
  await server.closeWrite();
  const got: number[] = [];
  for (const [i, n] of (await Promise.all(reads)).entries()) {
    got.push(...buffers[i]!.subarray(0, n!));
  }
  got.push(...await readToEnd(lease.value));
  assertEquals(Uint8Array.from(got), sent);
  assertEquals(await lease.value.read(new Uint8Array(1)), null);
});

Deno.test("a read that comes while others wait does not overtake them", async () => {
  using reached = await reception();
  const { pool } = pooled(reached.addr);
  await using _pool = pool;
  (await pool.acquire()).release();
  const server = await reached.accept();
  using lease = await pool.acquire();
  const buffers = [1, 2, 3].map(() => new Uint8Array(1));
  const first = lease.value.read(buffers[0]!);
  const second = lease.value.read(buffers[1]!);
  const third = first.then(() => lease.value.read(buffers[2]!));
  await writeAll(server, Uint8Array.of(1));
  await first;
  await writeAll(server, Uint8Array.of(2, 3));
  await Promise.all([second, third]);
  assertEquals(buffers.map(([byte]) => byte), [1, 2, 3]);
});

Deno.test("a peer that ends while it is lent is the borrower's to see, once it reads", async () => {
  using reached = await reception();
  const { pool, reasons } = pooled(reached.addr);
  await using _pool = pool;
  (await pool.acquire()).release();
  let server = await reached.accept();
  let lease = await pool.acquire();
  server[Symbol.dispose]();
  assertEquals(await lease.value.read(new Uint8Array(1)), null);
  lease.release();

  (await pool.acquire()).release();
  server = await reached.accept();
  lease = await pool.acquire();
  server.reset();
  await assertRejects(() => lease.value.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  await assertRejects(() => lease.value.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  lease.release();
  assertEquals(reasons(), ["unusable", "unusable"]);
});

Deno.test("every use of a connection that was given back is refused, and says so", async () => {
  using reached = await reception();
  const { pool } = pooled(reached.addr, { max: 1 });
  await using _pool = pool;
  const lease = await pool.acquire();
  const stale = lease.value;
  const server = await reached.accept();
  lease.release();
  using next = await pool.acquire();
  await assertRejects(() => stale.read(new Uint8Array(1)), LeaseReleasedError, "Cannot read as");
  await assertRejects(() => stale.write(new Uint8Array(1)), LeaseReleasedError, "Cannot write as");
  await assertRejects(() => stale.closeWrite(), LeaseReleasedError, "Cannot closeWrite as");
  assertThrows(() => lease.value, LeaseReleasedError);
  stale[Symbol.dispose]();
  await exchange(next.value, server);
});

Deno.test("a connection that comes back in the middle of something is closed", async () => {
  const ways: Record<string, (conn: LentConn, server: ResettableConn) => Promise<unknown>> = {
    "asked and heard nothing": (conn) => writeAll(conn, Uint8Array.of(1)),
    "asked, heard nothing, and read nothing": async (conn) => {
      await writeAll(conn, Uint8Array.of(1));
      await conn.read(new Uint8Array(0));
    },
    "half-closed": (conn) => conn.closeWrite(),
    "closed": (conn) => Promise.resolve(conn[Symbol.dispose]()),
    "with a read that waits": (conn) => {
      conn.read(new Uint8Array(1)).catch(() => {});
      return Promise.resolve();
    },
    "with a write that waits or was not taken whole": (conn) => conn.write(new Uint8Array(2 ** 26)),
    "with bytes unread that the waiting read brought": async (conn, server) => {
      await writeAll(server, Uint8Array.of(1, 2));
      await conn.read(new Uint8Array(1));
    },
    "with bytes unread in the kernel": async (conn, server) => {
      await exchange(conn, server);
      await writeAll(server, Uint8Array.of(1, 2));
      await conn.read(new Uint8Array(1));
    },
  };
  for (const [way, go] of Object.entries(ways)) {
    using reached = await reception();
    const { pool, reasons } = pooled(reached.addr, { answered: way.startsWith("asked") });
    await using _pool = pool;
    (await pool.acquire()).release(); // so that a read waits on it
    const server = await reached.accept();
    const lease = await pool.acquire();
    await go(lease.value, server);
    const { id } = lease;
    lease.release();
    using next = await pool.acquire();
    assert(next.id !== id, way);
    assertEquals([way, reasons()], [way, [way.endsWith("kernel") ? "unexpected" : "unusable"]]);
  }
});

Deno.test("answered: false lends again what was only written to", async () => {
  using reached = await reception();
  const { pool } = pooled(reached.addr, { answered: false });
  await using _pool = pool;
  for (let i = 0; i < 3; i++) {
    using lease = await pool.acquire();
    await writeAll(lease.value, Uint8Array.of(i));
  }
  assertEquals(await readExact(await reached.accept(), 3), Uint8Array.of(0, 1, 2));
  assertEquals(pool.stats.opened, 1);
});

Deno.test("reusable() has the last word on what comes back", async () => {
  using reached = await reception();
  const finished = new WeakSet<LentConn>();
  const { pool, reasons } = pooled(reached.addr, { reusable: (conn) => finished.has(conn) });
  await using _pool = pool;
  await pool.use((conn) => void finished.add(conn));
  await pool.use(() => {});
  assertEquals([reasons(), pool.stats.opened], [["unusable"], 1]);
});

Deno.test("prepare() reads the greeting; without it a greeting is unexpected", async () => {
  using reached = await reception();
  let kept: LentConn | undefined;
  const { pool } = pooled(reached.addr, {
    min: 1,
    prepare: async (conn) => {
      kept = conn;
      assertEquals(await readExact(conn, 1), Uint8Array.of(7));
    },
  });
  await using _pool = pool;
  const warm = pool.warmUp();
  const server = await reached.accept();
  await writeAll(server, Uint8Array.of(7));
  await warm;
  await assertRejects(() => kept!.read(new Uint8Array(1)), LeaseReleasedError);
  using lease = await pool.acquire();
  await exchange(lease.value, server);

  const rude = pooled(reached.addr, { min: 1 });
  await using _rude = rude.pool;
  await rude.pool.warmUp();
  const closing = rude.closing();
  await writeAll(await reached.accept(), Uint8Array.of(7));
  await closing;
  assertEquals(rude.reasons(), ["unexpected"]);
});

Deno.test("prepare() that throws has failed to open, and leaves nothing open", async () => {
  using reached = await reception();
  const { pool } = pooled(reached.addr, { prepare: () => Promise.reject(new Error("no login")) });
  await using _pool = pool;
  const failed = assertRejects(() => pool.acquire(), Error, "no login");
  const server = await reached.accept();
  assertEquals(await server.read(new Uint8Array(1)), null);
  await failed;
  assertEquals(pool.stats.size, 0);
});

Deno.test("prepare() that waits for ever is cut with its connection, by openTimeout and by the end", async () => {
  using reached = await reception();
  const told: unknown[] = [];
  const world = seededWorld(1);
  const end = new AbortController();
  const { pool } = pooled(reached.addr, {
    world,
    openTimeout: 1000,
    signal: end.signal,
    prepare: (conn) => readExact(conn, 1).then(() => {}, (error) => void told.push(error.name)),
  });
  await using _pool = pool;
  const late = assertRejects(() => pool.acquire(), DOMException, "Cannot open within 1000 ms");
  const first = await reached.accept();
  await world.advance(1000);
  await late;
  assertEquals(await first.read(new Uint8Array(1)), null);

  const ended = assertRejects(() => pool.acquire(), PoolClosedError);
  const second = await reached.accept();
  end.abort();
  await ended;
  assertEquals(await second.read(new Uint8Array(1)), null);
});

/** How a server in a process of its own is ended, and what then comes over every connection. */
const KILLS = [
  // It closes all it has.
  { signal: "SIGTERM", comes: "FIN", idle: "finished", readTells: null },
  // The kernel closes for it; bytes that it has not read make that a reset.
  { signal: "SIGKILL", comes: "RST", idle: "reset", readTells: "ECONNRESET" },
] as const;

for (const { signal, comes, idle, readTells } of KILLS) {
  needs(
    { run: ["deno"], read: true },
    `50 connections, lent and idle, lose their server by ${comes}: no corpse is lent, and the pool refills`,
    async () => {
      await using first = await victim();
      const { addr } = first;
      let most = 0;
      const reasons: string[] = [];
      await using pool = tcpPool(addr, {
        min: 10,
        max: 50,
        answered: false, // so that what only was written to can be idle
        whenOpenFails: "retry",
        onEvent: (event) => {
          most = Math.max(most, pool.stats.size + pool.stats.opening);
          if (event.type === "closed") reasons.push(event.reason);
        },
      });
      const leases = await Promise.all(Array.from({ length: 50 }, () => pool.acquire()));
      for (const { value } of leases) await ask(value);
      if (comes === "RST") { for (const { value } of leases) await writeAll(value, DEAF); }
      for (const lease of leases.splice(25)) lease.release();
      assertEquals([pool.stats.lent, pool.stats.idle], [25, 25]);

      await first.kill(signal);
      const started = performance.now();
      // Some come while there is no server, some when there is one again.
      const come = (count: number) =>
        Array.from({ length: count }, async () => {
          using lease = await pool.acquire({ timeout: 10_000 });
          assert(lease.id > 50, `a borrower got corpse #${lease.id}`);
          await ask(lease.value);
        });
      const early = come(100);
      await using second = await victim(addr.port);
      const late = come(100);
      for (const { value } of leases) {
        const told = await value.read(new Uint8Array(1)).catch(({ code }) => code);
        assertEquals(told, readTells);
      }
      for (const lease of leases) lease.release();
      await Promise.all([...early, ...late]);
      await pool.warmUp();

      assert(performance.now() - started < 10_000);
      assertEquals(
        reasons.toSorted(),
        [...Array(25).fill(idle), ...Array(25).fill("unusable")].toSorted(),
      );
      assertEquals([pool.stats.lent, pool.stats.left, pool.stats.waiting], [0, 0, 0]);
      assertEquals([pool.stats.size >= 10, most <= 50], [true, true]);
      assertEquals(second.addr, addr);
    },
  );
}

Deno.test("a connection keeps the process alive while it is lent, and only then", async () => {
  using reached = await reception();
  let kept = true;
  const conn = await dial(reached.addr);
  using watched = new PooledConn(
    Object.assign(conn, { ref: () => kept = true, unref: () => kept = false }),
  );
  const seen = [kept];
  for (let i = 0; i < 2; i++) {
    watched.watch(() => {});
    seen.push(kept);
    watched.unwatch();
    seen.push(kept);
  }
  assertEquals(seen, [true, false, true, false, true]);
});

needs(
  { run: ["deno"], read: true },
  "an idle connection does not keep the process alive",
  async () => {
    using reached = await reception();
    const program = `
    import { tcpPool } from ${JSON.stringify(import.meta.resolve("../../lib/client/mod.ts"))};
    const pool = tcpPool({ hostname: "127.0.0.1", port: ${reached.addr.port} });
    for (let i = 0; i < 2; i++) (await pool.acquire()).release();
    console.log("done", pool.stats.idle);
  `;
    const { stdout } = await childOf(program).output();
    assertEquals(new TextDecoder().decode(stdout), "done 1\n");
  },
);

/** A program in a process of its own. */
function childOf(program: string): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--no-lock",
      "--allow-net",
      `data:text/javascript,${encodeURIComponent(program)}`,
    ],
    stdin: "null",
    stderr: "inherit",
  });
}

/** What makes a victim read no more, and a byte that it leaves unread. */
const DEAF = Uint8Array.of(0, 1);

async function ask(conn: LentConn): Promise<void> {
  await writeAll(conn, Uint8Array.of(9));
  assertEquals(await readExact(conn, 1), Uint8Array.of(9));
}

/** A server in a process of its own, which can be killed. */
async function victim(port = 0) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", import.meta.resolve("./_victim.ts"), String(port)],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  await reader.cancel();
  const kill = async (signal: "SIGTERM" | "SIGKILL") => {
    try {
      child.kill(signal);
    } catch {
      // It was killed before.
    }
    await child.status;
  };
  const [low, high] = value!;
  return {
    addr: tcpAddr("127.0.0.1", low! + high! * 256),
    kill,
    [Symbol.asyncDispose]: () => kill("SIGKILL"),
  };
}
