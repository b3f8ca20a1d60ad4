/**
 * IP addresses as bytes: what a CIDR, a PROXY protocol header and a person have in common.
 *
 * @example The same address, spelled in three ways
 * ```ts
 * import { formatIp, parseIp } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * for (const text of ["2001:db8:0:0:0:0:0:1", "2001:DB8::1", "2001:0db8::0001"]) {
 *   assertEquals(formatIp(parseIp(text)!), "2001:db8::1");
 * }
 * assertEquals(parseIp("010.0.0.1"), undefined); // octal to some, decimal to others
 * ```
 *
 * @module
 */

/** Ahead of an IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * The 4 or 16 bytes of an address, or `undefined` if it is none: no name, no zone, no
 * leading zeros in IPv4. IPv6 may end in an IPv4 address, as the C library prints it.
 */
export function parseIp(text: string): Uint8Array<ArrayBuffer> | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/**
 * Writes an address as RFC 5952 recommends, but always in groups: `::ffff:102:304`.
 *
 * @throws {RangeError} If there are not 4 or 16 bytes.
 */
export function formatIp(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join(".");
  if (ip.length !== 16) {
    throw new RangeError(
      `Cannot format an IP address as it must have 4 or 16 bytes: current value has ${ip.length}`,
    );
  }
  const groups = Array.from({ length: 8 }, (_, i) => ip[2 * i]! << 8 | ip[2 * i + 1]!);
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The IPv4 address that a mapped IPv6 address stands for; any other as it is. */
export function unmapIp(ip: Uint8Array): Uint8Array {
  return ip.length === 16 && MAPPED.every((byte, i) => ip[i] === byte) ? ip.subarray(12) : ip;
}

/** An IPv4 address as IPv6: `::ffff:…`; an IPv6 address as it is. */
export function mapIp(ip: Uint8Array): Uint8Array {
  return ip.length === 4 ? Uint8Array.of(...MAPPED, ...ip) : ip;
}

function parseIpv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const fits = (part: string) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255;
  return parts.every(fits) ? Uint8Array.from(parts, Number) : undefined;
}

function parseIpv6(text: string): Uint8Array<ArrayBuffer> | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [left, right] = halves.map((half, i) => groupBytes(half, i === halves.length - 1));
  if (left === undefined) return undefined;
  if (halves.length === 1) return left.length === 16 ? Uint8Array.from(left) : undefined;
  // The two colons stand for one group of zeros at least.
  if (right === undefined || left.length + right.length > 14) return undefined;
  const ip = new Uint8Array(16);
  ip.set(left);
  ip.set(right, 16 - right.length);
  return ip;
}

/** The bytes of groups between single colons; only the last one may be an IPv4 address. */
function groupBytes(text: string, mayEndInIpv4: boolean): number[] | undefined {
  const bytes: number[] = [];
  const groups = text === "" ? [] : text.split(":");
  for (const [i, group] of groups.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(group)) {
      const value = parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const ipv4 = mayEndInIpv4 && i === groups.length - 1 ? parseIpv4(group) : undefined;
    if (ipv4 === undefined) return undefined;
    bytes.push(...ipv4);
  }
  return bytes;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}
