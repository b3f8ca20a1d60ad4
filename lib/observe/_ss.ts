/**
 * What `ss` prints, line by line: `ss -tinaHo`, with `-p` or without, of iproute2, any version.
 *
 * @module
 */

import { type TcpAddr, tcpAddr } from "../addr.ts";
import type { KernelSocket, SocketProcess, SocketTimer } from "./kernel_socket.ts";
import type { TcpState } from "./tcp_states.ts";

/** How `ss` calls the states, and how its filter language does. */
const NAMES: readonly (readonly [printed: string, state: TcpState, filter: string])[] = [
  ["UNCONN", "CLOSED", "closed"],
  ["LISTEN", "LISTEN", "listening"],
  ["SYN-SENT", "SYN-SENT", "syn-sent"],
  ["SYN-RECV", "SYN-RECEIVED", "syn-recv"],
  ["ESTAB", "ESTABLISHED", "established"],
  ["FIN-WAIT-1", "FIN-WAIT-1", "fin-wait-1"],
  ["FIN-WAIT-2", "FIN-WAIT-2", "fin-wait-2"],
  ["CLOSE-WAIT", "CLOSE-WAIT", "close-wait"],
  ["CLOSING", "CLOSING", "closing"],
  ["LAST-ACK", "LAST-ACK", "last-ack"],
  ["TIME-WAIT", "TIME-WAIT", "time-wait"],
];

const PRINTED = new Map(NAMES.map(([printed, state]) => [printed, state]));
const FILTERS = new Map(NAMES.map(([, state, filter]) => [state, filter]));

/** The word for a state in a filter. */
export function stateFilter(state: TcpState): string {
  return FILTERS.get(state)!;
}

/** What was printed: the sockets, and the lines that are none. */
export interface SsReport {
  /** The sockets, in order. */
  readonly sockets: KernelSocket[];
  /** Lines that could not be read, so that nothing is left out in silence. */
  readonly unread: string[];
}

/**
 * Reads all of it. `only` is the one state that was asked for: `ss` leaves its column out then.
 * A line that begins with white space belongs to the one before it.
 */
export function parseSs(text: string, only?: TcpState): SsReport {
  const sockets: KernelSocket[] = [];
  const unread: string[] = [];
  const holders: SocketProcess[][] = [];
  const named = takeUsers(text, (users) => holders.push(users) - 1);
  for (const line of named.replaceAll(/\r?\n[ \t]+/g, " ").split(/\r?\n/)) {
    if (line.trim() === "" || /^(State|Recv-Q)\s/.test(line)) continue;
    const socket = parseLine(line, only, holders);
    if (socket === undefined) unread.push(line.trim());
    else sockets.push(socket);
  }
  return { sockets, unread };
}

function parseLine(
  line: string,
  only: TcpState | undefined,
  holders: readonly SocketProcess[][],
): KernelSocket | undefined {
  const all = words(line);
  const state = PRINTED.get(all[0] ?? "");
  const [receive, send, local, peer, ...rest] = state === undefined ? all : all.slice(1);
  const ends = [local, peer].map((text) => parseEnd(text ?? ""));
  const known = state ?? only;
  if (known === undefined || ends[0] === undefined || ends[1] === undefined) return undefined;
  if (!/^\d+$/.test(receive!) || !/^\d+$/.test(send!)) return undefined;
  return {
    state: known,
    local: ends[0],
    peer: ends[1],
    recvQueue: Number(receive),
    sendQueue: Number(send),
    ...facts(rest, holders),
  };
}

/** Cuts at spaces, but not inside of parentheses or quotes. */
function words(line: string): string[] {
  const found: string[] = [];
  // Where the word began that is not whole yet, how many parentheses are open, and a quote.
  let [start, depth, quoted] = [-1, 0, false];
  for (const { 0: piece, index } of line.matchAll(/\S+/g)) {
    // Most have none: thousands of sockets are read several times as fast.
    for (const mark of piece.includes("(") || start >= 0 ? piece : "") {
      if (mark === '"') quoted = !quoted;
      else if (!quoted && mark === "(") depth++;
      else if (!quoted && mark === ")") depth = Math.max(0, depth - 1);
    }
    if (start < 0) start = index;
    if (quoted || depth > 0) continue;
    found.push(line.slice(start, index + piece.length));
    start = -1;
  }
  return start < 0 ? found : [...found, line.slice(start)];
}

