import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { echo } from "../../lib/server/echo.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { bytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { ROOT, start, type Started, startProgram } from "../_script.ts";
import { cert, key } from "../_tls.ts";
import { freeAddr } from "../proxy/_programs.ts";

const STARTING = { run: ["deno"], read: true } as const;

/** A server that answers once its client has said FIN. */
const counting = () =>
  serveTcp({}, async (conn) => {
    await writeAll(conn, bytes(`${(await readToEnd(conn)).length} bytes`));
  });

async function ask(addr: { hostname: string; port: number }, question: string): Promise<string> {
  using client = await dial(addr);
  await writeAll(client, bytes(question));
  await client.closeWrite();
  return text(await readToEnd(client));
}

needs(STARTING, "cmd/proxy.ts --tap shows what goes through, and escapes it", async () => {
  await using server = counting();
  const to = ["--listen", "0", "--to", formatAddr(server.addr)];
  await using proxy = await start("proxy", [...to, "--tap", "text"]);
  assertEquals(await ask(await proxy.addr(), "one\ntwo\x1b[2J"), "11 bytes");
  await proxy.logged(/end=--/);
  proxy.kill("SIGTERM");
  assertEquals(
    text((await proxy.ended()).stdout),
    "#1 → one\\n\n#1 → two\\x1b[2J\n#1 → FIN\n#1 ← 11 bytes\n#1 ← FIN\n",
  );
  await using hex = await start("proxy", [...to, "--tap", "hex"]);
  await ask(await hex.addr(), "abc");
  await hex.printed(/^#1 → 00000000 {2}61 62 63 {42}\|abc\|\n/);
});

needs(STARTING, "cmd/proxy.ts turns away whom its rules do not allow, and logs why", async () => {
  await using server = counting();
  const to = ["--listen", "0", "--to", formatAddr(server.addr), "--deny", "10.0.0.0/8,127.0.0.1"];
  await using proxy = await start("proxy", to);
  assertEquals(await ask(await proxy.addr(), "").catch(() => ""), "");
  await proxy.logged(
    / wrn id=1 client=127\.0\.0\.1:\d+ .* end=PR why="denied by 127\.0\.0\.1\/32"/,
  );
});

needs(STARTING, "cmd/proxy.ts waits for a PROXY header as long as it is told to", async () => {
  await using server = counting();
  const to = ["--listen", "0", "--to", formatAddr(server.addr), "--accept-proxy", "127.0.0.1"];
  await using proxy = await start("proxy", [...to, "--accept-proxy-timeout", "20ms"]);
  using silent = await dial(await proxy.addr());
  await proxy.logged(/ end=cR why="its PROXY header did not come in time"/);
  assertEquals(await silent.read(new Uint8Array(1)), null);
});

needs(STARTING, "cmd/proxy.ts drains at SIGTERM: who is connected may finish", async () => {
  await using server = serveTcp({}, echo);
  await using proxy = await start("proxy", ["--listen", "0", "--to", formatAddr(server.addr)]);
  using client = await dial(await proxy.addr());
  await writeAll(client, bytes("before\n"));
  const welcome = `Welcome to the echo server! You are `;
  assertEquals(text(await readExact(client, welcome.length)), welcome);
  proxy.kill("SIGTERM");
  await proxy.logged(/SIGTERM: draining 1 open, for at most 10s/);
  await writeAll(client, bytes("after\nquit\n"));
  assertMatch(text(await readToEnd(client)), /ECHO: before\nECHO: after\nGoodbye!\n$/);
  client[Symbol.dispose]();
  const { code, stderr } = await proxy.ended();
  assertEquals(code, 0);
  assertMatch(stderr, /end=-- .*\n.*drained in \d+ ms: 1 finished, 0 cut/);
});

needs(STARTING, "cmd/proxy.ts has a page of metrics", async () => {
  await using server = counting();
  const addr = freeAddr();
  const args = ["--listen", "0", "--to", formatAddr(server.addr), "--metrics", formatAddr(addr)];
  await using proxy = await start("proxy", args);
  const front = await proxy.addr();
  for (const question of ["12345", "1"]) await ask(front, question);
  await proxy.logged(/id=2 .*end=--/);
  const page = await (await fetch(`http://${formatAddr(addr)}/metrics`)).text();
  assertStringIncludes(page, `tcplab_proxy_connections_ended_total{end="--"} 2\n`);
  assertStringIncludes(
    page,
    `tcplab_proxy_bytes_up_total{server="${formatAddr(server.addr)}"} 6\n`,
  );
  assertStringIncludes(page, "tcplab_proxy_connect_seconds_count 2\n");
  assertStringIncludes(page, "tcplab_proxy_connections 0\n");
  for (const line of page.trimEnd().split("\n")) {
    assertMatch(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/);
  }
  const ready = await fetch(`http://${formatAddr(addr)}/ready`);
  assertEquals([ready.status, await ready.text()], [200, "ready\n"]);
  const elsewhere = await fetch(`http://${formatAddr(addr)}/`);
  assertEquals([elsewhere.status, await elsewhere.text()], [404, "See /metrics\n"]);
});

needs(STARTING, "cmd/proxy.ts ends, whoever is still asking for its page of metrics", async () => {
  const addr = freeAddr();
  const args = ["--listen", "0", "--to", "127.0.0.1:1", "--metrics", formatAddr(addr)];
  await using proxy = await start("proxy", args);
  await proxy.logged(/metrics on /);
  using wrong = await dial(addr);
  await writeAll(wrong, bytes("GET /metrics HTTP/1.1\r\nHost: [[[\r\nConnection: close\r\n\r\n"));
  assertMatch(text(await readToEnd(wrong)), /^HTTP\/1\.1 400 Bad Request\r\n/);
  using slow = await dial(addr);
  await writeAll(slow, bytes("POST /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"));
  const answer = "HTTP/1.1 200 OK\r\n";
  assertEquals(text(await readExact(slow, answer.length)), answer); // before its body has come
  proxy.kill("SIGTERM");
  const { code, stderr } = await proxy.ended();
  assertEquals(code, 0);
  assert(!stderr.includes("TypeError"), stderr);
});

needs({ run: ["sh", "deno"] }, "a famine at the page of metrics ends no proxy", async () => {
  await using server = counting();
  const program = ["run", "--no-check", "--allow-net", "cmd/proxy.ts", "--listen", "0"];
  const page = ["--to", formatAddr(server.addr), "--metrics", "0"];
  const args = ["-c", 'ulimit -n 64 && exec "$0" "$@"', Deno.execPath(), ...program, ...page];
  await using proxy = startProgram("sh", args);
  const front = await proxy.addr();
  const url = (await proxy.logged(/metrics on (\S+)/))[1]!;
  const addr = { hostname: "127.0.0.1", port: Number(new URL(url).port) };
  // Some may be refused.
  const crowd = await Promise.allSettled(Array.from({ length: 100 }, () => Deno.connect(addr)));
  await proxy.logged(/the metrics are not served for a while: .*Too many open files/);
  for (const conn of crowd) if (conn.status === "fulfilled") conn.value.close();
  const metrics = (): Promise<string> => fetch(url).then((answer) => answer.text(), metrics); // until it listens again
  assertStringIncludes(await metrics(), "tcplab_proxy_connections 0\n");
  assertEquals(await ask(front, "12345"), "5 bytes");
});

needs(STARTING, "cmd/proxy.ts hands its metrics to OpenTelemetry, where that is on", async () => {
  await using server = counting();
  const args = ["--listen", "0", "--to", formatAddr(server.addr)];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-net", "cmd/proxy.ts", ...args],
    cwd: ROOT,
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "console",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
      NO_COLOR: "1",
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let said = "";
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      said += chunk;
      const [, port] = /listening on 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      if (port !== undefined && !asked) {
        asked = ask({ hostname: "127.0.0.1", port: Number(port) }, "12");
      }
      if (/connections_ended_total[^]*?end=--[^]*?value=1/.test(said)) stop();
    }
  });
  let asked: Promise<string> | undefined;
  const stop = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It has ended.
    }
  };
  await child.status;
  await Promise.all(reading);
  assertEquals(await asked, "2 bytes");
  assertMatch(said, /METRIC tcplab_proxy_connections_ended_total/);
});

