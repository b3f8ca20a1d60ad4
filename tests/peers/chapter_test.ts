/**
 * Claims of the chapter that do not hold, tried out with its own code: docs/chapter.md names
 * them, and says what does hold.
 */

import { assert, assertEquals, assertGreater, assertLess, assertThrows } from "@std/assert";
import { createServer } from "node:net";
import { upgradeWebSocket } from "../../lib/framing/open_websocket.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";

const PYTHON = { run: ["python3"] } as const;

/** What came out of an experiment of tests/peers/chapter.py. */
async function experiment(name: string): Promise<Record<string, unknown>> {
  await using python = startProgram("python3", ["tests/peers/chapter.py", name]);
  return JSON.parse((await python.output()).trimEnd().split("\n").at(-1)!);
}

/** Each experiment, what of the chapter it contradicts, and what comes out. */
const EXPERIMENTS: readonly (readonly [name: string, claim: string, out: unknown])[] = [
  ["shut_read", "after SHUT_RD nothing is received any more", {
    before: "",
    after: "you asked for no more",
  }],
  ["close_under_read", "close() closes while a thread of ours reads", {
    close: "ESTABLISHED",
    shutdown: "CLOSE-WAIT",
  }],
  ["exit_in_thread", "the echo client ends when its server does", { "the program goes on": true }],
  ["select_limit", "recv_with_timeout() can wait for any socket", {
    low: "hello",
    high: ["ValueError", "filedescriptor out of range in select()"],
  }],
  ["graceful_timeout", "graceful_shutdown(timeout=5) ends after 5 s", { seconds: 450 }],
  ["echo_server", "the echo server forgets who left, and gets lines", {
    remembered: 20,
    living: 0,
    "two lines in one piece": ["ECHO: one"],
    "quit in two pieces": ["ECHO: qu", "ECHO: it"],
    "a letter in two pieces": [""],
  }],
  ["pool", "a connection of the pool can be used", {
    write: "returned",
    answer: ["returned", ""],
    "the next one waits": true,
    "still open": true,
  }],
  ["proxy", "the proxy carries an answer after FIN", {
    "the server got": "a question",
    "the server is in": "ESTABLISHED",
    "the client got": "",
  }],
  ["proxy_without_backend", "who comes to the proxy hears that its backend is gone", {
    "the proxy": "ConnectionRefusedError",
    "the client": "TimeoutError",
  }],
  ["health", "who can be connected to is well, and who cannot is not", {
    "nobody accepts": true,
    "the queue is full": false,
  }],
  ["http", "recv_http_response() gets the body", {
    "in one piece": ["RuntimeError", "Connexion fermée prématurément"],
    "in one piece, kept alive": ["TimeoutError", "timed out"],
    "in lower case": ["returned", ""],
    "no answer": ["returned", ""],
    "chunked": ["returned", ""],
  }],
  ["half_a_line", "what readline() returns is a line, and a read for each byte is none too many", {
    lines: ["whole\n", "hal", null],
    calls: 33,
  }],
  ["message_end", "an end between messages is told from one within", {
    between: ["RuntimeError", "Connexion fermée prématurément"],
    within: ["RuntimeError", "Connexion fermée prématurément"],
  }],
  ["confirmation", "one recv() gets the confirmation", {
    said: "Confirmation : b'received 0 of'",
  }],
  ["file_to_nobody", "all that is sent arrives, or there is an error", {
    said: "Fichier envoyé : 5000 octets",
  }],
  ["broken_send", "send() returns 0 when the connection is broken", { said: "BrokenPipeError" }],
  ["cut_letter", "the chat's receiver can decode what it gets", { said: "", ended: true }],
];

for (const [name, claim, out] of EXPERIMENTS) {
  needs(PYTHON, `chapter, not so: ${claim}`, async () => {
    assertEquals(await experiment(name), out as Record<string, unknown>);
  });
}

needs(PYTHON, "chapter, not so: EADDRINUSE is 48, and SO_REUSEADDR helps against it", async () => {
  const { errno, is, platform } = await experiment("names_of_errors");
  assertEquals([is, errno], ["EADDRINUSE", platform === "linux" ? 98 : 48]);
});

