/** Other people's programs on both sides of our proxy: none of them may notice it. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { CidrList } from "../../lib/proxy/cidr.ts";
import { serveProxy, type ServeProxyOptions } from "../../lib/proxy/proxy.ts";
import { toServer } from "../../lib/proxy/upstream.ts";
import { serveTcp, type TcpServer } from "../../lib/server/server.ts";
import { chunks, readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { bytes, text } from "../_conformance.ts";
import { type Needs, needs } from "../_needs.ts";
import { startProgram } from "../_script.ts";
import { freeAddr, startHaproxy, startNginx, startServer } from "./_programs.ts";
import { Records } from "./_records.ts";

const FILES = { read: true, write: true };

/** A test with programs of other people. */
function withPrograms(run: string[], name: string, fn: () => Promise<void>): void {
  needs({ ...FILES, run } satisfies Needs, name, fn);
}

/** A proxy in front of `to`, and its records. */
function proxyTo(to: TcpAddr, options: Partial<ServeProxyOptions> = {}) {
  const records = new Records();
  const proxy = serveProxy({ connect: toServer(to), onConn: records.take, ...options });
  return Object.assign(proxy, { records });
}

/** What a program prints, which must end well. */
async function run(program: string, args: string[], input = ""): Promise<string> {
  await using started = startProgram(program, args, input);
  return await started.output();
}

for (const [how, args] of [["up", []], ["down", ["-R"]], ["both ways", ["--bidir"]]] as const) {
  withPrograms(["iperf3"], `iperf3 measures through the proxy, ${how}`, async () => {
    const addr = freeAddr();
    await using _server = await startServer(
      "iperf3",
      () => ["-s", "-B", addr.hostname, "-p", `${addr.port}`],
      () => ({}),
      addr,
    );
    await using proxy = proxyTo(addr);
    const { hostname, port } = proxy.addr;
    const asked = ["-J", "-c", hostname, "-p", `${port}`, "-n", "64M", ...args];
    let report: { error?: string; end: { sum_received: { bytes: number } } };
    do {
      await using client = startProgram("iperf3", asked, "");
      report = JSON.parse(text((await client.ended()).stdout));
      // It serves one at a time, and is not done yet with our look whether it serves at all.
    } while (/busy/.test(report.error ?? ""));
    assertEquals(report.error, undefined);
    const { bytes: received } = report.end.sum_received;
    assert(received > 0);
    await proxy.shutdown();
    const { all } = proxy.records;
    const carried = all.reduce((sum, { bytesUp, bytesDown }) => sum + bytesUp + bytesDown, 0);
    // Whoever measures does not wait for all that it has sent.
    assert(carried >= received, `${carried} bytes are on record, of ${received} received`);
  });
}

/** nginx with one page, and what else its configuration shall have. */
async function startWeb(page: string, options = "") {
  const addr = freeAddr();
  const nginx = await startNginx(
    (folder) => `
      http {
        access_log ${folder}/access.log;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        server { listen ${formatAddr(addr)} ${options}; root ${folder}; }
      }`,
    addr,
    { "page.txt": page },
  );
  return Object.assign(nginx, { addr });
}

const LONG = "0123456789abcdef".repeat(16 * 1024);

withPrograms(["nginx", "curl"], "curl gets from nginx what is there, again and again", async () => {
  await using web = await startWeb(LONG);
  await using proxy = proxyTo(web.addr);
  const url = `http://${formatAddr(proxy.addr)}/page.txt`;
  // Both over one connection.
  assertEquals(await run("curl", ["-sS", "--max-time", "10", url, url]), LONG + LONG);
  const { end, bytesDown } = await proxy.records.next();
  assertEquals(end.code, "--");
  assert(bytesDown > 2 * LONG.length);
});

withPrograms(["nginx", "wrk"], "wrk finds no error between itself and nginx", async () => {
  await using web = await startWeb("short");
  await using proxy = proxyTo(web.addr);
  const url = `http://${formatAddr(proxy.addr)}/page.txt`;
  const report = await run("wrk", ["-t1", "-c16", "-d1s", url]);
  assertMatch(report, /\d+ requests in /);
  assertEquals(/Socket errors|Non-2xx/.exec(report), null, report);
});

withPrograms(
  ["redis-server", "redis-benchmark"],
  "redis-benchmark talks to redis-server, pipelined and not",
  async () => {
    const addr = freeAddr();
    await using _server = await startServer(
      "redis-server",
      (folder) => [
        ...["--bind", addr.hostname, "--port", `${addr.port}`, "--dir", folder],
        ...["--save", "", "--appendonly", "no", "--logfile", "/dev/null"],
      ],
      () => ({}),
      addr,
    );
    await using proxy = proxyTo(addr);
    const { hostname, port } = proxy.addr;
    const asked = ["-h", hostname, "-p", `${port}`, "-n", "2000", "-c", "20", "--csv"];
    for (const more of [["-t", "ping,set,get", "-d", "4096"], ["-t", "set", "-P", "16"]]) {
      const report = await run("redis-benchmark", [...asked, ...more]);
      assertMatch(report, /"SET","[\d.]+"/);
    }
  },
);

