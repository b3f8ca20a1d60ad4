/**
 * A list of servers, as it stands on a command line or in a file.
 *
 * Servers are separated by commas or new lines; `#` begins a comment. Each is
 *
 *     [NAME=]HOST:PORT[@WEIGHT] [backup] [drain | maintenance] [max=COUNT]
 *
 * and its name is its address, unless it has one.
 *
 * @example
 * ```ts
 * import { parseServerList } from "@tcplab/tcplab/proxy";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = parseServerList("10.0.0.1:80, b=10.0.0.2:80@3 backup max=100");
 * assertEquals(a?.id, "10.0.0.1:80");
 * assertEquals([b?.id, b?.settings], [
 *   "b",
 *   { weight: 3, backup: true, maxConns: 100, mode: "ready" },
 * ]);
 * ```
 *
 * @module
 */

import { formatAddr, parseAddr, type TcpAddr } from "../addr.ts";
import type { ServerMode, ServerSettings, ServerStatus } from "./balance_server.ts";
import type { Balancer } from "./balancer.ts";

/** One server of a list. */
export interface ListedServer {
  /** Its name. */
  readonly id: string;
  /** Where it is. */
  readonly addr: TcpAddr;
  /** What the list says of it. */
  readonly settings: Required<Omit<ServerSettings, "up">>;
}

/**
 * Reads a list.
 *
 * @throws {TypeError} If it is none, names a server twice, or names none.
 */
export function parseServerList(text: string): ListedServer[] {
  const servers = text
    .split("\n")
    .map((line, i) => ({ at: i + 1, text: line.replace(/#.*/s, "") }))
    .flatMap(({ at, text }) => text.split(",").map((text) => ({ at, text: text.trim() })))
    .filter(({ text }) => text !== "")
    .map(({ at, text }) => parseServer(text, at));
  const names = servers.map(({ id }) => id);
  const twice = names.find((id, i) => names.indexOf(id) < i);
  if (twice !== undefined) throw wrong("name each server once, not twice", twice);
  if (servers.length === 0) throw wrong("name a server", text);
  return servers;
}

function parseServer(text: string, line: number): ListedServer {
  const [head = "", ...words] = text.split(/\s+/);
  const [, name, address = "", weight = "1"] = /^(?:([\w.-]+)=)?([^@=]+)(?:@(\d+))?$/.exec(head) ??
    [];
  const where = line > 1 ? ` in line ${line}` : "";
  let addr: TcpAddr;
  try {
    addr = parseAddr(address);
  } catch {
    throw wrong(`have servers such as 10.0.0.1:80@3, or web1=10.0.0.1:80${where}`, text);
  }
  if (addr.port === 0) throw wrong(`have no port 0${where}`, text);
  let backup = false;
  let mode: ServerMode = "ready";
  let maxConns = Infinity;
  for (const word of words) {
    const [, most] = /^max=([1-9]\d*)$/.exec(word) ?? [];
    if (word === "backup") backup = true;
    else if (word === "drain" || word === "maintenance") mode = word;
    else if (most !== undefined) maxConns = Number(most);
    else throw wrong(`have no words but backup, drain, maintenance and max=COUNT${where}`, text);
  }
  const settings = { weight: Number(weight), backup, maxConns, mode };
  return { id: name ?? formatAddr(addr), addr, settings };
}

/** What a new list changed. */
export interface ListChanges {
  /** Names of servers that are new, or are somewhere else now. */
  readonly added: readonly string[];
  /** Names of servers whose settings are others. */
  readonly changed: readonly string[];
  /** Names of servers that are gone, or are somewhere else now. */
  readonly removed: readonly string[];
}

/**
 * Gives a balancer the servers of a list. Connections that it has placed are left alone, and
 * whether a server is up stays as it is; a new one is up if `up`.
 */
export function applyServerList(
  balancer: Balancer<TcpAddr>,
  list: readonly ListedServer[],
  up = true,
): ListChanges {
  const before = new Map(balancer.servers.map((server) => [server.id, server]));
  const changes = { added: [] as string[], changed: [] as string[], removed: [] as string[] };
  const wanted = new Map(list.map((server) => [server.id, server]));
  for (const { id, target } of before.values()) {
    const same = wanted.get(id);
    if (same !== undefined && formatAddr(same.addr) === formatAddr(target)) continue;
    balancer.remove(id);
    before.delete(id);
    changes.removed.push(id);
  }
  for (const { id, addr, settings } of list) {
    const old = before.get(id);
    if (old === undefined) {
      balancer.add(id, addr, { ...settings, up });
      changes.added.push(id);
    } else if (differs(old, settings)) {
      balancer.set(id, settings);
      changes.changed.push(id);
    }
  }
  return changes;
}

function differs(status: ServerStatus<unknown>, settings: ListedServer["settings"]): boolean {
  const names = ["weight", "backup", "maxConns", "mode"] as const;
  return names.some((name) => status[name] !== settings[name]);
}

function wrong(rule: string, text: string): TypeError {
  // What is no list at all may have one line, and be a long one.
  const value = JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  return new TypeError(
    `Cannot read a list of servers as it must ${rule}: current value is ${value}`,
  );
}
