import { assert, assertEquals, assertRejects } from "@std/assert";
import { socketsOn } from "../../lib/observe/_ask.ts";
import type { RunTool } from "../../lib/observe/_tool.ts";
import { KernelUnavailableError } from "../../lib/observe/kernel_error.ts";
import type { SocketFilter } from "../../lib/observe/socket_filter.ts";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";

/** As macOS 14 prints it: columns that touch, names cut, states of its own, and UDP. */
const RECORDED = `Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address                                 Foreign Address                               (state)    
tcp4       0      0  127.0.0.1.9000                                127.0.0.1.52344                               ESTABLISHED
tcp4       0    131  127.0.0.1.52344                               127.0.0.1.9000                                ESTABLISHED
tcp6       0      0  fe80::1%lo0.9000                              fe80::1%lo0.52345                             CLOSE_WAIT 
tcp46      0      0  *.9000                                        *.*                                           LISTEN     
tcp4       0      0  127.0.0.1.9000                                127.0.0.1.52350                               TIME_WAIT  
tcp4       0      0  127.0.0.1.52360                               127.0.0.1.9000                                FIN_WAIT_1 
tcp4       0      0  127.0.0.1.52361                               127.0.0.1.9000                                FIN_WAIT_2 
tcp4       0      0  127.0.0.1.52362                               127.0.0.1.9000                                CLOSING    
tcp4       0      0  127.0.0.1.52363                               127.0.0.1.9000                                LAST_ACK   
tcp4       0      0  192.168.1.20.52370                            203.0.113.7.443                               SYN_SENT   
tcp4       0      0  127.0.0.1.9000                                127.0.0.1.52371                               SYN_RCVD   
tcp4       0      0  *.*                                           *.*                                           CLOSED     
udp4       0      0  *.5353                                        *.*                                                      
`;

/** Asks a system that answers so; what was started is put into `started`. */
function ask(os: string, answer: string, filter: SocketFilter = {}, started: string[] = []) {
  const run: RunTool = (tool, args) => {
    started.push([tool, ...args].join(" "));
    return Promise.resolve(answer);
  };
  return socketsOn(os, run, filter, false);
}

Deno.test("sockets() on macOS asks netstat, and knows every state by its name there", async () => {
  const started: string[] = [];
  const found = await ask("darwin", RECORDED, {}, started);
  assertEquals(started, ["netstat -anl -p tcp"]);
  assertEquals(new Set(found.map(({ state }) => state)), new Set(TCP_STATES));
  assertEquals(found.length, 12);
  assertEquals(found[1], {
    state: "ESTABLISHED",
    local: { transport: "tcp", hostname: "127.0.0.1", port: 52344 },
    peer: { transport: "tcp", hostname: "127.0.0.1", port: 9000 },
    recvQueue: 0,
    sendQueue: 131,
    flags: [],
    info: {},
  });
});

Deno.test("sockets() on macOS filters as it does on Linux, though netstat does not", async () => {
  const states = async (filter: SocketFilter) =>
    (await ask("darwin", RECORDED, filter)).map(({ state, local }) => `${state} ${local.port}`);
  assertEquals(await states({ port: 443 }), ["SYN-SENT 52370"]);
  assertEquals(await states({ port: [443, 52371] }), ["SYN-SENT 52370", "SYN-RECEIVED 9000"]);
  assertEquals(await states({ port: 9000, states: ["LISTEN", "CLOSING"] }), [
    "LISTEN 9000",
    "CLOSING 52362",
  ]);
  const between = [
    { hostname: "127.0.0.1", port: 9000 },
    { hostname: "127.0.0.1", port: 52344 },
  ] as const;
  assertEquals(await states({ between }), ["ESTABLISHED 9000", "ESTABLISHED 52344"]);
  assertEquals(await states({ between, port: 443 }), []);
});

Deno.test("sockets() on Linux lets ss leave out what nobody wants", async () => {
  const commands = async (filter: SocketFilter, processes = false) => {
    const started: string[] = [];
    const run: RunTool = (tool, args) => {
      started.push([tool, ...args].join(" "));
      return Promise.resolve("");
    };
    await socketsOn("linux", run, filter, processes);
    return started;
  };
  assertEquals(await commands({}), ["ss -tinaHo"]);
  assertEquals(await commands({}, true), ["ss -tinaHo -p"]);
  assertEquals(await commands({ states: TCP_STATES }), ["ss -tinaHo"]);
  assertEquals(await commands({ states: ["SYN-RECEIVED", "LISTEN"], port: [1, 2] }), [
    "ss -tinaHo state syn-recv state listening ( sport = :1 or dport = :1 or sport = :2 or dport = :2 )",
  ]);
  // Nothing is wanted: nobody is asked.
  assertEquals(await commands({ port: [] }), []);
  assertEquals(await commands({ states: [] }), []);
});

Deno.test("sockets() reads the one state that was asked for, even if it was named twice", async () => {
  // As ss prints them then: without a column for the state.
  const answer = "0 0 127.0.0.1:80 127.0.0.1:9\n";
  const found = await ask("linux", answer, { states: ["TIME-WAIT", "TIME-WAIT"] });
  assertEquals(found.map(({ state }) => state), ["TIME-WAIT"]);
});

Deno.test("sockets() rather fails than leaves out a line that it cannot read", async () => {
  const error = await assertRejects(
    () => ask("linux", "ESTAB 0 0 127.0.0.1:1 127.0.0.1:2\nsome thing else\n"),
    KernelUnavailableError,
    'Cannot ask the kernel: ss printed "some thing else"',
  );
  assertEquals([error.tool, error.why], ["ss", "failed"]);
  await assertRejects(
    () => ask("darwin", `${RECORDED}tcp4 0 0 127.0.0.1.1 127.0.0.1.2 11\n`),
    KernelUnavailableError,
    'Cannot ask the kernel: netstat printed "tcp4 0 0 127.0.0.1.1 127.0.0.1.2 11"',
  );
});

Deno.test("sockets() refuses a port that is none", async () => {
  for (const port of [0, -1, 65_536, 1.5, NaN]) {
    const started: string[] = [];
    await assertRejects(
      () => ask("linux", "", { port: [80, port] }, started),
      RangeError,
      `Cannot look for sockets as 'port' must be 1 to 65535: current value is ${port}`,
    );
    assert(started.length === 0);
  }
});
