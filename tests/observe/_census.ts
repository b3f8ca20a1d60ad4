/**
 * Has tests/peers/states.py make sockets in every state, counts them in every way there is, and
 * prints the counts as JSON: see agreement_test.ts, which starts this in a network of its own.
 */

import { type KernelSocket, plainHost } from "../../lib/observe/kernel_socket.ts";
import { sockets } from "../../lib/observe/kernel.ts";
import { countStates } from "../../lib/observe/state_counts.ts";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";
import { ROOT, startProgram } from "../_script.ts";

/** What is printed. */
export interface Census {
  /** In each state, as they were made. */
  made: Record<string, number>;
  /** In each state, as /proc/net/tcp has them. */
  seen: Record<string, number>;
  /** In each state, as `sockets()` has them. */
  ours: Record<string, number>;
  /** The same, but each state asked for alone. */
  oneByOne: Record<string, number>;
  /** How often each word stands first in a line of `ss -tan`: the chapter's count_tcp_states. */
  words: Record<string, number>;
  /** Sockets of IPv4, and of IPv6, that are whole: not of those in SYN-RECEIVED or TIME-WAIT. */
  families: [number, number];
  /** What `ss -s` prints. */
  summary: string;
  /** Milliseconds that `sockets()` took. */
  took: number;
}

const [established = "2000", apart] = Deno.args;
await using peer = startProgram("python3", ["tests/peers/states.py", established]);
const [line] = await peer.printed(/^\{.*\}$/m);
const { made, seen, ports } = JSON.parse(line) as {
  made: Record<string, number>;
  seen: Record<string, number>;
  ports: number[];
};

// Where others have sockets too, only those count that are ours.
const filter = apart === "apart" ? {} : { port: ports };
const expression = apart === "apart"
  ? []
  : [ports.flatMap((port) => [`sport = :${port}`, `dport = :${port}`]).join(" or ")];

const began = performance.now();
const found = await sockets(filter);
const took = performance.now() - began;
const oneByOne: Record<string, number> = {};
for (const state of TCP_STATES) {
  oneByOne[state] = (await sockets({ ...filter, states: [state] })).length;
}
const words: Record<string, number> = {};
for (const [, word] of (await ss("-tanH", ...expression)).matchAll(/^(\S+) /gm)) {
  words[word!] = (words[word!] ?? 0) + 1;
}

const census: Census = {
  made,
  seen,
  ours: countStates(found),
  oneByOne,
  words,
  families: [
    found.filter((it) => isWhole(it) && !isV6(it)),
    found.filter((it) => isWhole(it) && isV6(it)),
  ]
    .map(({ length }) => length) as [number, number],
  summary: await ss("-s"),
  took,
};
await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(census)}\n`));
await peer.endInput();
await peer.output();

function isWhole({ state }: KernelSocket): boolean {
  return state !== "SYN-RECEIVED" && state !== "TIME-WAIT";
}

function isV6({ local }: KernelSocket): boolean {
  return plainHost(local.hostname).includes(":");
}

async function ss(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("ss", { args, cwd: ROOT }).output();
  return new TextDecoder().decode(stdout);
}
