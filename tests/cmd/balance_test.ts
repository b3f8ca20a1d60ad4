import { assertEquals, assertStringIncludes } from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { bytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { start, startProgram } from "../_script.ts";
import { freeAddr } from "../proxy/_programs.ts";

const STARTING = { run: ["deno"], read: true, write: true } as const;

const named = (name: string) =>
  serveTcp({}, async (conn) => {
    await writeAll(conn, bytes(name));
    await readToEnd(conn);
  });

/** The names that so many clients are served by, in order. */
async function served(addr: TcpAddr, clients: number): Promise<string> {
  const names: string[] = [];
  for (let i = 0; i < clients; i++) {
    using client = await dial(addr);
    await client.closeWrite();
    names.push(text(await readToEnd(client)));
  }
  return names.sort().join("");
}

const list = (servers: Record<string, TcpServer>, words = "") =>
  Object.entries(servers).map(([id, { addr }]) => `${id}=${formatAddr(addr)}${words}`).join("\n");

needs(STARTING, "cmd/balance.ts shares connections out by weight", async () => {
  await using a = named("a");
  await using b = named("b");
  const to = `a=${formatAddr(a.addr)},b=${formatAddr(b.addr)}@3`;
  await using balance = await start("balance", ["--listen", "0", "--to", to]);
  assertEquals(await served(await balance.addr() as TcpAddr, 8), "aabbbbbb");
});

needs(STARTING, "cmd/balance.ts passes over a server that is gone", async () => {
  await using a = named("a");
  const gone = freeAddr();
  const to = `a=${formatAddr(a.addr)},gone=${formatAddr(gone)}@9`;
  const args = ["--listen", "0", "--to", to, "--check", "off", "--explain"];
  await using balance = await start("balance", args);
  assertEquals(await served(await balance.addr() as TcpAddr, 5), "aaaaa");
  await balance.logged(/wrn gone did not take a connection: .*ECONNREFUSED/);
  await balance.logged(/inf 127\.0\.0\.1 to a by round-robin among primary: .*, gone tried/);
  await balance.logged(/ server=a .* retries=1 end=--/);
});

needs(STARTING, "cmd/balance.ts takes servers out that are not well, and says so", async () => {
  await using a = named("a");
  const gone = freeAddr();
  const to = `a=${formatAddr(a.addr)},gone=${formatAddr(gone)}`;
  const often = ["--interval", "20ms", "--fall", "2"];
  await using balance = await start("balance", ["--listen", "0", "--to", to, ...often]);
  await balance.logged(/wrn gone is down: \S+ L4CON: /);
  assertEquals(await served(await balance.addr() as TcpAddr, 3), "aaa");
});

needs(STARTING, "SIGHUP: cmd/balance.ts reads its servers again, and cuts nobody off", async () => {
  await using a = named("a");
  await using b = named("b");
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  const file = `${folder}/servers.txt`;
  try {
    await Deno.writeTextFile(file, list({ a }));
    const metrics = formatAddr(freeAddr());
    const args = ["--listen", "0", "--servers", file, "--metrics", metrics];
    const flags = ["--allow-net", `--allow-read=${file}`];
    await using balance = await start("balance", args, { flags });
    const addr = await balance.addr() as TcpAddr;
    using held = await dial(addr);
    const buffer = new Uint8Array(1);
    await held.read(buffer);
    assertEquals(text(buffer), "a");

    await Deno.writeTextFile(file, `# a is no longer here\n${list({ b })}`);
    balance.kill("SIGHUP");
    await balance.logged(/ read again: added b, changed none, removed a/);
    assertEquals(await served(addr, 2), "bb");

    await Deno.writeTextFile(file, list({ b }, "@5 max=9"));
    balance.kill("SIGHUP");
    await balance.logged(/added none, changed b, removed none/);

    await Deno.writeTextFile(file, "b=nowhere");
    balance.kill("SIGHUP");
    await balance.logged(/err nothing is changed: .*servers\.txt: Cannot read a list/);
    assertEquals(await served(addr, 2), "bb");
    const page = await (await fetch(`http://${metrics}/metrics`)).text();
    assertStringIncludes(page, `tcplab_proxy_server_weight{server="b"} 5\n`);
    assertStringIncludes(page, `tcplab_proxy_server_up{server="b"} 1\n`);

    // Who was connected all the while is still served by a.
    await held.closeWrite();
    assertEquals(await held.read(buffer), null);
    await balance.logged(/id=1 .* server=a .* end=-- why="the client said FIN, then the server"/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(STARTING, "SIGHUP reaches every worker of cmd/balance.ts", async () => {
  if (Deno.build.os !== "linux") return;
  await using a = named("a");
  await using b = named("b");
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  const file = `${folder}/servers.txt`;
  try {
    await Deno.writeTextFile(file, list({ a }));
    const addr = freeAddr();
    const args = ["--listen", formatAddr(addr), "--servers", file, "--workers", "2"];
    const flags = ["--allow-net", `--allow-read=${file}`, "--allow-run=deno"];
    await using balance = await start("balance", args, { flags });
    await balance.logged(/listening on [^]*listening on /);
    assertEquals(await served(addr, 4), "aaaa");
    await Deno.writeTextFile(file, list({ b }));
    balance.kill("SIGHUP");
    await balance.logged(/read again: added b[^]*read again: added b/);
    assertEquals(await served(addr, 8), "bbbbbbbb");
    balance.kill("SIGTERM");
    assertEquals((await balance.ended()).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(STARTING, "cmd/balance.ts says what is wrong, in one line", async () => {
  for (
    const [args, code, says] of [
      [[], 2, "balance: --to or --servers must be given"],
      [["--to", "a:1", "--servers", "x"], 2, "only one of --to and --servers may be given"],
      [["--to", "a"], 2, "--to: Cannot read a list of servers as it must have servers such as"],
      [["--to", "a:1,a:1"], 2, 'must name each server once, not twice: current value is "a:1"'],
      [["--to", "a:1 backpu"], 2, "no words but backup, drain, maintenance and max=COUNT"],
      [["--to", "a:1", "--check", "off", "--rise", "3"], 2, "--rise means nothing without --check"],
      [["--servers", "nowhere.txt"], 1, "add --allow-read=nowhere.txt"],
    ] as const
  ) {
    await using balance = await start("balance", args);
    const ended = await balance.ended();
    assertEquals([ended.code, ended.stderr.trimEnd().split("\n").length], [code, 1], ended.stderr);
    assertStringIncludes(ended.stderr, says);
  }
});

needs(
  { run: ["sh", "deno"], read: true },
  "cmd/balance.ts takes no server for down because it has no descriptor left itself",
  async () => {
    await using server = named("a");
    const args = ["--listen", "0", "--to", formatAddr(server.addr), "--interval", "20ms"];
    await using balance = startProgram("sh", [
      "-c",
      `ulimit -n 64 && exec "$0" "$@"`,
      Deno.execPath(),
      ...["run", "--quiet", "--allow-net", "cmd/balance.ts", ...args, "--fall", "1"],
    ]);
    const [, port] = await balance.logged(/listening on 127\.0\.0\.1:(\d+)/);
    const addr = { hostname: "127.0.0.1", port: Number(port) };
    using crowd = new DisposableStack();
    for (let i = 0; i < 60; i++) crowd.use(await Deno.connect(addr));
    // By then there were five checks without a descriptor at least.
    await balance.logged(/accepting failed, again in 160 ms: this process has no file descriptor/);
    crowd.dispose();
    balance.kill("SIGTERM");
    const { stderr } = await balance.ended();
    assertEquals(stderr.match(/.* is down.*/g), null);
  },
);
