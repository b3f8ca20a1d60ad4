import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  counters,
  KernelUnavailableError,
  listenQueue,
  sockets,
} from "../../lib/observe/kernel.ts";
import { infoNumber, type KernelSocket } from "../../lib/observe/kernel_socket.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { eventually } from "../_eventually.ts";
import { needs } from "../_needs.ts";
import { ask, STANDING_IN } from "./_tools.ts";

const SS = { run: ["ss"] } as const;

/** Both ends of a connection, in the order client, server. */
const ends = (conn: Pick<Deno.TcpConn, "localAddr" | "remoteAddr">) =>
  [conn.localAddr, conn.remoteAddr] as const;

const isOf = ({ local, peer }: KernelSocket, port: number) =>
  local.port === port || peer.port === port;

for (const hostname of ["127.0.0.1", "::1"]) {
  needs(SS, `sockets() sees a connection come, live and go (${hostname})`, async () => {
    const served = Promise.withResolvers<void>();
    await using server = serveTcp({ hostname }, async (conn) => {
      await readToEnd(conn);
      await served.promise;
    });
    using _ = { [Symbol.dispose]: served.resolve };
    const { port } = server.addr;
    let client = 0;
    const become = (...expected: string[]) =>
      eventually(expected, async () => {
        const found = await sockets({ port });
        // A port that was somebody else's may still be in TIME-WAIT.
        return found.filter((it) => it.state === "LISTEN" || isOf(it, client))
          .map(({ state, local }) => `${state} ${local.port === port ? "server" : "client"}`)
          .sort();
      });
    await become("LISTEN server");
    using conn = await dial(server.addr);
    client = conn.localAddr.port;
    await become("ESTABLISHED client", "ESTABLISHED server", "LISTEN server");
    assertEquals((await sockets({ between: ends(conn) })).length, 2);
    await conn.closeWrite();
    await become("CLOSE-WAIT server", "FIN-WAIT-2 client", "LISTEN server");
    served.resolve();
    await readToEnd(conn);
    conn[Symbol.dispose]();
    await server.shutdown();
    await become("TIME-WAIT client");
  });
}

needs(SS, "sockets() tells queues, timers and what else the kernel knows", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await dial(listener.addr);
  using _server = await listener.accept();
  await writeAll(client, new Uint8Array(1234));
  const end = async (port: number) => {
    const found = await sockets({ between: ends(client), states: ["ESTABLISHED"] });
    return found.find(({ local }) => local.port === port);
  };
  await eventually(1234, async () => (await end(listener.addr.port))?.recvQueue);
  const theirs = await end(listener.addr.port);
  const ours = await end(client.localAddr.port);
  assert(infoNumber(ours!, "rtt")! > 0);
  assert(infoNumber(ours!, "cwnd")! > 0);
  assertEquals(infoNumber(ours!, "bytes_sent"), 1234);
  const { state, local, peer, recvQueue, sendQueue } = theirs!;
  assertEquals([state, recvQueue, sendQueue], ["ESTABLISHED", 1234, 0]);
  assertEquals([local, peer], [client.remoteAddr, client.localAddr]);
  assertEquals(theirs!.processes, undefined);
});

needs(SS, "sockets() finds who holds a socket, if it is asked", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [found] = await sockets({ port: listener.addr.port }, { processes: true });
  assertEquals(found?.processes?.map(({ pid }) => pid), [Deno.pid]);
});

needs(SS, "sockets() wants the one end or the other, but both hosts of `between`", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await dial(listener.addr);
  using _server = await listener.accept();
  const { port } = client.localAddr;
  const found = (await sockets({ port })).filter((it) => isOf(it, listener.addr.port));
  assertEquals(found.length, 2);
  const elsewhere = [{ hostname: "127.0.0.2", port }, client.remoteAddr] as const;
  assertEquals(await sockets({ between: elsewhere }), []);
});