needs(STARTING, "cmd/proxy.ts --grace: others are let in, and told not to come", async () => {
  await using server = counting();
  const page = freeAddr();
  const args = ["--listen", "0", "--to", formatAddr(server.addr), "--metrics", formatAddr(page)];
  await using proxy = await start("proxy", [...args, "--grace", "10m"]);
  const addr = await proxy.addr();
  await proxy.logged(/metrics on /);
  proxy.kill("SIGTERM");
  await proxy.logged(/SIGTERM: not ready for others any more, who are let in for another 10m/);
  const ready = await fetch(`http://${formatAddr(page)}/ready`);
  assertEquals([ready.status, await ready.text()], [503, "draining\n"]);
  assertEquals(await ask(addr, "late"), "4 bytes");
  await proxy.insist("SIGTERM");
  assertEquals((await proxy.ended()).code, 143);
});

/** Starts a proxy of two processes. */
function twoWorkers(addr: TcpAddr, to: TcpAddr): Promise<Started> {
  const args = ["--listen", formatAddr(addr), "--to", formatAddr(to), "--workers", "2"];
  return start("proxy", args, { flags: ["--allow-net", "--allow-run=deno"] });
}

needs(
  { run: ["deno"], read: true },
  "cmd/proxy.ts --workers shares one port out among processes, and ends them all",
  async () => {
    if (Deno.build.os !== "linux") return;
    await using server = counting();
    const addr = freeAddr();
    await using proxy = await twoWorkers(addr, server.addr);
    await proxy.logged(/listening on [^]*listening on /);
    // That all come to one of them is as likely as 63 times heads.
    for (let i = 0; i < 64; i++) assertEquals(await ask(addr, "123"), "3 bytes");
    proxy.kill("SIGTERM");
    const { code, stderr } = await proxy.ended();
    assertEquals([code, stderr.match(/drained in /g)?.length], [0, 2]);
    const workers = [...stderr.matchAll(/ worker=(\d) /g)].map(([, worker]) => worker);
    assertEquals([workers.length, [...new Set(workers)].sort()], [64, ["1", "2"]]);
  },
);

