import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import { checkAccess, CidrList, formatCidr, parseCidr } from "../../lib/proxy/cidr.ts";
import { formatIp, parseIp } from "../../lib/proxy/ip.ts";

Deno.test("parseCidr() reads ranges and single addresses", () => {
  const written: Record<string, string> = {
    "10.0.0.0/8": "10.0.0.0/8",
    "0.0.0.0/0": "0.0.0.0/0",
    "10.1.2.3": "10.1.2.3/32",
    "2001:db8::/32": "2001:db8::/32",
    "::/0": "::/0",
    "::1": "::1/128",
    "::ffff:10.0.0.0/104": "10.0.0.0/8",
    "::ffff:10.1.2.3": "10.1.2.3/32",
    "128.0.0.0/1": "128.0.0.0/1",
    "10.128.0.0/9": "10.128.0.0/9",
  };
  for (const [text, as] of Object.entries(written)) assertEquals(formatCidr(parseCidr(text)), as);
});

Deno.test("parseCidr() refuses what is no range, and one that begins elsewhere", () => {
  for (
    const text of ["", "10.0.0.0/33", "10.0.0.0/08", "::/129", "10.0.0.0/", "/8", "a/8", "1/8"]
  ) {
    assertThrows(() => parseCidr(text), TypeError, undefined, text);
  }
  const { message } = assertThrows(() => parseCidr("10.1.2.3/9"), TypeError);
  assertStringIncludes(message, "10.0.0.0/9");
});

Deno.test("CidrList keeps the families apart, and sees through mapped addresses", () => {
  const ipv4 = new CidrList(["0.0.0.0/0"]);
  const ipv6 = new CidrList(["::/0"]);
  for (const text of ["1.2.3.4", "::ffff:1.2.3.4", "::ffff:102:304"]) {
    assertEquals([ipv4.has(text), ipv6.has(text)], [true, false], text);
  }
  for (const text of ["::1", "fe80::1", "fe80::1%eth0", "::1.2.3.4"]) {
    assertEquals([ipv4.has(text), ipv6.has(text)], [false, true], text);
  }
  for (const text of ["", "localhost", "1.2.3", "/tmp/socket"]) {
    assertEquals([ipv4.has(text), ipv6.has(text)], [false, false], text);
  }
});

Deno.test("CidrList has an address if and only if it begins with the same bits", () => {
  const address = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const bitsOf = (ip: Uint8Array) =>
    [...ip].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  fc.assert(fc.property(address, address, fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
    const near = Uint8Array.from(b, (byte, i) => i < bits >> 3 ? a[i]! : byte);
    const head = bitsOf(a).slice(0, bits);
    const network = Uint8Array.from(
      head.padEnd(32, "0").match(/.{8}/g)!,
      (byte) => parseInt(byte, 2),
    );
    const list = new CidrList([`${formatIp(network)}/${bits}`]);
    assertEquals(list.has(formatIp(near)), bitsOf(near).startsWith(head));
  }));
});

Deno.test("CidrList.find() returns the first range that fits", () => {
  const list = new CidrList(["192.168.0.0/16", "10.0.0.0/8", "10.1.0.0/16"]);
  assertEquals(list.find("10.1.2.3"), { network: parseIp("10.0.0.0")!, bits: 8 });
});

Deno.test("checkAccess() lets a denial outweigh, and says which rule it was", () => {
  const allow = new CidrList(["10.0.0.0/8"]);
  const deny = new CidrList(["10.9.0.0/16"]);
  assertEquals(checkAccess("10.1.2.3", { allow, deny }), {
    allowed: true,
    why: "allowed by 10.0.0.0/8",
  });
  assertEquals(checkAccess("10.9.2.3", { allow, deny }), {
    allowed: false,
    why: "denied by 10.9.0.0/16",
  });
  assertEquals(checkAccess("1.2.3.4", { allow }), { allowed: false, why: "in no allowed range" });
  assertEquals(checkAccess("1.2.3.4", { deny }), { allowed: true, why: "not denied" });
  assertEquals(checkAccess("not an address", { allow }).allowed, false);
});