withPrograms(["socat"], "each keystroke comes back at once", async () => {
  const addr = freeAddr();
  await using _server = await startServer(
    "socat",
    () => [`TCP-LISTEN:${addr.port},bind=${addr.hostname},fork`, "EXEC:cat"],
    () => ({}),
    addr,
  );
  await using proxy = proxyTo(addr);
  using client = await dial(proxy.addr);
  // Were one held back until more comes, this would never end.
  for (const key of bytes("ssh -t lab vi notes.txt\n")) {
    await writeAll(client, Uint8Array.of(key));
    assertEquals(await readExact(client, 1), Uint8Array.of(key));
  }
});

/** A server that answers once its client has said FIN. */
function counting(): TcpServer {
  return serveTcp({}, async (conn) => {
    await writeAll(conn, bytes(`${(await readToEnd(conn)).length} bytes`));
  });
}

for (
  const [program, args] of [
    ["ncat", (port: number) => ["127.0.0.1", `${port}`]],
    ["socat", (port: number) => ["-t", "30", "-", `TCP:127.0.0.1:${port}`]],
  ] as const
) {
  withPrograms([program], `${program} half-closes, and hears the answer`, async () => {
    await using server = counting();
    await using proxy = proxyTo(server.addr);
    const input = "x".repeat(300_000);
    assertEquals(await run(program, args(proxy.addr.port), input), "300000 bytes");
    assertEquals((await proxy.records.next()).end, {
      code: "--",
      why: "the client said FIN, then the server",
    });
  });
}

/** Servers that say hello and FIN, then hear their client out; they serve one. */
const GREETERS: Record<string, (addr: TcpAddr) => string[]> = {
  ncat: ({ hostname, port }) => ["-l", hostname, `${port}`],
  socat: ({ hostname, port }) => ["-t", "30", "-", `TCP-LISTEN:${port},bind=${hostname}`],
};

for (const [program, args] of Object.entries(GREETERS)) {
  withPrograms([program], `${program} as a server half-closes, and still hears us`, async () => {
    const addr = freeAddr();
    await using server = startProgram(program, args(addr), "hello\n");
    await using proxy = proxyTo(addr, {
      // It may not listen yet, and a look whether it does would be the one that it serves.
      connect: async () => ({
        conn: await dial(addr, { attempts: 500, backoff: 20, maxBackoff: 20 }),
        server: program,
      }),
    });
    using client = await dial(proxy.addr);
    const heard: string[] = [];
    for await (const chunk of chunks(client)) heard.push(text(chunk));
    assertEquals(heard.join(""), "hello\n");
    await writeAll(client, bytes("thank you"));
    await client.closeWrite();
    assertEquals(await server.output(), "thank you");
    const { end, bytesUp } = await proxy.records.next();
    assertEquals([end.why, bytesUp], ["the server said FIN, then the client", 9]);
  });
}

for (const version of [1, 2] as const) {
  withPrograms(["haproxy"], `behind HAProxy we know who is there, version ${version}`, async () => {
    const [front, ready] = [freeAddr(), freeAddr()];
    await using server = counting();
    await using proxy = proxyTo(server.addr, {
      acceptProxy: { trusted: new CidrList(["127.0.0.0/8"]), version },
    });
    const word = version === 1 ? "send-proxy" : "send-proxy-v2";
    await using _haproxy = await startHaproxy(
      `
frontend ready
  bind ${formatAddr(ready)}
  tcp-request connection reject
listen front
  bind ${formatAddr(front)}
  server us ${formatAddr(proxy.addr)} ${word}`,
      ready, // a look at the front may reach us or not, as HAProxy drops whoever leaves early
    );
    using client = await dial(front);
    await writeAll(client, bytes("12345"));
    await client.closeWrite();
    assertEquals(text(await readToEnd(client)), "5 bytes");
    const record = await proxy.records.next();
    assertEquals(record.client, {
      hostname: client.localAddr.hostname,
      port: client.localAddr.port,
    });
    assertEquals([record.bytesUp, record.bytesDown, record.end.code], [5, 7, "--"]);
  });
}

for (const version of [1, 2] as const) {
  withPrograms(
    ["nginx", "curl"],
    `nginx behind us knows who is there, version ${version}`,
    async () => {
      await using web = await startWeb(
        "who?",
        "proxy_protocol; set_real_ip_from 127.0.0.0/8; real_ip_header proxy_protocol",
      );
      await using proxy = proxyTo(web.addr, { sendProxy: version });
      const url = `http://${formatAddr(proxy.addr)}/page.txt`;
      assertEquals(await run("curl", ["-sS", "--interface", "127.0.0.77", url]), "who?");
      const log = await Deno.readTextFile(`${web.folder}/access.log`);
      assertMatch(log, /^127\.0\.0\.77 /);
    },
  );
}