/** `127.0.0.1:80`, `[::1]:80`, `[fe80::1]%eth0:80`, `127.0.0.53%lo:53`, `*:*`, `:::80`. */
function parseEnd(text: string): TcpAddr | undefined {
  const colon = text.lastIndexOf(":");
  if (colon < 1) return undefined;
  const port = text.slice(colon + 1);
  if (port !== "*" && !(/^\d{1,5}$/.test(port) && Number(port) <= 65535)) return undefined;
  const host = text.slice(0, colon).replace(/^\[(.*)\]/, "$1");
  return tcpAddr(host, port === "*" ? 0 : Number(port));
}

type Facts = Pick<KernelSocket, "timer" | "processes" | "flags" | "info">;

function facts(rest: readonly string[], holders: readonly SocketProcess[][]): Facts {
  const flags: string[] = [];
  const info: Record<string, string> = {};
  let timer: SocketTimer | undefined;
  let processes: readonly SocketProcess[] | undefined;
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at]!;
    const [, key, value] = /^([\w-]+):(.*)$/s.exec(word) ?? [];
    const next = rest[at + 1] ?? "";
    if (key === "timer") timer = parseTimer(value!);
    else if (key === "users") processes = holders[Number(value)];
    // `version: 1.3`: of TLS in the kernel, what it is stands behind a space.
    else if (key !== undefined) info[key] = value || (next.includes(":") ? "" : rest[++at] ?? "");
    // `send 131072000bps`: a name and its rate are two words.
    else if (/^[a-z_]+$/.test(word) && /^[\d.]+[KMG]?bps$/.test(next)) info[word] = rest[++at]!;
    else flags.push(word);
  }
  return { flags, info, ...timer && { timer }, ...processes && { processes } };
}

/** `(keepalive,119min,0)`. */
function parseTimer(text: string): SocketTimer | undefined {
  const [, kind, left, retransmits] = /^\(([\w-]+),([\w.]*),(\d+)\)$/.exec(text) ?? [];
  if (kind === undefined) return undefined;
  return { kind, left: milliseconds(left!), retransmits: Number(retransmits) };
}

/** `1min30sec`, `9min`, `59sec`, `204ms`; and `1.234ms`, which is 1234 of them. */
function milliseconds(text: string): number {
  const [, minutes = 0, seconds = 0, dotted, fraction = 0] =
    /^(?:(\d+)min)?(?:(\d+)sec)?(?:(?:(\d+)\.)?(\d+)ms)?$/.exec(text) ?? [];
  return Number(minutes) * 60_000 + (Number(seconds) + Number(dotted ?? 0)) * 1000 +
    Number(fraction);
}

/**
 * One of `(("deno",pid=7,fd=21),("node",pid=8,fd=3))`, with what follows it. Before iproute2 3.17
 * it was `(("deno",7,21))`.
 */
const USER = /\("([^]{0,64}?)",(?:pid=)?(\d+),(?:fd=)?(\d+)\)(,(?=\()|\))/y;

/**
 * Takes all who hold sockets out of the text, and leaves `users:NUMBER`. It comes first, as `ss`
 * escapes nothing: a program may be called `"` or `(`, or have a line end in its name, and must
 * not pass for a socket by that.
 */
function takeUsers(text: string, keep: (users: SocketProcess[]) => number): string {
  const begin = "users:(";
  let left = "";
  let taken = 0;
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) {
    const users: SocketProcess[] = [];
    USER.lastIndex = at + begin.length;
    let end = 0;
    for (let found; end === 0 && (found = USER.exec(text));) {
      users.push({ name: found[1]!, pid: Number(found[2]), fd: Number(found[3]) });
      if (found[4] === ")") end = USER.lastIndex;
    }
    if (end === 0) continue; // what it is will be found out as with any other word
    left += `${text.slice(taken, at)}users:${keep(users)}`;
    taken = end;
    at = end - 1;
  }
  return left + text.slice(taken);
}
