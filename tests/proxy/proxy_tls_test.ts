/** A proxy that opens TLS, makes it, or passes it through unopened; and Unix sockets. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { formatAddr, tcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { type ClientHello, parseClientHello } from "../../lib/proxy/client_hello.ts";
import { serveProxy } from "../../lib/proxy/proxy.ts";
import { toServer } from "../../lib/proxy/upstream.ts";
import { openTls, openUnix } from "../../lib/proxy/upstream_open.ts";
import { toSni } from "../../lib/proxy/upstream_sni.ts";
import { listenTls } from "../../lib/server/listen_tls.ts";
import { listenUnix } from "../../lib/server/listen_unix.ts";
import { serveTcp } from "../../lib/server/server.ts";
import { readExact, readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { TcpStream } from "../../lib/stream/tcp.ts";
import { bytes, testDuplex, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { cert, key } from "../_tls.ts";
import { startProgram } from "../_script.ts";
import { freeAddr, startNginx } from "./_programs.ts";
import { Records } from "./_records.ts";

const caCerts = [cert];

/** Connects as a client that trusts our certificate. */
const tlsClient = (port: number, hostname = "localhost") =>
  Deno.connectTls({ hostname, port, caCerts });

testDuplex("serveProxy() that opens TLS and makes it again", async () => {
  const origin = listenTls({ cert, key });
  const proxy = serveProxy({
    listener: listenTls({ cert, key }),
    connect: toServer(origin.addr, { open: openTls({ caCerts, serverName: "localhost" }) }),
  });
  const [a, b] = await Promise.all([tlsClient(proxy.addr.port), origin.accept()]);
  return {
    a,
    b,
    async [Symbol.asyncDispose]() {
      a[Symbol.dispose]();
      b[Symbol.dispose]();
      await proxy.shutdown();
      origin.close();
    },
  };
});

/** A TLS server that says which one it is, once it has heard all. */
function named(name: string) {
  return serveTcp({ listener: listenTls({ cert, key }) }, async (conn) => {
    await writeAll(conn, bytes(`${name} heard ${text(await readToEnd(conn))}`));
  });
}

async function say(conn: Deno.TlsConn, what: string): Promise<string> {
  using client = conn;
  await writeAll(client, bytes(what));
  await client.closeWrite();
  return text(await readToEnd(client));
}

Deno.test("toSni() passes TLS through to the server that the client names", async () => {
  await using one = named("one");
  await using other = named("other");
  const records = new Records();
  await using proxy = serveProxy({
    connect: toSni({ LocalHost: toServer(one.addr) }, toServer(other.addr)),
    onConn: records.take,
  });
  assertEquals(await say(await tlsClient(proxy.addr.port), "hello"), "one heard hello");
  // An address is no name, so that it is not sent.
  const bare = await tlsClient(proxy.addr.port, "127.0.0.1");
  assertEquals(await say(bare, "hi"), "other heard hi");
  assertEquals((await records.next()).server, formatAddr(one.addr));
  assertEquals((await records.next()).server, formatAddr(other.addr));
});

Deno.test("toSni() knows no server for some, and they hear of it", async () => {
  const records = new Records();
  const nowhere = toServer(tcpAddr("127.0.0.1", 1));
  await using proxy = serveProxy({
    connect: toSni({ "*.example.com": nowhere }),
    onConn: records.take,
  });
  using stranger = await tlsClient(proxy.addr.port);
  await assertRejects(() => stranger.handshake());
  const { end, error } = await records.next();
  assertEquals([end.code, (error as { serverName?: string }).serverName], ["PR", "localhost"]);
  stranger[Symbol.dispose]();
  using plain = await dial(proxy.addr);
  await writeAll(plain, bytes("GET / HTTP/1.1\r\n\r\n"));
  assertEquals(await plain.read(new Uint8Array(1)), null);
  assertMatch((await records.next()).end.why, /must begin with a TLS hello/);
});

/** What Deno says first to a server of this name. */
async function helloOf(hostname: string, alpnProtocols: string[]): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const raw = await Deno.connect({ hostname: "127.0.0.1", port });
  using server = new TcpStream(await listener.accept());
  const client = await Deno.startTls(raw, { hostname, alpnProtocols });
  const shaking = client.handshake().catch(() => {});
  const head = await readExact(server, 5);
  const body = await readExact(server, head[3]! << 8 | head[4]!);
  client[Symbol.dispose]();
  await shaking;
  return Uint8Array.of(...head, ...body);
}

Deno.test("parseClientHello() waits for the whole hello, however it is cut", async () => {
  const hello = await helloOf("Some.Example.com", ["h2", "http/1.1"]);
  const expected: ClientHello = {
    serverName: "some.example.com",
    alpnProtocols: ["h2", "http/1.1"],
  };
  for (let cut = 0; cut < hello.length; cut++) {
    assertEquals(parseClientHello(hello.subarray(0, cut)), undefined);
  }
  assertEquals(parseClientHello(hello), expected);
  assertEquals(parseClientHello(Uint8Array.of(...hello, 1, 2, 3)), expected);
  // The message may be cut into several records as well.
  const body = hello.subarray(5);
  for (const at of [1, 3, 4, 50, body.length - 1]) {
    const record = (part: Uint8Array) => [22, 3, 1, part.length >> 8, part.length & 255, ...part];
    const twice = Uint8Array.of(...record(body.subarray(0, at)), ...record(body.subarray(at)));
    assertEquals(parseClientHello(twice), expected);
    assertEquals(parseClientHello(twice.subarray(0, -1)), undefined);
  }
});

