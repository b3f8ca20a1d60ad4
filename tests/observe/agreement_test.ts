/** `sockets()` beside every other count there is, with thousands of sockets in every state. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { TCP_STATES } from "../../lib/observe/tcp_states.ts";
import { firstMissing, type Needs, needs } from "../_needs.ts";
import { ownNetwork } from "../_own_network.ts";
import { startProgram } from "../_script.ts";
import type { Census } from "./_census.ts";

const CENSUS: Needs = { run: ["deno", "python3", "ss"], read: true };

/** Sockets that are ESTABLISHED, to begin with; half as many connections. */
const ESTABLISHED = 4000;

/** How `ss` calls the states that it shortens. */
const WORDS: Record<string, string> = {
  ESTAB: "ESTABLISHED",
  "SYN-RECV": "SYN-RECEIVED",
  UNCONN: "CLOSED",
};

async function census(network: readonly string[] | undefined): Promise<Census> {
  const deno = [Deno.execPath(), "run", "--quiet", "--allow-run=python3,ss", "--allow-read"];
  const how = network === undefined ? "among others" : "apart";
  const [program, ...args] = [
    ...network ?? [],
    ...deno,
    "tests/observe/_census.ts",
    `${ESTABLISHED / 2}`,
    how,
  ];
  await using process = startProgram(program!, args);
  return JSON.parse(await process.output());
}

needs(
  CENSUS,
  "sockets() agrees with ss and the kernel on thousands of sockets in every state",
  async () => {
    const network = firstMissing({ run: ["unshare", "ip"] }) === undefined
      ? await ownNetwork()
      : undefined;
    const { made, seen, ours, oneByOne, words, families, summary } = await census(network);
    // CLOSED is no connection at all: the kernel has no socket to show.
    assertEquals(TCP_STATES.filter((state) => made[state] === 0), ["CLOSED"]);
    assert(made["ESTABLISHED"]! >= ESTABLISHED);
    assertEquals(seen, made, "the peer could not make them");
    assertEquals(ours, made);
    assertEquals(oneByOne, made);
    const named = Object.entries(words).map(([word, count]) => [WORDS[word] ?? word, count]);
    assertEquals({ CLOSED: 0, ...Object.fromEntries(named) }, made);
    // The summary is about everybody's sockets.
    if (network === undefined) return;
    const all = Object.values(made).reduce((sum, count) => sum + count);
    const [, connected, waiting] = /^TCP: .*\(estab (\d+),.*timewait (\d+)\)$/m.exec(summary) ?? [];
    // Whoever may still send is connected to ss.
    assertEquals(Number(connected), made["ESTABLISHED"]! + made["CLOSE-WAIT"]!);
    assertEquals(Number(waiting), made["TIME-WAIT"]!);
    const whole = all - made["SYN-RECEIVED"]! - made["TIME-WAIT"]!;
    const [v4, v6] = families;
    assertMatch(summary, new RegExp(`^TCP\\s+${whole}\\s+${v4}\\s+${v6}\\s*$`, "m"));
  },
);
