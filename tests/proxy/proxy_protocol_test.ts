import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { crc32c } from "../../lib/proxy/crc32c.ts";
import { formatIp } from "../../lib/proxy/ip.ts";
import {
  type ProxiedInet,
  PROXY_LOCAL,
  PROXY_UNKNOWN,
  type ProxyHeader,
  proxyHeader,
} from "../../lib/proxy/proxy_header.ts";
import { encodeProxyHeader, ProxyProtocolDecoder } from "../../lib/proxy/proxy_protocol.ts";
import type { ProxySslTlv, ProxyTlv } from "../../lib/proxy/proxy_tlv.ts";
import { assertCutsMeanNothing, bytes, decode } from "../framing/_cuts.ts";

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10];
const A = { hostname: "192.0.2.7", port: 51000 };
const B = { hostname: "192.0.2.1", port: 443 };
const A6 = { hostname: "2001:db8::7", port: 0 };
const B6 = { hostname: "::1", port: 65535 };

/** A version 2 header by hand. */
function binary(command: number, family: number, ...payload: number[]): Uint8Array {
  return Uint8Array.of(
    ...SIGNATURE,
    command,
    family,
    payload.length >> 8,
    payload.length & 255,
    ...payload,
  );
}

const INET = [192, 0, 2, 7, 192, 0, 2, 1, 51000 >> 8, 51000 & 255, 443 >> 8, 443 & 255];

function decoded(stream: Uint8Array, version: 1 | 2 | "either" = "either") {
  const decoder = new ProxyProtocolDecoder({ version });
  const { frames: [header], error } = decode(decoder, stream);
  return { header, error, rest: error === undefined ? decoder.rest() : undefined };
}

Deno.test("ProxyProtocolDecoder reads version 1, and leaves what follows", () => {
  const lines: Record<string, ProxyHeader> = {
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 443": proxyHeader(A, B),
    "PROXY TCP6 2001:db8::7 ::1 0 65535": proxyHeader(A6, B6),
    "PROXY TCP6 2001:0DB8:0:0:0:0:0:7 0::1 0 65535": proxyHeader(A6, B6),
    "PROXY UNKNOWN": PROXY_UNKNOWN,
    "PROXY UNKNOWN ffff::1 nobody \r \n 1": PROXY_UNKNOWN,
  };
  for (const [line, header] of Object.entries(lines)) {
    const { rest, ...got } = decoded(bytes(`${line}\r\nPROXY TCP4 again`));
    assertEquals(got, { header: { version: 1, ...header }, error: undefined }, line);
    assertEquals(rest, bytes("PROXY TCP4 again"));
  }
});

Deno.test("ProxyProtocolDecoder refuses a line that is not to the letter", () => {
  const wrong = [
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000",
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 443 ",
    "PROXY TCP4  192.0.2.7 192.0.2.1 51000 443",
    "PROXY TCP4 192.0.2.07 192.0.2.1 51000 443",
    "PROXY TCP4 192.0.2.7 192.0.2.1 051000 443",
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 00",
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 65536",
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 +443",
    "PROXY TCP4 192.0.2.7 192.0.2.1 51000 443\n",
    "PROXY TCP4 192.0.2.7 192.0.2.1\t51000 443",
    "PROXY TCP4 192.0.2.256 192.0.2.1 51000 443",
    "PROXY TCP4 ::1 ::1 1 1",
    "PROXY TCP6 192.0.2.7 192.0.2.1 51000 443",
    "PROXY TCP6 fe80::1%lo ::1 1 1",
    "PROXY TCP6 1::2::3 ::1 1 1",
    "PROXY TCP4 a b c d",
  ];
  for (const line of wrong) {
    assertEquals(decoded(bytes(`${line}\r\n`)).error?.code, "malformed", line);
  }
});

Deno.test("ProxyProtocolDecoder refuses a stream at the byte that shows it is none", () => {
  const beginnings = ["G", "p", "PRI", "PROXY  ", "PROXY UD", "PROXY TCP5", "PROXY UNKNOWNx"];
  beginnings.push("PROXY UNKNOWN\r.", "\r\n\r\n\0\r\nQUIX", "\n", "\r\r");
  for (const text of beginnings) {
    const decoder = new ProxyProtocolDecoder();
    decoder.push(bytes(text.slice(0, -1)));
    assertEquals(decoder.next(), undefined, text);
    decoder.push(bytes(text.slice(-1)));
    assertEquals(code(() => decoder.next()), "malformed", text);
  }
});

