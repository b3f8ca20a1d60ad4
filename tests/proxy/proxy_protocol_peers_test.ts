/** Our PROXY headers and other people's: each must understand the other. */

import { assert, assertEquals } from "@std/assert";
import {
  Command,
  INETProtocol,
  IPv4Address,
  IPv4ProxyAddress,
  IPv6Address,
  IPv6ProxyAddress,
  Peer,
  TransportProtocol,
  V1ProxyProtocol,
  V2ProxyProtocol,
} from "proxy-protocol-js";
import fc from "fast-check";
import { formatAddr, type TcpAddr } from "../../lib/addr.ts";
import { dial } from "../../lib/client/dial.ts";
import { formatIp, parseIp } from "../../lib/proxy/ip.ts";
import {
  type ProxiedInet,
  PROXY_LOCAL,
  PROXY_UNKNOWN,
  type ProxyHeader,
  proxyHeader,
} from "../../lib/proxy/proxy_header.ts";
import { encodeProxyHeader, ProxyProtocolDecoder } from "../../lib/proxy/proxy_protocol.ts";
import { receiveProxyHeader } from "../../lib/proxy/receive_proxy_header.ts";
import { readToEnd, writeAll } from "../../lib/stream/conn.ts";
import { bytes, text } from "../_conformance.ts";
import { needs } from "../_needs.ts";
import { collecting, freeAddr, startHaproxy, startNginx } from "./_programs.ts";

const CLIENT = { hostname: "192.0.2.7", port: 51000 };
const SERVER = { hostname: "192.0.2.1", port: 443 };
const CLIENT6 = { hostname: "2001:db8::7", port: 51000 };
const SERVER6 = { hostname: "2001:db8::1", port: 443 };

const end = (width: number) =>
  fc.record({
    hostname: fc.uint8Array({ minLength: width, maxLength: width }).map(formatIp),
    port: fc.integer({ min: 0, max: 65535 }),
  });
const inet = fc.oneof(fc.tuple(end(4), end(4)), fc.tuple(end(16), end(16)));
const octets = (hostname: string) => [...parseIp(hostname)!];

Deno.test("proxy-protocol-js reads the version 1 that we write, and the other way round", () => {
  fc.assert(fc.property(inet, ([source, destination]) => {
    const header = proxyHeader(source, destination) as ProxiedInet;
    const line = text(encodeProxyHeader(header, { version: 1 }));
    const kind = header.family === "inet" ? INETProtocol.TCP4 : INETProtocol.TCP6;
    const peer = ({ hostname, port }: typeof source) => new Peer(hostname, port);
    const theirs = new V1ProxyProtocol(kind, peer(header.source), peer(header.destination));
    assertEquals(line, theirs.build());
    const { source: from, destination: to } = V1ProxyProtocol.parse(line);
    assertEquals([from.ipAddress, from.port], [header.source.hostname, header.source.port]);
    assertEquals([to.ipAddress, to.port], [header.destination.hostname, header.destination.port]);
  }));
});

Deno.test("proxy-protocol-js writes the same version 2 as we do, and we read it", () => {
  fc.assert(fc.property(inet, fc.boolean(), ([source, destination], stream) => {
    const found = proxyHeader(source, destination) as ProxiedInet;
    const header: ProxiedInet = { ...found, transport: stream ? "stream" : "dgram" };
    const [a, b] = [header.source, header.destination];
    const theirs = new V2ProxyProtocol(
      Command.PROXY,
      stream ? TransportProtocol.STREAM : TransportProtocol.DGRAM,
      header.family === "inet"
        ? new IPv4ProxyAddress(
          IPv4Address.createFrom(octets(a.hostname)),
          a.port,
          IPv4Address.createFrom(octets(b.hostname)),
          b.port,
        )
        : new IPv6ProxyAddress(
          IPv6Address.createFrom(octets(a.hostname)),
          a.port,
          IPv6Address.createFrom(octets(b.hostname)),
          b.port,
        ),
    ).build();
    assertEquals([...encodeProxyHeader(header, { version: 2 })], [...theirs]);
    const decoder = new ProxyProtocolDecoder({ version: 2 });
    decoder.push(theirs);
    assertEquals(decoder.next() as unknown, { version: 2, ...header });
  }));
});

/** Sends a header and says something, then hears what comes back. */
async function ask(addr: TcpAddr, header: Uint8Array, words = ""): Promise<string> {
  using conn = await dial(addr);
  await writeAll(conn, Uint8Array.of(...header, ...bytes(words)));
  if (words !== "") await conn.closeWrite();
  return text(await readToEnd(conn));
}