needs(SS, "sockets() finds IPv4 ends that an IPv6 socket holds", async () => {
  using listener = Deno.listen({ hostname: "::", port: 0 });
  using client = await dial({ hostname: "127.0.0.1", port: listener.addr.port });
  using _server = await listener.accept();
  assertEquals((await sockets({ between: ends(client) })).length, 2);
});

needs(SS, "listenQueue() tells how many wait to be accepted, and how many may", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 7 });
  const { addr } = listener;
  const waiting = (length: number) =>
    eventually({ length, backlog: 7 }, () => listenQueue(addr.port));
  await waiting(0);
  using first = await dial(addr);
  using _second = await dial(addr);
  await waiting(2);
  using _accepted = await listener.accept();
  await waiting(1);
  assertEquals(await listenQueue(first.localAddr.port), undefined);
});

needs(SS, "sockets() ends when its signal says so, with its reason", async () => {
  const reason = new Error("enough");
  const before = await assertRejects(() => sockets({}, { signal: AbortSignal.abort(reason) }));
  assert(before === reason);
  const abort = new AbortController();
  const asking = sockets({}, { signal: abort.signal });
  abort.abort(reason);
  assert(await assertRejects(() => asking) === reason);
});

needs(
  { run: ["nstat"] },
  "counters() counts, and leaves out what the kernel does not",
  async () => {
    // Nobody signs with MD5 here, so that one of these is 0.
    const names = ["TcpExtTCPMD5Failure", "TcpActiveOpens", "TcpNoSuchThing"] as const;
    const before = await counters(names);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using _client = await dial(listener.addr);
    using _server = await listener.accept();
    const after = await counters(names);
    assertEquals(Object.keys(after).sort(), ["TcpActiveOpens", "TcpExtTCPMD5Failure"]);
    assert(after.TcpActiveOpens! > before.TcpActiveOpens!);
  },
);

needs(STANDING_IN, "without ss, sockets() names the package that has it", async () => {
  assertEquals(await ask("sockets"), {
    name: "KernelUnavailableError",
    message: "Cannot ask the kernel: ss is not installed: it comes with the package iproute2",
    why: "missing",
    tool: "ss",
  });
  // Deno cannot allow what it does not find, yet this is not about permissions.
  const allowed = await ask("counters", { flags: ["--allow-run=nstat,cat"] });
  assertEquals(allowed, {
    name: "KernelUnavailableError",
    message: "Cannot ask the kernel: nstat is not installed: it comes with the package iproute2",
    why: "missing",
    tool: "nstat",
  });
});

needs(STANDING_IN, "without leave, sockets() names the flag", async () => {
  assertEquals(await ask("sockets", { tools: { ss: "exit 0" }, flags: ["--allow-net"] }), {
    name: "KernelUnavailableError",
    message: "Cannot ask the kernel: add --allow-run=ss",
    why: "forbidden",
    tool: "ss",
  });
});

needs(STANDING_IN, "sockets() says what ss says when it fails", async () => {
  const failing = (script: string) => ask("sockets", { tools: { ss: script } });
  const failed = { name: "KernelUnavailableError", why: "failed", tool: "ss" };
  assertEquals(await failing("echo 'Cannot open netlink socket' >&2; echo more >&2; exit 3"), {
    ...failed,
    message: "Cannot ask the kernel: ss ended with 3: Cannot open netlink socket",
  });
  assertEquals(await failing("exit 1"), {
    ...failed,
    message: "Cannot ask the kernel: ss ended with 1",
  });
  assertEquals(await failing("echo 'Netid State Foo'"), {
    ...failed,
    message: 'Cannot ask the kernel: ss printed "Netid State Foo"',
  });
});

needs(STANDING_IN, "sockets() is happy with an ss that finds nothing", async () => {
  assertEquals(await ask("sockets", { tools: { ss: "exit 0" } }), { is: [] });
});

Deno.test("a KernelUnavailableError keeps what caused it, if anything did", () => {
  const cause = new Error("why");
  assert(new KernelUnavailableError("ss", "missing", "text", cause).cause === cause);
  assert(!("cause" in new KernelUnavailableError("ss", "failed", "text")));
});