Deno.test("ProxyProtocolDecoder does not guess: it is told what is spoken", () => {
  const one = encodeProxyHeader(proxyHeader(A, B), { version: 1 });
  const two = encodeProxyHeader(proxyHeader(A, B), { version: 2 });
  assertEquals(decoded(one, 2).error?.code, "malformed");
  assertEquals(decoded(two, 1).error?.code, "malformed");
  assertEquals([decoded(one, 1).header?.version, decoded(two, 2).header?.version], [1, 2]);
});

Deno.test("ProxyProtocolDecoder gives version 1 107 bytes, its line end included", () => {
  const line = (length: number) => bytes(`PROXY UNKNOWN ${"x".repeat(length - 16)}\r\n`);
  assertEquals(line(107).length, 107);
  assertEquals(decoded(line(107)).header?.family, "unspec");
  const { error } = decoded(line(108));
  assertEquals([error?.code, error?.limit], ["too-long", 107]);
  const six = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  assertEquals(decoded(bytes(`PROXY TCP6 ${six} ${six} 65535 65535\r\n`)).error, undefined);
});

Deno.test("ProxyProtocolDecoder reads every family and transport of version 2", () => {
  const path = (text: string) => [...bytes(text), ...new Array(108 - text.length).fill(0)];
  const payloads = {
    unspec: [1, 2, 3],
    inet: INET,
    inet6: [...new Array(15).fill(0), 1, ...new Array(15).fill(0), 2, 0, 1, 0, 2],
    unix: [...path("/run/a"), ...path("\0b")],
  };
  const ends = {
    unspec: [undefined, undefined],
    inet: [A, B],
    inet6: [{ hostname: "::1", port: 1 }, { hostname: "::2", port: 2 }],
    unix: [bytes("/run/a"), bytes("\0b")],
  };
  for (const [f, family] of (["unspec", "inet", "inet6", "unix"] as const).entries()) {
    for (const [t, transport] of (["unspec", "stream", "dgram"] as const).entries()) {
      const payload = payloads[family];
      const { header, rest } = decoded(
        Uint8Array.of(...binary(0x21, f << 4 | t, ...payload), 9),
      );
      const known = family !== "unspec" && transport !== "unspec";
      const [source, destination] = ends[family];
      assertEquals(
        header as unknown,
        known
          ? { version: 2, command: "PROXY", family, transport, source, destination, tlvs: [] }
          : { version: 2, command: "PROXY", family, transport, payload: Uint8Array.from(payload) },
      );
      assertEquals(rest, Uint8Array.of(9));
      const { version: _, ...said } = header!;
      assertEquals(
        encodeProxyHeader(said as ProxyHeader, { version: 2 }),
        binary(0x21, f << 4 | t, ...payload),
      );
    }
  }
});

Deno.test("ProxyProtocolDecoder skips whatever a LOCAL header carries, and its family", () => {
  for (const family of [0x00, 0x11, 0xff]) {
    const { header, rest } = decoded(Uint8Array.of(...binary(0x20, family, 1, 2, 3), 9));
    assertEquals(header, { version: 2, ...PROXY_LOCAL });
    assertEquals(rest, Uint8Array.of(9));
  }
});

Deno.test("ProxyProtocolDecoder refuses versions, commands and families that there are not", () => {
  const wrong = [
    [0x11, 0x11],
    [0x31, 0x11],
    [0x22, 0x11],
    [0x2f, 0x11],
    [0x21, 0x41],
    [0x21, 0x13],
  ];
  for (const [command, family] of wrong) {
    assertEquals(decoded(binary(command!, family!, ...INET)).error?.code, "malformed");
  }
});

