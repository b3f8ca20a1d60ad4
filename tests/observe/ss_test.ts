import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseNetstat } from "../../lib/observe/_netstat.ts";
import { parseSs, stateFilter } from "../../lib/observe/_ss.ts";
import { infoNumber, isEnd, plainHost } from "../../lib/observe/kernel_socket.ts";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";

const one = (line: string) => parseSs(line).sockets[0];

Deno.test("parseSs() knows every state by the name that ss prints", () => {
  const names = "UNCONN LISTEN SYN-SENT SYN-RECV ESTAB FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT CLOSING " +
    "LAST-ACK TIME-WAIT";
  const text = names.split(" ").map((name) => `${name} 0 0 127.0.0.1:1 127.0.0.1:2\n`).join("");
  assertEquals(parseSs(text).sockets.map(({ state }) => state), [...TCP_STATES]);
});

Deno.test("parseSs() reads ends of every shape", () => {
  const ends: [string, string, number][] = [
    ["127.0.0.1:80", "127.0.0.1", 80],
    ["[::1]:80", "::1", 80],
    ["[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80],
    ["[fe80::1]%eth0:22", "fe80::1%eth0", 22],
    ["127.0.0.53%lo:53", "127.0.0.53%lo", 53],
    [":::80", "::", 80],
    ["*:80", "*", 80],
    ["0.0.0.0:*", "0.0.0.0", 0],
  ];
  for (const [text, hostname, port] of ends) {
    const local = { transport: "tcp" as const, hostname, port };
    assertEquals(one(`ESTAB 1 2 ${text} *:*`)?.local, local, text);
  }
});

Deno.test("parseSs() joins the second line of a socket to its first", () => {
  const text = "ESTAB 10     3   127.0.0.1:33950   127.0.0.1:43839 timer:(on,204ms,2)\n" +
    "\t ts sack bbr wscale:10,10 rto:204 rtt:0.025/0.014 cwnd:11 send 115343360000bps app_limited  \n" +
    "LISTEN 0 128 0.0.0.0:2024 0.0.0.0:*\n";
  const { sockets, unread } = parseSs(text);
  assertEquals(unread, []);
  assertEquals(sockets.length, 2);
  const [socket] = sockets;
  assertEquals([socket!.recvQueue, socket!.sendQueue], [10, 3]);
  assertEquals(socket!.timer, { kind: "on", left: 204, retransmits: 2 });
  assertEquals(socket!.flags, ["ts", "sack", "bbr", "app_limited"]);
  assertEquals(socket!.info, {
    wscale: "10,10",
    rto: "204",
    rtt: "0.025/0.014",
    cwnd: "11",
    send: "115343360000bps",
  });
  assertEquals(infoNumber(socket!, "rtt"), 0.025);
  assertEquals(infoNumber(socket!, "retrans"), undefined);
});

Deno.test("parseSs() reads how long a timer has left", () => {
  const times: [string, number][] = [
    ["204ms", 204],
    ["1.234ms", 1234],
    ["9.040ms", 9040],
    ["59sec", 59_000],
    ["1min30sec", 90_000],
    ["119min", 7_140_000],
    ["", 0],
  ];
  for (const [text, left] of times) {
    const timer = one(`ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 timer:(keepalive,${text},0)`)?.timer;
    assertEquals(timer, { kind: "keepalive", left, retransmits: 0 }, text);
  }
});

Deno.test("parseSs() reads who holds a socket, whatever the program is called", () => {
  const socket = one(
    `ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 users:(("Web (x) Content",pid=7,fd=21),("node",pid=8,fd=3)) ` +
      "ino:741432 sk:2ea0 cgroup:/ <-> skmem:(r0,rb131072,t0)",
  );
  assertEquals(socket?.processes, [
    { name: "Web (x) Content", pid: 7, fd: 21 },
    { name: "node", pid: 8, fd: 3 },
  ]);
  assertEquals(socket?.info["skmem"], "(r0,rb131072,t0)");
  assertEquals(socket?.flags, ["<->"]);
});

Deno.test("parseSs() reads who holds a socket as it was printed until 2014", () => {
  const socket = one('LISTEN 0 1 *:1 *:* users:(("sshd",123,3),("sshd",124,3))');
  assertEquals(socket?.processes, [
    { name: "sshd", pid: 123, fd: 3 },
    { name: "sshd", pid: 124, fd: 3 },
  ]);
});

Deno.test("parseSs() reads what stands apart from its name, as of TLS in the kernel", () => {
  const socket = one(
    "ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 ts tcp-ulp-tls version: 1.3 cipher: aes-gcm-128 rxconf: rto:204",
  );
  assertEquals(socket?.info, { version: "1.3", cipher: "aes-gcm-128", rxconf: "", rto: "204" });
  assertEquals(socket?.flags, ["ts", "tcp-ulp-tls"]);
  assertEquals(one("ESTAB 0 0 1.1.1.1:1 1.1.1.1:2 txconf:")?.info, { txconf: "" });
});

Deno.test("parseSs() is not misled by a program that has a strange name", () => {
  const names = ['a"b', '"(((', "x\nLISTEN 0 0", "\n ", "back\\", 'a",pid=1,fd=1', "("];
  for (const name of names) {
    const text = `LISTEN 0 1 *:1 *:* users:(("${name}",pid=7,fd=3),("node",pid=8,fd=4)) ino:5\n` +
      "LISTEN 0 1 *:2 *:*";
    const { sockets, unread } = parseSs(text);
    assertEquals(unread, [], name);
    assertEquals(sockets.map(({ local }) => local.port), [1, 2]);
    assertEquals(sockets[0]?.processes, [{ name, pid: 7, fd: 3 }, { name: "node", pid: 8, fd: 4 }]);
    assertEquals(sockets[0]?.info, { ino: "5" });
  }
});

Deno.test("parseSs() keeps what it cannot read, and reads the rest", () => {
  const { sockets, unread } = parseSs(
    "gibberish\nESTAB x 0 1.1.1.1:1 1.1.1.1:2\nLISTEN 0 1 *:1 *:*",
  );
  assertEquals(sockets.length, 1);
  assertEquals(unread, ["gibberish", "ESTAB x 0 1.1.1.1:1 1.1.1.1:2"]);
});

Deno.test("parseSs() passes over a heading", () => {
  const text = "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n";
  assertEquals(parseSs(text), { sockets: [], unread: [] });
});

Deno.test("parseSs() takes the state that was asked for where its column is missing", () => {
  const { sockets } = parseSs("0 0 127.0.0.1:1 127.0.0.1:2\n", "TIME-WAIT");
  assertEquals(sockets[0]?.state, "TIME-WAIT");
});

Deno.test("parseSs() throws at nothing, and every line is either read or kept", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "ESTAB",
      "LISTEN",
      "0",
      "128",
      "*:*",
      "[::1]:80",
      "timer:(on,",
      "users:((",
      '"',
    ),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(fc.property(fc.array(fc.array(word, { maxLength: 8 }), { maxLength: 5 }), (lines) => {
    const text = lines.map((words) => words.join(" ").replaceAll(/[\r\n]/g, "")).join("\n");
    const { sockets, unread } = parseSs(text);
    const joined = text.replaceAll(/\r?\n[ \t]+/g, " ").split("\n");
    const meant = joined.filter((line) => line.trim() && !/^(State|Recv-Q)\s/.test(line));
    assertEquals(sockets.length + unread.length, meant.length);
  }));
});