needs(PYTHON, "chapter, not so: a blocking send() of 10000 bytes takes 8192", async () => {
  const { small, large, size, timed } = await experiment("blocking_send");
  assertEquals([small, large], [10_000, size]);
  // That is where it comes from: a socket with a timeout does not block.
  assert((timed as number) < (size as number));
});

needs(PYTHON, "chapter, not so: SO_RCVBUF sets the size that it is given, for speed", async () => {
  const { fixed, "by itself": free, most } = await experiment("receive_buffer");
  const doubled = 2 * Math.min(262_144, most as number);
  assertEquals(fixed, [doubled, doubled]);
  const [before, after] = free as [number, number];
  assertGreater(after, before);
});

needs(PYTHON, "chapter, not so: room in a queue takes memory", async () => {
  const { more, asked } = await experiment("backlog_memory");
  // A pointer for each place would be the least.
  assertLess(more, (asked as number) * 8 / 1024 / 2);
});

needs(PYTHON, "chapter, not so: who comes when the queue is full is refused by RST", async () => {
  assertEquals((await experiment("full_queue")).said, "TimeoutError");
});

/** Experiments in a network of their own, which a line for `sh` prepares. */
const APART: readonly (readonly [name: string, prepare: string, claim: string, out: unknown])[] = [
  // Its SYN is dropped as ever: RST would be for who was let in, and then found no room.
  [
    "full_queue",
    "echo 1 >/proc/sys/net/ipv4/tcp_abort_on_overflow",
    "at least tcp_abort_on_overflow has them refused",
    { said: "TimeoutError", "abort on overflow": 1 },
  ],
  ["default_somaxconn", "true", "somaxconn is 128 by default", { somaxconn: 4096 }],
  [
    "privileged_port",
    "echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start",
    "ports below 1024 are privileged",
    { "79": "PermissionError", "80": "returned" },
  ],
  ["network_down", "true", "recv() fails when the network does", {
    said: "TimeoutError",
    "the connection is": "ESTABLISHED",
    "the other end": "ESTABLISHED",
  }],
];

for (const [name, prepare, claim, out] of APART) {
  needs({ run: ["python3", "unshare"] }, `chapter, not so: ${claim}`, async () => {
    for (const way of [["--net"], ["--map-root-user", "--net"]]) {
      const inside = (
        run: string,
      ) => [...way, "sh", "-c", `ip link set lo up && ${prepare} && ${run}`];
      const probe = new Deno.Command("unshare", { args: inside("true"), stderr: "null" });
      if (!(await probe.output()).success) continue;
      const args = inside(`python3 tests/peers/chapter.py ${name}`);
      await using python = startProgram("unshare", args);
      assertEquals(JSON.parse(await python.output()), out as Record<string, unknown>);
      return;
    }
    // This system gives nobody a network of his own: then there is nothing to try.
  });
}

needs(
  { run: ["python3", "ss"] },
  "chapter, not so: count_tcp_states() counts TIME_WAIT and CLOSE_WAIT",
  async () => {
    const { counted } = await experiment("count_states");
    // Two sockets were in FIN-WAIT-2 and CLOSE-WAIT meanwhile; the heading was counted instead.
    const states = counted as string[];
    assert(states.includes("State"));
    assertEquals(states.filter((state) => /WAIT/.test(state)), []);
  },
);

Deno.test("chapter, not so: a new WebSocket can be sent to at once", async () => {
  const heard: unknown[] = [];
  await using server = serveTcp({}, async (conn) => {
    for await (const message of await upgradeWebSocket(conn)) heard.push(message);
  });
  const socket = new WebSocket(`ws://127.0.0.1:${server.addr.port}`);
  const opened = new Promise((resolve) => socket.onopen = resolve);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  const error = assertThrows(() => socket.send("Hello server!"), DOMException);
  assertEquals(error.name, "InvalidStateError");
  await opened;
  socket.send("Another message");
  socket.close();
  await closed;
  assertEquals(heard, ["Another message"]);
});

Deno.test("chapter, not so: createServer() of Node.js creates a socket", () => {
  const server = createServer();
  assertEquals([server.listening, server.address()], [false, null]);
});
