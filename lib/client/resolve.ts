/**
 * Names to addresses, as the system does it.
 *
 * @module
 */

import type { Family } from "./eyeballs_plan.ts";

/**
 * Looks a name up by getaddrinfo, one family at a time: /etc/hosts, search domains and
 * whatever else nsswitch.conf names have their say, and the order is that of RFC 6724.
 * The code of its errors is `"ENOTFOUND"` if there is no such address, and `"EAI_AGAIN"`
 * if nobody answered.
 *
 * It needs `--allow-net=HOST`, for the name without a port. It cannot be aborted: a lookup
 * that nobody waits for any more goes on, and keeps the process alive, until the system
 * has given it up.
 *
 * `Deno.resolveDns` would ask a name server only, and want a permission for that one.
 */
export async function systemResolve(hostname: string, family: Family): Promise<string[]> {
  // Loaded when a name is first looked up: it takes longer than the lookup does.
  const { lookup } = await import("node:dns/promises");
  const found = await lookup(hostname, { family, all: true });
  return found.filter((one) => one.family === family).map(({ address }) => address);
}

/** Which family `hostname` is an address of, or `undefined` if it is a name. */
export function familyOf(hostname: string): Family | undefined {
  if (hostname.includes(":")) return 6;
  const parts = hostname.split(".");
  const isByte = (part: string) => /^\d{1,3}$/.test(part) && Number(part) <= 255;
  return parts.length === 4 && parts.every(isByte) ? 4 : undefined;
}

/**
 * Whether we may connect to any address. Leave to connect to a name is none to connect to
 * its addresses, so where only that was granted, Deno must look it up and race itself.
 */
export function mayUseAddresses(): boolean {
  return Deno.permissions.querySync({ name: "net" }).state === "granted";
}