Deno.test("ProxyProtocolDecoder keeps version 2 to its lengths", () => {
  assertEquals(decoded(binary(0x21, 0x11, ...INET.slice(1))).error?.code, "malformed");
  const { error } = decoded(binary(0x21, 0x11, ...INET).slice(0, -3));
  assertEquals([error?.code, error?.missing], ["truncated", 3]);

  const limited = (maxLength: number) => {
    const { frames, error } = decode(
      new ProxyProtocolDecoder({ maxLength }),
      binary(0x21, 0x11, ...INET),
    );
    return error?.code ?? frames.length;
  };
  assertEquals([limited(28), limited(27)], [1, "too-long"]);
  // What will be too long is refused before it has come.
  const decoder = new ProxyProtocolDecoder();
  decoder.push(binary(0x21, 0x11, ...new Array(5000).fill(0)).subarray(0, 16));
  assertEquals(code(() => decoder.next()), "too-long");
  for (const maxLength of [15, 65552, 1.5, NaN]) {
    assertThrows(() => new ProxyProtocolDecoder({ maxLength }), RangeError);
    assertThrows(() => encodeProxyHeader(PROXY_LOCAL, { version: 2, maxLength }), RangeError);
  }
});

Deno.test("ProxyProtocolDecoder says of a stream without a header that it is one", () => {
  for (const text of ["", "P", "PROXY TCP4 192.0.2.7", "\r\n\r\n"]) {
    const { error } = decoded(bytes(text));
    assertEquals([error?.code, error?.offset], ["truncated", 0], text);
  }
});

const TLVS: readonly ProxyTlv[] = [
  { type: "alpn", value: bytes("h2") },
  { type: "authority", value: "exämple.com" },
  { type: "noop", value: new Uint8Array(5) },
  { type: "unique-id", value: new Uint8Array(128).fill(7) },
  {
    type: "ssl",
    ssl: true,
    certOnConnection: true,
    certInSession: false,
    verify: 0xfffffffe,
    tlvs: [
      { type: "version", value: "TLSv1.3" },
      { type: "cn", value: "Jürgen" },
      { type: "cipher", value: "TLS_AES_128_GCM_SHA256" },
      { type: "sig-alg", value: "RSA-SHA256" },
      { type: "key-alg", value: "RSA2048" },
      { type: 0x2f, value: bytes("later") },
    ],
  },
  { type: "netns", value: "blue" },
  { type: 0xe0, value: bytes("our own") },
];

Deno.test("ProxyProtocolDecoder reads the TLVs that there are, and keeps those it does not know", () => {
  const { header } = decoded(encodeProxyHeader(proxyHeader(A, B, TLVS), { version: 2 }));
  assertEquals(header?.command === "PROXY" && "tlvs" in header && header.tlvs, TLVS);
});

Deno.test("ProxyProtocolDecoder refuses TLVs that are none", () => {
  const wrong = {
    "cut in the length": [1, 0],
    "longer than the header": [1, 0, 2, 0],
    "checksum of 3 bytes": [3, 0, 3, 0, 0, 0],
    "unique id of 129 bytes": [5, 0, 129, ...new Array(129).fill(0)],
    "authority that is no UTF-8": [2, 0, 1, 0xff],
    "namespace that is no ASCII": [0x30, 0, 2, 0xc3, 0xa9],
    "TLS of 4 bytes": [0x20, 0, 4, 1, 0, 0, 0],
    "TLS with half a TLV": [0x20, 0, 6, 1, 0, 0, 0, 0, 0x21],
    "cipher that is no ASCII": [0x20, 0, 10, 1, 0, 0, 0, 0, 0x23, 0, 2, 0xc3, 0xa9],
    "two checksums": [3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0],
  };
  for (const [what, tlv] of Object.entries(wrong)) {
    assertEquals(decoded(binary(0x21, 0x11, ...INET, ...tlv)).error?.code, "malformed", what);
  }
});

Deno.test("a checksum is computed when it is sent, and checked when it comes", () => {
  // RFC 3720, B.4, has these.
  assertEquals(crc32c(bytes("123456789")), 0xe3069283);
  assertEquals(crc32c(new Uint8Array(32)), 0x8a9136aa);
  const tlvs: ProxyTlv[] = [{ type: "crc32c", value: 0 }, { type: "noop", value: bytes("x") }];
  const sent = encodeProxyHeader(proxyHeader(A, B, tlvs), { version: 2 });
  const { header } = decoded(sent);
  const [checksum] = header?.command === "PROXY" && "tlvs" in header ? header.tlvs : [];
  assert(checksum?.type === "crc32c" && checksum.value !== 0);
  for (let at = 16; at < sent.length; at++) {
    const damaged = sent.slice();
    damaged[at]! ^= 1;
    assertEquals(decoded(damaged).error?.code, "malformed", `byte ${at}`);
  }
});

