import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Counts, faultsTable, KEYS, pressKey } from "../../cmd/_faults_table.ts";
import { faultyLink, latency, stall } from "../../lib/faults/mod.ts";
import { formatAddr } from "../../lib/addr.ts";
import {
  dialResettable,
  listenResettable,
  readExact,
  readToEnd,
  writeAll,
} from "../../lib/stream/mod.ts";
import { needs } from "../_needs.ts";
import { start } from "../_script.ts";

const STARTING = { run: ["deno"], read: true } as const;

needs(
  STARTING,
  "faults --control alone serves toxiproxy's API, and its proxies are told",
  async () => {
    await using script = await start("faults", ["--control", "0"]);
    const { port } = await script.addr();
    const url = `http://127.0.0.1:${port}`;
    const version = await fetch(`${url}/version`);
    assertEquals(Object.keys(await version.json()), ["version"]);
    script.kill("SIGTERM");
    assertEquals((await script.ended()).code, 0);
  },
);

needs(
  STARTING,
  "faults --to with --control is the API's proxy 'main', with its faults",
  async () => {
    const args = ["--listen", "0", "--to", "127.0.0.1:9", "--down", "latency=5,jitter=2"];
    await using script = await start("faults", [...args, "--control", "0"]);
    const { port } = await script.addr();
    await script.logged(/seed \d+/);
    const main = await (await fetch(`http://127.0.0.1:${port}/proxies/main`)).json();
    assertEquals([main.upstream, main.enabled], ["127.0.0.1:9", true]);
    const [{ name, stream, attributes }] = main.toxics;
    assertEquals([name, stream], ["latency down 1", "downstream"]);
    assertEquals([attributes.latency, attributes.jitter], [5, 2]);
    const path = `${main.name}/toxics/${encodeURIComponent(name)}`;
    const gone = await fetch(`http://127.0.0.1:${port}/proxies/${path}`, { method: "DELETE" });
    assertEquals(gone.status, 204);
    script.kill("SIGTERM");
    assertEquals((await script.ended()).code, 0);
  },
);

needs(STARTING, "faults tells the seed that decides, so that a run can be had again", async () => {
  await using script = await start("faults", [
    "--listen",
    "0",
    "--to",
    "127.0.0.1:9",
    "--seed",
    "7",
  ]);
  await script.logged(/seed 7\n/);
  script.kill("SIGTERM");
  const { code, stderr } = await script.ended();
  assertEquals(code, 0);
  assertMatch(stderr, /to have this again: --seed 7\n$/);
});

needs(
  { ...STARTING, write: true },
  "faults refuses what is wrong in one line that says where, and exits with 2",
  async () => {
    const path = await Deno.makeTempFile();
    await Deno.writeTextFile(path, "connection 1 up: fin\nconnection 2 up: stal\n");
    const wrong: [string[], RegExp][] = [
      [[], /--to or --control must be given/],
      [
        ["--to", "127.0.0.1:9", "--up", "latenci=1"],
        /its type must be one of latency, .*: current value is latenci/,
      ],
      [
        ["--to", "127.0.0.1:9", "--down", "latency=x"],
        /^faults: --down: .*'latency' must be an integer from 0 to \d+: current value is "x"$/m,
      ],
      [
        ["--to", "127.0.0.1:9", "--up", "latency=1", "--up=drop"],
        /--up must be given once, with all its faults/,
      ],
      [["--control", "0", "--up", "drop"], /--up needs --to/],
      [["--control", "0", "--script", path], /--script needs --to/],
      [["--to", "127.0.0.1:9", "--seed", "-1"], /--seed/],
      [["--to", "127.0.0.1:9", "--script", path], /:2:18: Cannot make a fault as its type must be/],
    ];
    for (const [args, message] of wrong) {
      await using script = await start("faults", args);
      const { code, stderr } = await script.ended();
      assertEquals([code, stderr.trimEnd().split("\n").length], [2, 1], stderr);
      assertMatch(stderr, message);
    }
    await Deno.remove(path);
  },
);

needs(STARTING, "faults --fast leads without RST, also to the server of --to", async () => {
  using listener = await listenResettable();
  const args = ["--listen", "0", "--to", formatAddr(listener.addr), "--fast"];
  await using script = await start("faults", [...args, "--down", "reset_peer"]);
  const { port } = await script.addr();
  using client = await dialResettable({ hostname: "127.0.0.1", port });
  assertEquals((await readToEnd(client)).length, 0); // with RST it would throw
});

Deno.test("faultsTable() shows faults, connections with rates, and the last events", async () => {
  using listener = await listenResettable();
  await using link = await faultyLink(listener.addr, {
    seed: 7,
    up: [{ name: "slow", fault: latency(0) }],
    down: [{ name: "stuck", fault: stall(), toxicity: 0 }],
  });
  using client = await dialResettable(link.addr);
  using server = await listener.accept();
  await writeAll(client, new Uint8Array(3000));
  await readExact(server, 3000);
  const counts: Counts = new Map();
  assert(KEYS.length < 80, "the last key must be seen on a narrow terminal, too");
  const lines = faultsTable(link, counts, 2);
  assertMatch(lines[0]!, /^127\.0\.0\.1:\d+ → 127\.0\.0\.1:\d+ {2}seed 7$/);
  assertEquals(lines.slice(1, 5), [
    "faults",
    "  1 ● up   slow: on 1 open",
    "  2 ● down stuck, on 0 %: on 0 open",
    "connections: 1 open",
  ]);
  assertEquals(lines[5], "  #1  ↑    3.0 kB    1.5 kB/s  ↓       0 B       0 B/s");
  assertMatch(faultsTable(link, counts, 1)[5]!, /↑ {4}3\.0 kB {7}0 B\/s/);
  assertMatch(lines.join("\n"), /last\n.*#1: opened\n.*#1 up slow: added at byte 0$/);
});

Deno.test("pressKey() turns faults off and on, resets, stops listening, and quits", async () => {
  await using link = await faultyLink({ hostname: "127.0.0.1", port: 9 }, {
    up: [{ name: "slow", fault: latency(1) }],
  });
  const enabled = () => link.board.faults.map((fault) => fault.enabled);
  await pressKey("1", link);
  assertEquals(enabled(), [false]);
  await pressKey("1", link);
  await pressKey("5", link);
  assertEquals(enabled(), [true]);
  await pressKey("d", link);
  assertEquals(link.listening, false);
  assertMatch(faultsTable(link, new Map(), 1)[0]!, /\(not listening\)$/);
  await pressKey("d", link);
  assertEquals(link.listening, true);
  await pressKey("r", link);
  assertEquals([await pressKey("x", link), await pressKey("q", link)], [undefined, "quit"]);
  assertEquals([await pressKey("1"), await pressKey("q")], [undefined, "quit"]);
});

Deno.test("pressKey() says so if the port was taken meanwhile, and can be pressed again", async () => {
  await using link = await faultyLink({ hostname: "127.0.0.1", port: 9 });
  await pressKey("d", link);
  using taker = Deno.listen(link.addr);
  assertMatch(await pressKey("d", link) ?? "", /^127\.0\.0\.1:\d+ is taken/);
  taker.close();
  assertEquals([await pressKey("d", link), link.listening], [undefined, true]);
});
