/**
 * Every way in which a dial can fail, provoked on a real kernel, and what explain() makes of
 * it. What loopback cannot do happens in a network of its own.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddr } from "../../lib/addr.ts";
import type { Explanation } from "../../lib/errors.ts";
import { needs } from "../_needs.ts";
import { ROOT } from "../_script.ts";
import { inOwnNetwork, PROGRAMS } from "./_own_network.ts";
import { deserted, listen } from "./_sockets.ts";

/** What the dialer prints. */
type Told = Explanation & { addr: string; message: string; count?: number };

const DIALER = new URL("tests/client/_dialer.ts", ROOT).href;

/** The command line of the dialer. */
function dialer(args: readonly string[], flags = ["--allow-net"]): string[] {
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    "--no-check",
    ...flags,
    DIALER,
    ...args,
  ];
}

function parse(lines: string): Told[] {
  return lines.trimEnd().split("\n").map((line) => JSON.parse(line));
}

async function told(program: readonly string[]): Promise<Told[]> {
  const [command, ...args] = program as [string, ...string[]];
  const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  return parse(new TextDecoder().decode(stdout));
}

/** Lines for `sh` that make `text` the content of a file, for this view of the files only. */
function replaced(file: string, text: string): string {
  return `echo '${text}' >/tmp/$$.conf; mount --bind /tmp/$$.conf ${file}; rm /tmp/$$.conf`;
}

/** The addresses for documentation (RFC 5737), and what stands in the way to them. */
const NETWORK = `
for host in 9 8 7; do ip address add 192.0.2.$host dev lo; done
nft add table ip t
nft add chain ip t in '{ type filter hook input priority 0; }'
nft add rule ip t in ip daddr 192.0.2.9 drop
nft add chain ip t out '{ type filter hook output priority 0; }'
nft add rule ip t out ip daddr 192.0.2.8 drop
nft add rule ip t in ip daddr 192.0.2.7 tcp dport 80 reject with icmp admin-prohibited
ip route add unreachable 198.51.100.1; ip route add prohibit 198.51.100.2
ip route add blackhole 198.51.100.3
sysctl -qw net.ipv4.tcp_syn_retries=1
[ ! -e /proc/sys/net/ipv4/tcp_syn_linear_timeouts ] ||
  sysctl -qw net.ipv4.tcp_syn_linear_timeouts=0
${replaced("/etc/resolv.conf", "nameserver 203.0.113.53")}`;

type Expected = [code: string, whose: Explanation["whose"], says: string];

const FAR: Record<string, Expected> = {
  "127.0.0.1:9": ["ECONNREFUSED", "peer", "127.0.0.1:9 refused"],
  "192.0.2.9:80": ["ETIMEDOUT", "network", "192.0.2.9:80 never answered"],
  "203.0.113.1:80": ["ENETUNREACH", "kernel", "no route to 203.0.113.1"],
  "198.51.100.1:80": ["EHOSTUNREACH", "network", "198.51.100.1 cannot be reached"],
  "198.51.100.2:80": ["EACCES", "kernel", "forbids connections to 198.51.100.2:80"],
  "198.51.100.3:80": ["EINVAL", "kernel", "cannot connect to 198.51.100.3:80"],
  "192.0.2.8:80": ["ETIMEDOUT", "network", "192.0.2.8:80 never answered"], // dropped here
  "192.0.2.7:80": ["EHOSTUNREACH", "network", "or a firewall"],
  "far.example:80": ["EAI_AGAIN", "network", "no name server answered for far.example"],
};

needs({ run: PROGRAMS }, "dial() tells apart how a network fails", async () => {
  const output = await inOwnNetwork(NETWORK, dialer(Object.keys(FAR)));
  if (output === undefined) return;
  for (const one of parse(output)) {
    const [code, whose, says] = FAR[one.addr]!;
    assertEquals([one.addr, one.code, one.whose], [one.addr, code, whose]);
    assertStringIncludes(one.what, says);
  }
});

needs(
  { run: PROGRAMS },
  "dial() of a name that is in no file and in no DNS says so",
  async () => {
    const files = replaced("/etc/nsswitch.conf", "hosts: files");
    const output = await inOwnNetwork(files, dialer(["far.example:80"]));
    if (output === undefined) return;
    const [one] = parse(output);
    assertEquals([one?.code, one?.whose], ["ENOTFOUND", "network"]);
    assertStringIncludes(one!.what, "the name far.example could not be resolved");
  },
);