needs({ run: ["deno", "pkill"], read: true }, "a worker that dies is started again", async () => {
  if (Deno.build.os !== "linux") return;
  await using server = counting();
  const addr = freeAddr();
  await using proxy = await twoWorkers(addr, server.addr);
  await proxy.logged(/listening on [^]*listening on /);
  // One that ends within a second of its start is not started again, as it would end so once more.
  const since = performance.now();
  while (performance.now() - since < 1000) assertEquals(await ask(addr, "123"), "3 bytes");
  const worker = `--listen ${formatAddr(addr)} .*--worker 1$`;
  await new Deno.Command("pkill", { args: ["-9", "-f", "--", worker] }).output();
  await proxy.logged(/worker 1 ended with exit code \d+: starting another\n[^]*listening on /);
  for (let i = 0; i < 64; i++) assertEquals(await ask(addr, "123"), "3 bytes");
  proxy.kill("SIGTERM");
  const { code, stderr } = await proxy.ended();
  assertEquals([code, stderr.match(/drained in /g)?.length], [0, 2]);
  const [, after = ""] = stderr.split("starting another");
  const workers = [...after.matchAll(/ worker=(\d) /g)].map(([, worker]) => worker);
  assertEquals([...new Set(workers)].sort(), ["1", "2"]);
});

const FILES = { run: ["deno"], read: true, write: true } as const;