Deno.test("encodeProxyHeader() writes version 1 to the letter", () => {
  const line = (header: ProxyHeader) =>
    new TextDecoder().decode(encodeProxyHeader(header, { version: 1 }));
  assertEquals(line(proxyHeader(A, B)), "PROXY TCP4 192.0.2.7 192.0.2.1 51000 443\r\n");
  assertEquals(line(proxyHeader(A6, B6)), "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n");
  assertEquals(line(PROXY_UNKNOWN), "PROXY UNKNOWN\r\n");
  // An IPv4 address at the end of IPv6 is the C library's way, and not in the protocol.
  assertEquals(line(proxyHeader(A, B6)), "PROXY TCP6 ::ffff:c000:207 ::1 51000 65535\r\n");
});

Deno.test("encodeProxyHeader() refuses what the other side would", () => {
  const inet = proxyHeader(A, B) as ProxiedInet;
  const bearing = (...tlvs: ProxyTlv[]): ProxyHeader => ({ ...inet, tlvs });
  const unix: ProxyHeader = {
    command: "PROXY",
    family: "unix",
    transport: "stream",
    source: new Uint8Array(),
    destination: bytes("/run/x"),
    tlvs: [],
  };
  const one = (header: ProxyHeader) => () => encodeProxyHeader(header, { version: 1 });
  const two = (header: ProxyHeader) => () => encodeProxyHeader(header, { version: 2 });
  const both = (header: ProxyHeader) => [one(header), two(header)];
  const wrong = [
    one(PROXY_LOCAL),
    one(unix),
    one({ ...inet, transport: "dgram" }),
    one(bearing({ type: "noop", value: new Uint8Array() })),
    ...both({ ...inet, family: "inet6" }),
    ...both({ ...inet, source: { hostname: "localhost", port: 1 } }),
    ...both({ ...inet, source: { hostname: "1.2.3.4\r\nX", port: 1 } }),
    two(bearing({ type: 1, value: new Uint8Array() })),
    two(bearing({ type: 256, value: new Uint8Array() })),
    two(bearing({ type: "unique-id", value: new Uint8Array(129) })),
    two(bearing({ type: "netns", value: "blé" })),
    two(bearing({ type: "authority", value: "\ud800" })),
    two(bearing({ type: "crc32c", value: 0 }, { type: "crc32c", value: 0 })),
    two(bearing({ type: "noop", value: new Uint8Array(65536) })),
  ];
  for (const [i, encode] of wrong.entries()) assertThrows(encode, TypeError, undefined, `${i}`);
  const outside = [
    ...both({ ...inet, source: { hostname: "1.2.3.4", port: 65536 } }),
    ...both({ ...inet, source: { hostname: "1.2.3.4", port: 1.5 } }),
    two(bearing({ type: "noop", value: new Uint8Array(5000) })),
    two({ ...unix, source: new Uint8Array(109).fill(1) }),
  ];
  for (const [i, encode] of outside.entries()) assertThrows(encode, RangeError, undefined, `${i}`);
  assertStringIncludes(assertThrows(one(unix), TypeError).message, "use version 2");
});

Deno.test("proxyHeader() finds the family that both ends fit in", () => {
  const mapped = { hostname: "::ffff:192.0.2.7", port: 51000 };
  assertEquals(proxyHeader(mapped, B), proxyHeader(A, B));
  assertEquals(proxyHeader(A, B6).family, "inet6");
  assertEquals(proxyHeader({ hostname: "fe80::1%eth0", port: 1 }, B6).family, "inet6");
  assertEquals(proxyHeader({ hostname: "localhost", port: 1 }, B), PROXY_UNKNOWN);
});

const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength });
const anyText = fc.string({ unit: "grapheme", maxLength: 20 });
const ascii = fc.string({ unit: "grapheme-ascii", maxLength: 20 });
const port = fc.integer({ min: 0, max: 65535 });
const end = (width: number) =>
  fc.record({
    hostname: fc.uint8Array({ minLength: width, maxLength: width }).map(formatIp),
    port,
  });