Deno.test("parseClientHello() says at once what is none", async () => {
  assertEquals(parseClientHello(bytes("GET / HTTP/1.1")), null);
  assertEquals(parseClientHello(Uint8Array.of(22, 2)), null);
  assertEquals(parseClientHello(Uint8Array.of(22, 3, 1, 0, 0)), null);
  assertEquals(parseClientHello(Uint8Array.of(22, 3, 1, 255, 255)), null);
  assertEquals(parseClientHello(Uint8Array.of(22, 3, 1, 0, 4, 2)), null); // a server's hello
  const hello = await helloOf("localhost", []);
  // Whatever is wrong inside, it is an answer, and no exception.
  for (let at = 5; at < hello.length; at++) {
    const wrong = hello.slice();
    wrong[at] = 255;
    parseClientHello(wrong);
  }
});

Deno.test("listenTls(): who does not shake hands holds nobody up, and is told of", async () => {
  const refused: string[] = [];
  const told = Promise.withResolvers<void>();
  const listener = listenTls({
    cert,
    key,
    onRefused: (_addr, error) => {
      refused.push((error as Error).name);
      told.resolve();
    },
  });
  await using server = serveTcp({ listener }, (conn) => writeAll(conn, bytes("served")));
  using silent = await dial(server.addr);
  assertEquals(await say(await tlsClient(server.addr.port), ""), "served");
  using plain = await dial(server.addr);
  await writeAll(plain, bytes("GET / HTTP/1.1\r\n\r\n"));
  await told.promise;
  assertEquals(refused, ["InvalidData"]);
  silent[Symbol.dispose]();
});

Deno.test("openTls() does not trust a name that the certificate has not, nor wait for ever", async () => {
  await using server = named("s");
  const open = openTls({ caCerts, serverName: "example.com" });
  await assertRejects(() => open(server.addr, undefined), Deno.errors.InvalidData);
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = silent.addr as Deno.NetAddr;
  const stop = new AbortController();
  const opening = openTls({ caCerts })({ hostname: "127.0.0.1", port }, stop.signal);
  using _says = await silent.accept(); // nothing
  stop.abort(new Error("enough"));
  await assertRejects(() => opening, Error, "enough");
});

const FILES = { read: true, write: true } as const;

needs(FILES, "Unix sockets on both sides", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
  try {
    const records = new Records();
    await using _server = serveTcp({ listener: listenUnix(`${folder}/server`) }, async (conn) => {
      await writeAll(conn, bytes(`heard ${text(await readToEnd(conn))}`));
    });
    await using _proxy = serveProxy({
      listener: listenUnix(`${folder}/proxy`),
      connect: async (_client, { signal }) => ({
        conn: await openUnix()(`${folder}/server`, signal),
        server: "unix",
      }),
      onConn: records.take,
    });
    using client = await openUnix()(`${folder}/proxy`, undefined);
    await writeAll(client, bytes("hello"));
    await client.closeWrite();
    assertEquals(text(await readToEnd(client)), "heard hello");
    const { end, client: { hostname } } = await records.next();
    assertEquals([end.code, hostname], ["--", "unix:"]);
    await assertRejects(() => openUnix()(`${folder}/nothing`, undefined), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

needs(
  { ...FILES, run: ["nginx", "curl"] },
  "curl over TLS: passed through, and opened",
  async () => {
    const [plain, tls] = [freeAddr(), freeAddr()];
    const page = "tls".repeat(100_000);
    await using nginx = await startNginx(
      (folder) => `
      http {
        access_log off;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        server {
          listen ${formatAddr(plain)};
          listen ${formatAddr(tls)} ssl;
          ssl_certificate ${folder}/cert.pem;
          ssl_certificate_key ${folder}/key.pem;
          root ${folder};
        }
      }`,
      plain,
      { "page.txt": page, "cert.pem": cert, "key.pem": key },
    );
    const get = async (port: number) => {
      const args = ["-sS", "--max-time", "10", "--cacert", `${nginx.folder}/cert.pem`];
      const url = `https://localhost:${port}/page.txt`;
      await using curl = startProgram("curl", [...args, "-4", url], "");
      return await curl.output() === page;
    };
    await using through = serveProxy({ connect: toSni({ localhost: toServer(tls) }) });
    assertEquals(await get(through.addr.port), true);
    await using opened = serveProxy({
      listener: listenTls({ cert, key }),
      connect: toServer(plain),
    });
    assertEquals(await get(opened.addr.port), true);
    await using again = serveProxy({
      listener: listenTls({ cert, key }),
      connect: toServer(tls, { open: openTls({ caCerts, serverName: "localhost" }) }),
    });
    assertEquals(await get(again.addr.port), true);
  },
);