needs(FILES, "cmd/proxy.ts opens TLS, makes it, and passes it through by name", async () => {
  await using server = counting();
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  try {
    for (const [name, text] of Object.entries({ cert, key })) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    const flags = ["--allow-net", `--allow-read=${folder}`];
    const own = ["--tls-cert", `${folder}/cert`, "--tls-key", `${folder}/key`];
    const plain = ["--listen", "0", "--to", formatAddr(server.addr)];
    await using opens = await start("proxy", [...plain, ...own], { flags });
    const { port } = await opens.addr();
    const through = ["--listen", "0", "--sni", `localhost=127.0.0.1:${port}`];
    await using passes = await start("proxy", through);
    const front = await passes.addr();
    using tls = await Deno.connectTls({ hostname: "localhost", port: front.port, caCerts: [cert] });
    await writeAll(tls, bytes("over TLS"));
    await tls.closeWrite();
    assertEquals(text(await readToEnd(tls)), "8 bytes");
    // And back: plain on this side, TLS on the other.
    const to = ["--listen", "0", "--to", `127.0.0.1:${port}`, "--to-tls"];
    const trust = ["--ca", `${folder}/cert`, "--server-name", "localhost"];
    await using makes = await start("proxy", [...to, ...trust], { flags });
    assertEquals(await ask(await makes.addr(), "plain"), "5 bytes");
    using wrong = await dial({ hostname: "127.0.0.1", port });
    await writeAll(wrong, bytes("GET / HTTP/1.1\r\n\r\n"));
    await opens.logged(/did not shake hands: /);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(FILES, "cmd/proxy.ts --record keeps what --replay plays back, either side", async () => {
  await using server = counting();
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  const file = `${folder}/recording.jsonl`;
  const flags = ["--allow-net", `--allow-read=${folder}`, `--allow-write=${folder}`];
  const to = ["--listen", "0", "--to", formatAddr(server.addr)];
  try {
    {
      await using proxy = await start("proxy", [...to, "--record", file], { flags });
      const addr = await proxy.addr();
      for (const question of ["one", "three"]) await ask(addr, question);
      await proxy.logged(/id=2 .*end=--/);
      proxy.kill("SIGTERM");
      assertEquals((await proxy.ended()).code, 0);
    }
    const replay = ["--replay", file, "--speed", "100"];
    await using clients = await start("proxy", [...to, ...replay], { flags });
    assertEquals(
      await clients.output(),
      "#1 sent 3 bytes, heard 7 of 7: the same\n#2 sent 5 bytes, heard 7 of 7: the same\n",
    );
    await using played = await start("proxy", ["--listen", "0", ...replay], { flags });
    const addr = await played.addr();
    assertEquals(await ask(addr, "one"), "3 bytes");
    assertEquals(await ask(addr, "eleven"), "5 bytes");
    await played.printed(
      /^#1 sent 7 bytes, heard 3 of 3: the same\n#2 .*: another one from byte 1 on\n$/,
    );
    await using other = serveTcp({}, async (conn) => {
      await readToEnd(conn);
      await writeAll(conn, bytes("3 bites"));
    });
    const wrong = ["--to", formatAddr(other.addr), ...replay];
    await using differs = await start("proxy", wrong, { flags });
    const { code, stdout } = await differs.ended();
    assertEquals(code, 1);
    assertMatch(text(stdout), /^#1 .*: another one from byte 4 on\n/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(
  { ...FILES, run: ["deno", "bash"] },
  "cmd/proxy.ts goes on when nobody reads what --tap shows, or --record has no room",
  async () => {
    await using server = counting();
    const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
    const file = `${folder}/recording.jsonl`;
    const deno = [Deno.execPath(), "run", "--quiet", "--allow-net", `--allow-write=${folder}`];
    const args = ["cmd/proxy.ts", "--listen", "0", "--to", formatAddr(server.addr)];
    try {
      // No file may be longer than 256 KiB; ignoring the signal makes that an error.
      const limited = `trap "" XFSZ; ulimit -f 256; exec "$@" > >(head -n 1)`;
      const program = [...deno, ...args, "--tap", "text", "--record", file];
      await using proxy = startProgram("bash", ["-c", limited, "bash", ...program]);
      const [, port] = await proxy.logged(/listening on 127\.0\.0\.1:(\d+)/);
      const front = { hostname: "127.0.0.1", port: Number(port) };
      const long = "x".repeat(100_000);
      let ended = false;
      const told = Promise.all([
        proxy.logged(/--tap text has ended, and connections go on: nobody reads the output/),
        proxy.logged(/--record \S+ has ended, and connections go on: /),
      ]).then(() => ended = true);
      while (!ended) assertEquals(await ask(front, long), "100000 bytes");
      await told;
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

needs(FILES, "cmd/proxy.ts listens on a Unix socket, and connects to one", async () => {
  await using server = counting();
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  const path = `${folder}/socket`;
  const flags = ["--allow-net", `--allow-read=${folder}`, `--allow-write=${folder}`];
  try {
    const inner = ["--listen", `unix:${path}`, "--to", formatAddr(server.addr)];
    await using behind = await start("proxy", inner, { flags });
    await behind.logged(new RegExp(`listening on unix:${path}\n`));
    const outer = ["--listen", "0", "--to", `unix:${path}`];
    await using front = await start("proxy", outer, { flags });
    assertEquals(await ask(await front.addr(), "1234"), "4 bytes");
    await front.logged(new RegExp(` server=unix:${path} up=4 down=7 .* end=-- `));
    await behind.logged(/ client=unix: .* end=-- /);
    behind.kill("SIGTERM");
    await behind.ended();
    assertEquals(await ask(await front.addr(), "1234"), "");
    await front.logged(new RegExp(` end=SC why="unix:${path} is not there`));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(STARTING, "cmd/proxy.ts says what is wrong, in one line", async () => {
  const to = ["--to", "127.0.0.1:1"];
  for (
    const [args, code, says] of [
      [[], 2, "--to, --sni or --replay must be given"],
      [["--to", "0"], 2, "--to must be an address such as 127.0.0.1:80, or unix:/PATH"],
      [["--sni", "a"], 2, "--sni must be names and servers such as a.example=10.0.0.1:443"],
      [[...to, "--tls-cert", "x"], 2, "--tls-cert and --tls-key must be given together"],
      [[...to, "--accept-proxy-timeout", "1s"], 2, "means nothing without --accept-proxy"],
      [[...to, "--accept-proxy", "::1", "--accept-proxy-timeout", "0"], 2, "must be a time"],
      [[...to, "--speed", "3"], 2, "--speed means nothing without --replay"],
      [[...to, "--ca", "x"], 2, "--ca means nothing without --to-tls"],
      [[...to, "--allow", "10.0.0.1/8"], 2, "--allow must be ranges of addresses such as"],
      [[...to, "--listen", "unix:/x", "--tls-cert", "a", "--tls-key", "b"], 2, "must be a port"],
      [[...to, "--tls-cert", "a", "--tls-key", "b"], 1, "add --allow-read=a"],
      [[...to, "--listen", "unix:/x"], 1, "add --allow-read=/x"],
      [
        [...to, "--listen", "unix:/x", "--accept-proxy", "127.0.0.0/8"],
        2,
        "--accept-proxy would let nobody in with --listen unix:/x: who connects there has no address",
      ],
      [[...to, "--listen", "unix:/x", "--allow", "::/0"], 2, "--allow would let nobody in"],
      [[...to, "--listen", `unix:/${"x".repeat(107)}`], 2, "bytes at most"],
    ] as const
  ) {
    await using proxy = await start("proxy", args);
    const ended = await proxy.ended();
    assertEquals([ended.code, ended.stderr.trimEnd().split("\n").length], [code, 1], ended.stderr);
    assertStringIncludes(ended.stderr, says);
  }
});

needs(STARTING, "cmd/proxy.ts --workers names what is missing", async () => {
  const args = ["--listen", "127.0.0.1:8080", "--to", "127.0.0.1:1"];
  for (
    const [more, code, says] of [
      [["--workers", "2"], 1, "add --allow-run=deno"],
      [["--worker", "1"], 1, "add --unstable-net"],
      [["--workers", "2", "--listen", "0"], 2, "--listen must not be port 0 with --workers"],
    ] as const
  ) {
    await using proxy = await start("proxy", [...args, ...more]);
    const ended = await proxy.ended();
    assertEquals(ended.code, code);
    assertStringIncludes(ended.stderr, says);
    assert(ended.stderr.trimEnd().split("\n").length === 1);
  }
});