needs({ run: PROGRAMS }, "dial() without a local port left says so", async () => {
  const range = `sysctl -qw net.ipv4.ip_local_port_range="40000 40002"`;
  // In a network of its own, where the port must be none of those that the system hands out.
  const script = `
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 39999 });
    Deno.args.push("--until-failure", "127.0.0.1:39999");
    await import(${JSON.stringify(DIALER)});`;
  const program = [Deno.execPath(), "run", "--quiet", "--no-check", "--allow-all"];
  const source = `data:application/typescript,${encodeURIComponent(script)}`;
  const output = await inOwnNetwork(range, [...program, source]);
  if (output === undefined) return;
  const [one] = parse(output);
  assertEquals([one?.code, one?.whose], ["EADDRNOTAVAIL", "kernel"]);
  assert([2, 3].includes(one!.count!), `${one!.count} connections with three ports`);
  assertStringIncludes(one!.what, "no local port is left for one more connection to 127.0.0.1");
});

needs({ run: ["sh", "deno"] }, "dial() without a descriptor left says so", async () => {
  using listener = listen();
  const program = dialer(["--until-failure", formatAddr(listener.addr)]);
  const [one] = await told(["sh", "-c", `ulimit -n 64; exec "$@"`, "sh", ...program]);
  assertEquals([one?.code, one?.whose], ["EMFILE", "kernel"]);
  assert(one!.count! > 0, "it did connect");
  assertStringIncludes(one!.what, "no file descriptor left");
});

needs(
  { run: ["deno"] },
  "dial() without permission says which is missing",
  async () => {
    const [one] = await told(dialer(["127.0.0.1:9"], []));
    assertEquals(one?.whose, "permission");
    assertStringIncludes(one!.tryThis, "--allow-net=127.0.0.1:9");
  },
);

/**
 * Answers one system call by an error, for whom it starts: seccomp(2), as a sandbox has it.
 * Arguments: the call's name, what its first argument must be (or -1), the error's number.
 */
const FORBID = `
import ctypes, os, struct, sys
number = {"x86_64": {"socket": 41, "connect": 42}, "aarch64": {"socket": 198, "connect": 203}}
call, first, errno = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
op = lambda code, jt, jf, k: struct.pack("HBBI", code, jt, jf, k)
which = [op(0x20, 0, 0, 16), op(0x15, 0, 1, first)] if first >= 0 else []
rules = b"".join([
    op(0x20, 0, 0, 0), op(0x15, 0, len(which) + 1, number[os.uname().machine][call]),
    *which, op(0x06, 0, 0, 0x00050000 | errno), op(0x06, 0, 0, 0x7fff0000),
])
buffer = ctypes.create_string_buffer(rules)
program = struct.pack("HxxxxxxQ", len(rules) // 8, ctypes.addressof(buffer))
prctl = ctypes.CDLL(None, use_errno=True).prctl
assert prctl(38, 1, 0, 0, 0) == 0
assert prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[4], sys.argv[4:])`;

needs(
  { run: ["python3", "deno"] },
  "dial() where the kernel lacks the address family says so",
  async () => {
    const without = ["socket", "10", "97"]; // AF_INET6, EAFNOSUPPORT
    const program = dialer(["[::1]:9", formatAddr(deserted())]);
    const [six, four] = await told(["python3", "-c", FORBID, ...without, ...program]);
    assertEquals([six?.code, six?.whose], ["EAFNOSUPPORT", "kernel"]);
    assertStringIncludes(six!.what, "does not speak the address family of [::1]:9");
    assertEquals(four?.code, "ECONNREFUSED");
  },
);

needs({ run: ["python3", "deno"] }, "dial() in a sandbox says so", async () => {
  const forbidden = ["connect", "-1", "1"]; // EPERM
  const [one] = await told(["python3", "-c", FORBID, ...forbidden, ...dialer(["127.0.0.1:9"])]);
  assertEquals([one?.code, one?.whose], ["EPERM", "kernel"]);
  assertStringIncludes(one!.what, "may not connect to 127.0.0.1:9");
});
