import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatAddr, parseAddr, tcpAddr } from "../lib/addr.ts";

const READ: Record<string, [hostname: string, port: number]> = {
  "9999": ["127.0.0.1", 9999],
  ":9999": ["127.0.0.1", 9999],
  "0": ["127.0.0.1", 0],
  "65535": ["127.0.0.1", 65535],
  "localhost:80": ["localhost", 80],
  "example.com.:80": ["example.com.", 80],
  "my_host-1.internal:80": ["my_host-1.internal", 80],
  "bücher.example:80": ["bücher.example", 80],
  "bu\u0308cher.example:80": ["bu\u0308cher.example", 80],
  "127.0.0.1:80": ["127.0.0.1", 80],
  "[::1]:9999": ["::1", 9999],
  "[::]:0": ["::", 0],
  "[2001:DB8::a]:1": ["2001:DB8::a", 1],
  "[::ffff:127.0.0.1]:1": ["::ffff:127.0.0.1", 1],
  "[fe80::1%eth0]:1": ["fe80::1%eth0", 1],
};

for (const [text, [hostname, port]] of Object.entries(READ)) {
  Deno.test(`parseAddr() reads ${text}`, () => {
    assertEquals(parseAddr(text), { transport: "tcp", hostname, port });
  });
}

const REFUSED: Record<string, string> = {
  "": "must end in a port",
  "localhost": "must end in a port",
  "localhost:": "must end in a port",
  "localhost:http": "must end in a port",
  "localhost:-1": "must end in a port",
  "localhost:+1": "must end in a port",
  "localhost:1.5": "must end in a port",
  "localhost: 80": "must end in a port",
  "[::1]": "must end in a port",
  "::1": "must stand in brackets",
  "::1:9999": "must stand in brackets",
  "2001:db8::abcd": "must stand in brackets",
  "1:2:3:4:5:6:7:8:9999": "must stand in brackets",
  "fe80::1%eth0:80": "must stand in brackets",
  "http://localhost:80": "its host must be",
  "user@localhost:80": "its host must be",
  "a b:80": "its host must be",
  "a..b:80": "its host must be",
  ".:80": "its host must be",
  "a;reboot:80": "its host must be",
  "$(reboot):80": "its host must be",
  "\x1b[31mred:80": "its host must be",
  "[]:80": "its host must be",
  "[localhost]:80": "its host must be",
  "[127.0.0.1]:80": "its host must be",
  "[:::]:80": "its host must be",
  "[1::2::3]:80": "its host must be",
  "[::1%]:80": "its host must be",
  "[::1:80": "its host must be",
  "::1]:80": "its host must be",
  "x::1]:80": "its host must be",
};

for (const [text, rule] of Object.entries(REFUSED)) {
  Deno.test(`parseAddr() refuses ${JSON.stringify(text)}: ${rule}`, () => {
    const { message } = assertThrows(() => parseAddr(text), TypeError, rule);
    assertEquals(message.endsWith(`: current value is ${JSON.stringify(text)}`), true, message);
  });
}

Deno.test("parseAddr() refuses a port above 65535 as out of range", () => {
  for (const text of ["65536", ":70000", "host:99999999999999999999", "[::1]:65536"]) {
    assertThrows(() => parseAddr(text), RangeError, "its port must be 0 to 65535");
  }
});

Deno.test("parseAddr() takes the host that was left out from its options", () => {
  assertEquals(parseAddr("80", { hostname: "0.0.0.0" }).hostname, "0.0.0.0");
  assertEquals(parseAddr(":80", { hostname: "0.0.0.0" }).hostname, "0.0.0.0");
  assertEquals(parseAddr("a:80", { hostname: "0.0.0.0" }).hostname, "a");
});

Deno.test("parseAddr() reads what formatAddr() writes", () => {
  const ipv6 = fc.tuple(fc.ipV6(), fc.constantFrom("", "%eth0", "%1", "%wlan-0.1"));
  const hostname = fc.oneof(fc.domain(), fc.ipV4(), ipv6.map(([ip, zone]) => ip + zone));
  fc.assert(fc.property(hostname, fc.integer({ min: 0, max: 65535 }), (hostname, port) => {
    const addr = tcpAddr(hostname, port);
    assertEquals(parseAddr(formatAddr(addr)), addr);
  }));
});

Deno.test("parseAddr() of any text is an address, a TypeError or a RangeError", () => {
  const parts = fc.constantFrom("[", "]", ":", "::1", "%", ".", "a", "1", "99999", "\0", " ", "é");
  fc.assert(fc.property(fc.oneof(fc.string(), fc.array(parts).map((p) => p.join(""))), (text) => {
    try {
      const addr = parseAddr(text);
      assertEquals(parseAddr(formatAddr(addr)), addr);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    }
  }));
});

Deno.test("formatAddr() puts IPv6 in brackets, and nothing else", () => {
  assertEquals(formatAddr({ hostname: "::1", port: 1 }), "[::1]:1");
  assertEquals(formatAddr({ hostname: "127.0.0.1", port: 1 }), "127.0.0.1:1");
  assertEquals(formatAddr({ hostname: "localhost", port: 1 }), "localhost:1");
});

Deno.test("tcpAddr() fits Deno.connect() as it is", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr as Deno.NetAddr;
  using _client = await Deno.connect(tcpAddr(hostname, port));
  using _server = await listener.accept();
});