const sslTlv: fc.Arbitrary<ProxySslTlv> = fc.oneof(
  fc.record({ type: fc.constant("cn" as const), value: anyText }),
  fc.record({
    type: fc.constantFrom("version" as const, "cipher" as const, "sig-alg" as const),
    value: ascii,
  }),
  fc.record({ type: fc.integer({ min: 0x26, max: 255 }), value: anyBytes(9) }),
);
const tlv: fc.Arbitrary<ProxyTlv> = fc.oneof(
  fc.record({ type: fc.constant("authority" as const), value: anyText }),
  fc.record({ type: fc.constant("netns" as const), value: ascii }),
  fc.record({ type: fc.constantFrom("alpn" as const, "noop" as const), value: anyBytes(40) }),
  fc.record({ type: fc.constant("unique-id" as const), value: anyBytes(128) }),
  fc.record({ type: fc.integer({ min: 0x31, max: 255 }), value: anyBytes(9) }),
  fc.record({
    type: fc.constant("ssl" as const),
    ssl: fc.boolean(),
    certOnConnection: fc.boolean(),
    certInSession: fc.boolean(),
    verify: fc.integer({ min: 0, max: 0xffffffff }),
    tlvs: fc.array(sslTlv, { maxLength: 3 }),
  }),
);
const tlvs = fc.array(tlv, { maxLength: 5 });
const command = fc.constant("PROXY" as const);
const transport = fc.constantFrom("stream" as const, "dgram" as const);
const path = anyBytes(108).filter((bytes) => bytes.at(-1) !== 0);

const anyHeader: fc.Arbitrary<ProxyHeader> = fc.oneof(
  ...([["inet", 4], ["inet6", 16]] as const).map(([family, width]) =>
    fc.record({
      command,
      family: fc.constant(family),
      transport,
      source: end(width),
      destination: end(width),
      tlvs,
    })
  ),
  fc.record({
    command,
    family: fc.constant("unix" as const),
    transport,
    source: path,
    destination: path,
    tlvs,
  }),
  fc.record({
    command,
    family: fc.constant("unspec" as const),
    transport: fc.constantFrom("unspec" as const, "stream" as const),
    payload: anyBytes(60),
  }),
  fc.constant(PROXY_LOCAL),
);

Deno.test("what encodeProxyHeader() writes, ProxyProtocolDecoder reads, and no byte more", () => {
  fc.assert(
    fc.property(anyHeader, anyBytes(20), (header, tail) => {
      const stream = Uint8Array.of(...encodeProxyHeader(header, { version: 2 }), ...tail);
      const got = decoded(stream);
      assertEquals(got.header as unknown, { version: 2, ...header });
      assertEquals(got.rest, tail);
    }),
    { numRuns: 300 },
  );
});

/** A header with some of its bytes changed, dropped or repeated. */
const mutated = fc.tuple(
  fc.oneof(
    anyHeader.map((header) => encodeProxyHeader(header, { version: 2 })),
    fc.constantFrom(
      "PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n",
      "PROXY TCP6 ::1 ffff::1 9 10\r\n",
      "PROXY UNKNOWN x\r\n",
    ).map(bytes),
  ),
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }), fc.constantFrom("set", "drop", "add")), {
    maxLength: 3,
  }),
).map(([stream, changes]) => {
  const all = [...stream];
  for (const [at, byte, how] of changes) {
    if (how === "set") all[at % all.length] = byte;
    else all.splice(at % all.length, how === "drop" ? 1 : 0, ...how === "add" ? [byte] : []);
  }
  return Uint8Array.from(all);
});

Deno.test("ProxyProtocolDecoder makes the same of a stream however it is cut, broken or not", () => {
  for (const version of [1, 2, "either"] as const) {
    assertCutsMeanNothing({
      decoder: () => new ProxyProtocolDecoder({ version }),
      bytes: fc.oneof(mutated, anyBytes(40)),
      // Beside an unfinished header, it holds what is behind a whole one.
      limit: 6000,
    });
  }
});

function code(fn: () => unknown): string | undefined {
  try {
    fn();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}
