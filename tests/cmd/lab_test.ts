import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { catalog, type Entry } from "../../cmd/_catalog.ts";
import type { Io } from "../../cmd/_cli.ts";
import { Table } from "../../cmd/_table.ts";
import { trial } from "../../cmd/_trial.ts";
import { needs } from "../_needs.ts";
import { type Ended, ROOT, start } from "../_script.ts";

const STARTING = { run: ["deno"], read: true } as const;
const SCENARIOS = new URL("cmd/scenarios/", ROOT);
const LESSONS = new URL("tests/cmd/_lessons/", ROOT);

needs(
  STARTING,
  "lab runs every scenario in the order of the chapter, and says how it went",
  async () => {
    const { code, lines, stderr } = await lab([]);
    const names = (await catalog(SCENARIOS)).map(({ name }) => name);
    assertEquals([code, stderr], [0, ""]);
    assertEquals(lines.slice(0, -2).map((line) => line.split(/ +/)[2]), names);
    for (const line of lines.slice(0, -2)) {
      assertMatch(line, /^✓ §[\d.]+ +\w+ +\d+ checks? + \d+ ms {2}\S.*\S$/);
    }
    const [gap, verdict] = lines.slice(-2);
    // Not every machine lets every lesson look at everything.
    const blind = /; \d+ claims? could not be seen$/.exec(verdict!)?.[0] ?? "";
    assertEquals([gap, verdict], ["", `✓ all ${names.length} scenarios held${blind}`]);
  },
);

needs(STARTING, "lab says of every scenario that went wrong what speaks against it", async () => {
  const { code, lines } = await lab([], "_lab");
  assertEquals(code, 1);
  const [verdict] = lines.slice(-1);
  assertEquals(
    verdict,
    "✗ 9 of 10 scenarios did not hold: " +
      "fails, proves_nothing, handler_throws, hangs, silent, lies, throws, bare, greedy",
  );
  const below = (name: string) => {
    const at = lines.findIndex((line) => line.split(/ +/)[2] === name);
    return lines.slice(at, at + 3).map((line) => line.replace(/ +\d+ ms/, ""));
  };
  assertMatch(below("passes")[0]!, /^✓ §1 +passes +1 check +A lesson that holds$/);
  assertEquals(below("fails").slice(1), [
    "    fails: 1 of 2 checks did not hold",
    `    one is two: expected "two", got "one"`,
  ]);
  assertEquals(below("silent").slice(1), [
    "    silent: ended with exit code 1, without a verdict",
    "    error: Uncaught (in promise) Error: not a word",
  ]);
  assertEquals(below("lies")[1], "    lies: ended with exit code 3, against its own verdict");
  assertMatch(below("greedy")[1]!, /must grant only what it names, .*: got --allow-net$/);
  assertMatch(below("bare")[1]!, /first line must begin with/);
});

needs(STARTING, "lab says of all scenarios together how much could not be seen", async () => {
  const { code, lines } = await lab([], "blind/_lab");
  assertEquals([code, lines.at(-1)], [0, "✓ all 1 scenarios held; 1 claim could not be seen"]);
});

needs(STARTING, "lab --quiet prints its verdict, and nothing else", async () => {
  assertEquals((await lab(["--quiet"], "_lab")).lines.length, 1);
});

needs(STARTING, "lab runs one scenario with its pictures, and ends as that does", async () => {
  const { code, stdout } = await lab(["half_close"]);
  assertEquals(code, 0);
  assertMatch(stdout, /closeWrite ╞═+ FIN ═+▶│/);
  assertMatch(stdout, /\n✓ half_close: all \d+ checks held\n$/);
  assertEquals(await lab(["fails", "--quiet"], "_lab"), {
    code: 1,
    stdout: "✗ fails: 1 of 2 checks did not hold\n",
    stderr: "",
    lines: ["✗ fails: 1 of 2 checks did not hold"],
  });
});

needs(STARTING, "lab hands --json on to the one scenario", async () => {
  const { lines } = await lab(["peer_gone", "--json"]);
  assertEquals(JSON.parse(lines.at(-1)!).kind, "verdict");
  const { code, stderr } = await lab(["--json"]);
  assertEquals([code, stderr], [2, "lab: --json needs a scenario: --list names them\n"]);
});

