import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Io } from "../../cmd/_cli.ts";
import { UsageError } from "../../cmd/_flags.ts";
import { inOwnNetwork, type Network } from "../../cmd/scenarios/_own_network.ts";
import { firstMissing, needs } from "../_needs.ts";
import { firstLineFlags, ROOT, start } from "../_script.ts";

/** A lesson whose first line asks for what the tests have. */
const LESSON = new URL("cmd/scenarios/half_close.ts", ROOT).href;

/** Runs a lesson that only says where it is. */
async function place(setup: string, args: string[] = []): Promise<Network | undefined> {
  let place: Network | undefined;
  const main = inOwnNetwork({ url: LESSON } as ImportMeta, setup, (network) => () => {
    place = network;
    return Promise.resolve(0);
  });
  await main(args, { interrupted: new AbortController().signal } as Io);
  return place;
}

needs(
  { read: true, run: ["unshare"] },
  "inOwnNetwork() tells a lesson why it has none",
  async () => {
    const network = await place("echo the cable is broken >&2; false");
    assert(network !== undefined && !network.own);
    assertStringIncludes(network.why, "no network of its own: ");
  },
);

needs(
  { read: true },
  "inOwnNetwork() refuses what the lesson would, before it starts it",
  async () => {
    await assertRejects(() => place("false", ["--no-such-flag"]), UsageError);
  },
);

needs({ read: true }, "inOwnNetwork() does not start again what it has started", async () => {
  assertEquals(await place("false", ["--in-its-own-network"]), { own: true });
});

needs(
  { read: true, run: ["deno", "unshare"] },
  "inOwnNetwork() ends the lesson when it is to end itself",
  async () => {
    if (!await unshares()) return;
    await using script = await start("../tests/cmd/_lessons/own/waits", ["--json"]);
    await script.printed(/it has its own network/);
    script.kill("SIGTERM");
    const { code, stderr } = await script.ended();
    assertEquals([code, stderr], [143, ""]);
  },
);

needs(
  { read: true, run: ["deno", "unshare", "ss"] },
  "inOwnNetwork() gives the lesson no more than it was given itself",
  async () => {
    if (!await unshares()) return;
    const flags = (await firstLineFlags("cmd/scenarios/syn_queue.ts")).map((flag) =>
      flag.replace(/^--allow-run=.*/, "--allow-run=unshare,tcpdump")
    );
    await using script = await start("scenarios/syn_queue", [], { flags });
    const output = await script.output();
    assertMatch(output, /\(ss is missing, or --allow-run=ss\)/);
    assertMatch(output, / {2}✓ accept\(\) never failed, and had these three/);
  },
);

/** Whether this system gives a network of its own to whoever runs the tests. */
async function unshares(): Promise<boolean> {
  for (const way of [["--net"], ["--map-root-user", "--net"]]) {
    const args = [...way, "ip", "link", "set", "lo", "up"];
    const command = new Deno.Command("unshare", { args, stdout: "null", stderr: "null" });
    if ((await command.output()).success) return true;
  }
  assertEquals(firstMissing({ run: ["unshare"] }), undefined);
  return false;
}
