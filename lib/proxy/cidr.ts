/**
 * Ranges of addresses: who may come, and whose PROXY protocol header is believed.
 *
 * @example Who is trusted
 * ```ts
 * import { CidrList } from "@tcplab/tcplab/proxy";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const trusted = new CidrList(["10.0.0.0/8", "2001:db8::/32"]);
 * assert(trusted.has("10.1.2.3"));
 * assert(trusted.has("::ffff:10.1.2.3")); // how a socket for both families reports it
 * assertEquals(trusted.find("192.168.0.1"), undefined);
 * ```
 *
 * @module
 */

import { formatIp, parseIp, unmapIp } from "./ip.ts";

/** One range of addresses. */
export interface Cidr {
  /** Its first address: 4 bytes or 16. */
  readonly network: Uint8Array;
  /** How many leading bits all of its addresses share. */
  readonly bits: number;
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32`, or one address. A range of mapped addresses, such as
 * `::ffff:10.0.0.0/104`, is the IPv4 range it stands for.
 *
 * @throws {TypeError} If it is no range, or its address lies inside of it: of `10.0.0.1/8`
 * nobody knows whether the address or the length is the slip.
 */
export function parseCidr(text: string): Cidr {
  const [, address = "", length] = /^([0-9a-f.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/i.exec(text) ?? [];
  const ip = parseIp(address);
  const size = (ip?.length ?? 0) * 8;
  const bits = length === undefined ? size : Number(length);
  if (ip === undefined || bits > size) {
    throw wrong("be an address and a number of bits, such as 10.0.0.0/8 or ::1/128", text);
  }
  const network = masked(ip, bits);
  if (network.some((byte, i) => byte !== ip[i])) {
    throw wrong(`begin with its first address, ${formatIp(network)}/${bits}`, text);
  }
  const ipv4 = unmapIp(network);
  return ipv4.length < network.length && bits >= 96
    ? { network: ipv4, bits: bits - 96 }
    : { network, bits };
}

/** Writes a range as {@linkcode parseCidr} reads it. */
export function formatCidr({ network, bits }: Cidr): string {
  return `${formatIp(network)}/${bits}`;
}

/**
 * Some ranges. An IPv4 address is in IPv4 ranges only, even if it is written as a mapped
 * IPv6 one: `::/0` is all of IPv6, and nothing else.
 */
export class CidrList {
  /** The ranges, in order. */
  readonly ranges: readonly Cidr[];

  /**
   * Reads each range.
   *
   * @throws {TypeError} As {@linkcode parseCidr} does.
   */
  constructor(ranges: Iterable<string>) {
    this.ranges = Array.from(ranges, parseCidr);
  }

  /** Whether `address` is in one of them; a zone such as `%eth0` means nothing. */
  has(address: string): boolean {
    return this.find(address) !== undefined;
  }

  /** The first range that `address` is in. What is no IP address is in none. */
  find(address: string): Cidr | undefined {
    const ip = parseIp(address.replace(/%.*$/s, ""));
    if (ip === undefined) return undefined;
    const bare = unmapIp(ip);
    return this.ranges.find(({ network, bits }) =>
      network.length === bare.length &&
      masked(bare, bits).every((byte, i) => byte === network[i])
    );
  }
}

/** Who may come. */
export interface AccessRules {
  /**
   * Only these; all, if it is missing.
   *
   * @default {undefined}
   */
  allow?: CidrList;
  /**
   * But none of these.
   *
   * @default {undefined}
   */
  deny?: CidrList;
}

/** Whether somebody may come, and which rule says so. */
export interface Access {
  /** Whether. */
  readonly allowed: boolean;
  /** Why, in a few words for a log. */
  readonly why: string;
}

/** Asks the rules about `address`. To be denied outweighs being allowed. */
export function checkAccess(address: string, { allow, deny }: AccessRules): Access {
  const denied = deny?.find(address);
  if (denied !== undefined) return { allowed: false, why: `denied by ${formatCidr(denied)}` };
  if (allow === undefined) return { allowed: true, why: "not denied" };
  const found = allow.find(address);
  if (found === undefined) return { allowed: false, why: "in no allowed range" };
  return { allowed: true, why: `allowed by ${formatCidr(found)}` };
}

function masked(ip: Uint8Array, bits: number): Uint8Array {
  return Uint8Array.from(ip, (byte, i) => {
    const kept = Math.min(Math.max(bits - 8 * i, 0), 8);
    return byte & (0xff00 >> kept);
  });
}

function wrong(rule: string, text: string): TypeError {
  return new TypeError(
    `Cannot read a range of addresses as it must ${rule}: current value is ${JSON.stringify(text)}`,
  );
}
