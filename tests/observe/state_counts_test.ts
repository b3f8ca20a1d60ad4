import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { tcpAddr } from "../../lib/addr.ts";
import type { KernelSocket, SocketProcess } from "../../lib/observe/kernel_socket.ts";
import {
  byPort,
  byProcess,
  countStates,
  countStatesBy,
  NOBODY,
  totalOf,
} from "../../lib/observe/state_counts.ts";
import { TCP_STATES, type TcpState } from "../../lib/observe/tcp_states.ts";

function socket(
  state: TcpState,
  local: number,
  peer: number,
  processes?: readonly SocketProcess[],
): KernelSocket {
  const ends = { local: tcpAddr("127.0.0.1", local), peer: tcpAddr("127.0.0.1", peer) };
  const rest = { recvQueue: 0, sendQueue: 0, flags: [], info: {} };
  return { state, ...ends, ...rest, ...processes && { processes } };
}

/** The counts of the groups, without the zeros. */
function short(groups: ReturnType<typeof countStatesBy>): [string, Record<string, number>][] {
  return [...groups].map(([name, counts]) => [
    name,
    Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
  ]);
}

Deno.test("countStates() counts every state, in the order in which one comes to them", () => {
  assertEquals(Object.values(countStates([])), TCP_STATES.map(() => 0));
  const counts = countStates([{ state: "CLOSING" }, { state: "LISTEN" }, { state: "CLOSING" }]);
  assertEquals(Object.keys(counts), [...TCP_STATES]);
  assertEquals([counts.CLOSING, counts.LISTEN, counts.CLOSED], [2, 1, 0]);
});

Deno.test("countStates(): every socket counts once, and so in groups that do not overlap", () => {
  const some = fc.array(fc.record({
    state: fc.constantFrom(...TCP_STATES),
    group: fc.constantFrom("a", "b", "constructor", "__proto__"),
  }));
  fc.assert(fc.property(some, (sockets) => {
    assertEquals(totalOf(countStates(sockets)), sockets.length);
    const groups = countStatesBy(sockets, ({ group }) => [group]);
    const sizes = [...groups.values()].map(totalOf);
    assertEquals(sizes.reduce((sum, size) => sum + size, 0), sockets.length);
    assertEquals(sizes, sizes.toSorted((a, b) => b - a));
    for (const [name, counts] of groups) {
      assertEquals(counts, countStates(sockets.filter(({ group }) => group === name)));
    }
  }));
});

Deno.test("countStatesBy(): of groups as large as each other, the one that sorts first", () => {
  const sockets = [socket("LISTEN", 443, 0), socket("LISTEN", 80, 0), socket("LISTEN", 8080, 0)];
  const groups = countStatesBy(sockets, byPort(sockets));
  assertEquals([...groups.keys()], [":80", ":443", ":8080"]);
});

Deno.test("byPort() puts both ends of a connection with their listener", () => {
  const sockets = [
    socket("LISTEN", 80, 0),
    socket("ESTABLISHED", 80, 50_000),
    socket("ESTABLISHED", 50_000, 80),
    socket("TIME-WAIT", 50_001, 80),
    socket("SYN-SENT", 50_002, 443),
    // Its listener is gone, so it may as well have dialed.
    socket("CLOSE-WAIT", 9, 50_003),
    socket("CLOSED", 7, 0),
  ];
  assertEquals(short(countStatesBy(sockets, byPort(sockets))), [
    [":80", { LISTEN: 1, ESTABLISHED: 2, "TIME-WAIT": 1 }],
    [":7", { CLOSED: 1 }],
    [":443", { "SYN-SENT": 1 }],
    [":50003", { "CLOSE-WAIT": 1 }],
  ]);
});

Deno.test("byProcess() counts what two hold for both, once each, and what nobody holds apart", () => {
  const [web, worker] = [{ name: "web", pid: 7, fd: 3 }, { name: "worker", pid: 8, fd: 3 }];
  const sockets = [
    socket("LISTEN", 80, 0, [web, worker]),
    socket("ESTABLISHED", 80, 50_000, [worker, { ...worker, fd: 4 }]),
    socket("TIME-WAIT", 80, 50_001),
    socket("LAST-ACK", 80, 50_002, []),
  ];
  assertEquals(short(countStatesBy(sockets, byProcess)), [
    [NOBODY, { "LAST-ACK": 1, "TIME-WAIT": 1 }],
    ["worker[8]", { LISTEN: 1, ESTABLISHED: 1 }],
    ["web[7]", { LISTEN: 1 }],
  ]);
});