needs(
  { ...STARTING, write: true },
  "lab lets one scenario write the files that it is told to, and no others",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "tcplab-" });
    try {
      const [svg, pcapng] = [`${folder}/a.svg`, `${folder}/a.pcapng`];
      const { code } = await lab(["half_close", "--quiet", "--svg", svg, "--pcapng", pcapng]);
      assertEquals(code, 0);
      assertMatch(await Deno.readTextFile(svg), /^<svg /);
      assertEquals((await Deno.readFile(pcapng)).slice(0, 4), Uint8Array.of(10, 13, 13, 10));
      const wrong = await lab(["writes", "--quiet", "--svg", svg], "writes/_lab");
      assertEquals([wrong.code, wrong.stdout], [1, `writes: not ${svg}.more\n`]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

needs(STARTING, "lab wants a scenario for what only one can be asked for", async () => {
  for (const [flag, said] of [["--mermaid", "--mermaid"], ["--svg=x", "--svg=x"]] as const) {
    const { code, stderr } = await lab([flag]);
    assertEquals([code, stderr], [2, `lab: ${said} needs a scenario: --list names them\n`]);
  }
  const { code, stderr } = await lab(["half_close", "--svg", "a,b"]);
  assertEquals([code, stderr], [2, "lab: --svg must be a path without a comma\n"]);
});

needs(STARTING, "lab --list names the scenarios, and runs none", async () => {
  const { lines } = await lab(["--list"]);
  assertEquals(
    lines.map((line) => line.split(/ +/)[1]),
    (await catalog(SCENARIOS)).map(({ name }) => name),
  );
  assert(lines.every((line) => /^§[\d.]+ +\w+ +\S/.test(line)));
  assertMatch((await lab(["--list"], "_lab")).stdout, /^§\? +bare +its first line must/m);
});

needs(STARTING, "lab offers the nearest names for one that is none", async () => {
  const { code, stdout, stderr } = await lab(["thros"], "_lab");
  assertEquals([code, stdout], [2, ""]);
  assertMatch(
    stderr,
    /^_lab: unknown scenario "thros": the nearest are throws, \w+, \w+; --list names all\n$/,
  );
});

needs(STARTING, "lab does not run a scenario that it cannot trust", async () => {
  const { code, stdout, stderr } = await lab(["greedy"], "_lab");
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^_lab: greedy: its first line must grant only what it names/);
});

needs(STARTING, "lab ends a scenario that does not end", async () => {
  const all = await lab(["--deadline", "100ms"], "endless/_lab");
  assertEquals(all.code, 1);
  assertEquals(all.lines[1], "    endless: not done within 100ms, so it was ended");
  const one = await lab(["endless", "--deadline", "100ms"], "endless/_lab");
  assertEquals([one.code, one.stderr], [
    1,
    "_lab: endless: not done within 100ms, so it was ended\n",
  ]);
});

needs(STARTING, "lab asks the scenario that runs to end when it is to end itself", async () => {
  await using script = await start("../tests/cmd/_lessons/endless/_lab", ["endless"]);
  await script.printed(/ready/);
  script.kill("SIGTERM");
  const { code, stdout, stderr } = await script.ended();
  assertEquals([code, stderr], [143, ""]);
  assertEquals(new TextDecoder().decode(stdout), "ready\ngoodbye\n");
});

needs(STARTING, "trial() ends its scenario when it is interrupted itself", async () => {
  const [entry] = await catalog(new URL("endless/", LESSONS));
  const controller = new AbortController();
  const trying = trial(entry!, { deadline: Infinity, signal: controller.signal });
  controller.abort(new Error("enough"));
  // That the process is gone as well is what the sanitizers see to.
  await assertRejects(() => trying, Error, "enough");
});

needs({ read: true }, "catalog() knows what each scenario is about and may touch", async () => {
  const entries = await catalog(LESSONS);
  assertEquals(entries.map(({ name }) => name), [
    ...["passes", "fails", "proves_nothing", "handler_throws", "hangs", "silent", "lies", "throws"],
    ...["bare", "greedy"],
  ]);
  const throws = entries.find(({ name }) => name === "throws");
  assertEquals(throws?.flags, ["--allow-net=127.0.0.1"]);
  assertEquals(throws?.lesson?.order, [2, 10]);
});

Deno.test("Table shows the scenario that runs on a terminal, and takes it back", async () => {
  const { table, entry, said } = tableOf(40);
  await table.running(entry);
  await table.ended(entry, {
    ok: true,
    text: "",
    checks: 1,
    duration: 12.3,
    complaints: [],
    unseen: 0,
  });
  assertEquals(said(), [
    "▸ §5.1  half_close  A title that is too",
    "\r\x1b[2K✓ §5.1  half_close   1 check     12 ms\n",
  ]);
});

Deno.test("Table takes nothing back in a pipe, where it cannot", async () => {
  const { table, entry, said } = tableOf(undefined);
  await table.running(entry);
  assertEquals(said(), []);
  await table.ended(entry, {
    ok: false,
    text: "half_close: no",
    checks: 12,
    unseen: 0,
    duration: 1234,
    complaints: ["why"],
  });
  assertEquals(said(), [
    "✗ §5.1  half_close  12 checks  1234 ms  A title that is too long for this line\n" +
    "    half_close: no\n    why\n",
  ]);
});

function tableOf(columns: number | undefined) {
  const said: string[] = [];
  const print: Io["print"] = (data) => Promise.resolve(void said.push(String(data)));
  const entry: Entry = {
    name: "half_close",
    file: SCENARIOS,
    flags: [],
    lesson: {
      title: "A title that is too long for this line",
      order: [5, 1],
      section: "",
      about: [],
    },
  };
  const io = columns === undefined ? { print, color: false } : { print, color: false, columns };
  return { table: new Table([entry], io), entry, said: () => said };
}

/** Runs the lab, or one of those with lessons that go wrong. */
async function lab(args: string[], wrong?: string) {
  await using script = await start(wrong ? `../tests/cmd/_lessons/${wrong}` : "lab", args);
  const { code, stdout: bytes, stderr }: Ended = await script.ended();
  const stdout = new TextDecoder().decode(bytes);
  return { code, stdout, stderr, lines: stdout.trimEnd().split("\n") };
}