const HEADERS: Record<string, [header: ProxyHeader, versions: readonly (1 | 2)[]]> = {
  "192.0.2.7 51000 192.0.2.1 443": [proxyHeader(CLIENT, SERVER), [1, 2]],
  "2001:db8::7 51000 2001:db8::1 443": [proxyHeader(CLIENT6, SERVER6), [1, 2]],
  "192.0.2.7 51000 192.0.2.1 443 ": [
    proxyHeader(CLIENT, SERVER, [
      { type: "crc32c", value: 0 },
      { type: "authority", value: "example.com" },
      { type: "unique-id", value: bytes("id") },
    ]),
    [2],
  ],
  "   ": [PROXY_LOCAL, [2]],
  "": [PROXY_UNKNOWN, [1, 2]],
};

needs(
  { run: ["nginx"], read: true, write: true },
  "nginx understands our headers, and we understand its",
  async () => {
    await using ours = collecting(async (conn) => {
      const { header, source, conn: rest } = await receiveProxyHeader(conn, { version: 1 });
      return { version: header.version, source, said: text(await readToEnd(rest)) };
    });
    const [into, out] = [freeAddr(), freeAddr()];
    const says = ["addr", "port", "server_addr", "server_port"].map((name) =>
      "$proxy_protocol_" + name
    );
    await using _nginx = await startNginx(
      () =>
        `stream {
          server {
            listen ${formatAddr(into)} proxy_protocol;
            return "${says.join(" ")}";
          }
          server {
            listen ${formatAddr(out)};
            proxy_protocol on;
            proxy_pass ${formatAddr(ours.addr)};
          }
        }`,
      into,
    );
    for (const [expected, [header, versions]] of Object.entries(HEADERS)) {
      for (const version of versions) {
        const heard = await ask(into, encodeProxyHeader(header, { version }));
        assertEquals(heard.trim(), expected.trim(), `version ${version}: ${expected}`);
      }
    }
    using client = await dial(out);
    await writeAll(client, bytes("hello"));
    await client.closeWrite();
    await readToEnd(client);
    const { hostname, port } = client.localAddr;
    assertEquals(await ours.next(), { version: 1, source: { hostname, port }, said: "hello" });
  },
);

needs(
  { run: ["haproxy"], read: true, write: true },
  "HAProxy understands our headers, and we understand its",
  async () => {
    await using ours = collecting(async (conn) => {
      const { header, conn: rest } = await receiveProxyHeader(conn);
      return { header, said: text(await readToEnd(rest)) };
    });
    const [one, two, through, ready] = [freeAddr(), freeAddr(), freeAddr(), freeAddr()];
    const to = formatAddr(ours.addr);
    await using _haproxy = await startHaproxy(
      `
frontend ready
  bind ${formatAddr(ready)}
  tcp-request connection reject
listen one
  bind ${formatAddr(one)}
  server s ${to} send-proxy
frontend two
  bind ${formatAddr(two)}
  unique-id-format %ci-%cp
  default_backend two
backend two
  server s ${to} send-proxy-v2 proxy-v2-options crc32c,unique-id
frontend through
  bind ${formatAddr(through)} accept-proxy
  default_backend through
backend through
  server s ${to} send-proxy-v2
`,
      ready,
    );
    for (const addr of [one, two]) {
      using client = await dial(addr);
      await writeAll(client, bytes("hello"));
      await client.closeWrite();
      await readToEnd(client);
      const { header, said } = await ours.next();
      assertEquals(said, "hello");
      assert(header.command === "PROXY" && header.family === "inet" && header.source);
      const { hostname, port } = client.localAddr;
      assertEquals(header.source, { hostname, port });
      assertEquals(header.destination, { hostname: addr.hostname, port: addr.port });
      assertEquals(header.version, addr === one ? 1 : 2);
      const types = header.tlvs.map(({ type }) => type);
      assertEquals(types.sort(), addr === one ? [] : ["crc32c", "unique-id"]);
      const id = header.tlvs.find(({ type }) => type === "unique-id");
      if (addr === two) {
        assertEquals(id, { type: "unique-id", value: bytes(`${hostname}-${port}`) });
      }
    }
    for (const [header, versions] of Object.values(HEADERS)) {
      for (const version of versions) {
        // Whether to take that is up to the receiver; HAProxy does not.
        if (header === PROXY_UNKNOWN && version === 2) continue;
        await ask(through, encodeProxyHeader(header, { version }), "hello");
        const { header: got, said } = await ours.next();
        assertEquals(said, "hello");
        // Where we said nothing of the client, HAProxy tells of the connection that it has.
        const { source } = header.source === undefined ? got : header;
        assertEquals(got.source, source);
        if (header.source === undefined) {
          const { hostname } = got.source as { hostname: string };
          assertEquals(hostname.split(".")[0], "127");
        }
      }
    }
  },
);