Deno.test("stateFilter() has a word for each state", () => {
  assertEquals(new Set(TCP_STATES.map(stateFilter)).size, TCP_STATES.length);
});

Deno.test("isEnd() takes an IPv4 address for the same that an IPv6 socket has", () => {
  const socket = one("ESTAB 0 0 [::ffff:127.0.0.1]:80 [::ffff:127.0.0.1]:9")!;
  const [a, b] = [{ hostname: "127.0.0.1", port: 80 }, { hostname: "127.0.0.1", port: 9 }];
  assertEquals([isEnd(socket, a, b), isEnd(socket, b, a)], [true, false]);
  assertEquals(plainHost("::ffff:7f00:1"), "::ffff:7f00:1");
});

Deno.test("parseNetstat() reads what macOS prints", () => {
  const text = `Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.8080         127.0.0.1.52344        ESTABLISHED
tcp6       3      0  ::1.8080               ::1.52345              CLOSE_WAIT
tcp46      0      0  *.8080                 *.*                    LISTEN
tcp4       0      0  127.0.0.1.1            127.0.0.1.2            SYN_RCVD
udp4       0      0  *.5353                 *.*
`;
  const end = (hostname: string, port: number) => ({ transport: "tcp", hostname, port });
  const { sockets, unread } = parseNetstat(text);
  assertEquals(unread, []);
  assertEquals(sockets.map(({ state, local, recvQueue }) => [state, local, recvQueue]), [
    ["ESTABLISHED", end("127.0.0.1", 8080), 0],
    ["CLOSE-WAIT", end("::1", 8080), 3],
    ["LISTEN", end("*", 8080), 0],
    ["SYN-RECEIVED", end("127.0.0.1", 1), 0],
  ]);
});

Deno.test("parseNetstat() keeps what it cannot read of TCP, and passes over all else", () => {
  const lines = [
    "tcp4 0 0 127.0.0.1.1 127.0.0.1.2 BOUND",
    "tcp4 0 0 127.0.0.1.http 127.0.0.1.2 LISTEN",
    "tcp4 0 0 127.0.0.1.65536 127.0.0.1.2 LISTEN",
    "tcp4 x 0 127.0.0.1.1 127.0.0.1.2 LISTEN",
    "tcp4 0 x 127.0.0.1.1 127.0.0.1.2 LISTEN",
    "tcp4 0 0 127.0.0.1.1",
  ];
  const text = ["Some tcp sockets may have been deleted.", ...lines, ""].join("\n");
  assertEquals(parseNetstat(text), { sockets: [], unread: lines });
});

Deno.test("parseNetstat() throws at nothing", () => {
  fc.assert(fc.property(fc.string(), (text) => void parseNetstat(`tcp4 ${text}`)));
});
