import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatIp, mapIp, parseIp, unmapIp } from "../../lib/proxy/ip.ts";

Deno.test("parseIp() takes an address in every spelling that means just one", () => {
  const spelled: Record<string, string> = {
    "0.0.0.0": "0.0.0.0",
    "255.255.255.255": "255.255.255.255",
    "::": "::",
    "::1": "::1",
    "1::": "1::",
    "2001:DB8::1": "2001:db8::1",
    "2001:0db8:0:0:0:0:0:1": "2001:db8::1",
    "1:0:0:2:0:0:0:3": "1:0:0:2::3",
    "1:0:0:2:3:0:0:4": "1::2:3:0:0:4",
    "1:0:2:3:4:5:6:7": "1:0:2:3:4:5:6:7",
    "::ffff:1.2.3.4": "::ffff:102:304",
    "64:ff9b::1.2.3.4": "64:ff9b::102:304",
    "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
  };
  for (const [text, written] of Object.entries(spelled)) {
    assertEquals(formatIp(parseIp(text)!), written, text);
  }
});

Deno.test("parseIp() takes nothing else", () => {
  const wrong = ["", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.-4", "1.2.3.4 "];
  wrong.push(":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::", ":1::");
  wrong.push("1:2:3:4:5:6:7:8::", "fe80::1%eth0", "1.2.3.4::", "::1.2.3.4:5", "::1.2.3", "[::1]");
  wrong.push("localhost", "1.2.3.4/8", "0x1.2.3.4", "１.2.3.4");
  for (const text of wrong) assertEquals(parseIp(text), undefined, text);
});

Deno.test("formatIp() and parseIp() undo each other, as URL's parser sees it, too", () => {
  const ip = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }).map((bytes) =>
      Uint8Array.from(bytes)
    ),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(fc.property(ip, (bytes) => {
    const text = formatIp(bytes);
    assertEquals(parseIp(text), bytes);
    const host = bytes.length === 4 ? text : `[${text}]`;
    assertEquals(new URL(`http://${host}/`).hostname, host);
  }));
});

Deno.test("parseIp() agrees with URL's parser about any text for IPv6", () => {
  const text = fc.string({ unit: fc.constantFrom(..."0123:::.afg"), maxLength: 24 });
  fc.assert(
    fc.property(text, (text) => {
      if (!text.includes(":")) return;
      assertEquals(parseIp(text) !== undefined, URL.canParse(`http://[${text}]/`), text);
    }),
    { numRuns: 3000 },
  );
});

Deno.test("mapIp() and unmapIp() undo each other, and leave IPv6 alone", () => {
  const four = parseIp("1.2.3.4")!;
  assertEquals(mapIp(four), parseIp("::ffff:1.2.3.4")!);
  assertEquals(unmapIp(mapIp(four)), four);
  const six = parseIp("::1.2.3.4")!;
  assertEquals([mapIp(six), unmapIp(six)], [six, six]);
});

Deno.test("formatIp() refuses bytes that are no address", () => {
  for (const length of [0, 3, 5, 15, 17]) {
    assertThrows(() => formatIp(new Uint8Array(length)), RangeError);
  }
});
