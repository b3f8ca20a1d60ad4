import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { Io } from "../../cmd/_cli.ts";
import { UsageError } from "../../cmd/_flags.ts";
import { Lab } from "../../cmd/scenarios/_lab.ts";
import { byOrder, grants, lesson, LessonError, permissions } from "../../cmd/scenarios/_lesson.ts";
import { scenario, type ScenarioOptions } from "../../cmd/scenarios/_scenario.ts";
import type { TraceEvent } from "../../lib/observe/events.ts";
import { Trace } from "../../lib/observe/trace.ts";
import { writeAll } from "../../lib/stream/conn.ts";
import { seededWorld } from "../../lib/world.ts";
import { firstMissing, needs } from "../_needs.ts";
import { readPcapng } from "../observe/_pcapng.ts";
import { firstLineFlags, ROOT, start, startProgram } from "../_script.ts";
import { NO_NETWORK, seesAll } from "./_sight.ts";

const STARTING = { run: ["deno"], read: true } as const;

for (const name of scenarios()) {
  needs(STARTING, `${name} proves itself, and says so in JSON`, async () => {
    await using script = await start(`scenarios/${name}`, ["--json"]);
    const events = jsonLines(await script.output());
    const last = events.at(-1);
    assert(last?.kind === "verdict" && last.ok && last.checks > 0 && last.failed === 0);
    if (await seesAll()) {
      const unseen = events.filter((event) => event.kind === "unseen");
      assertEquals(unseen.filter(({ why }) => !NO_NETWORK.test(why)), []);
    }
    const checks = events.filter((event) => event.kind === "check");
    assertEquals(checks.length, last.checks);
    assert(checks.every(({ ok }) => ok));
    assert(events.every((event) => "at" in event && "who" in event));
  });

  needs(STARTING, `${name} draws what happened, in 80 columns`, async () => {
    await using script = await start(`scenarios/${name}`);
    const lines = (await script.output()).split("\n");
    assertMatch(lines[1]!, /^\(chapter §[\d.]+: .+\)$/);
    assert(lines.some((line) => /[─═]▶|◀[─═]/.test(line)));
    assert(lines.some((line) => line.startsWith("  ✓ ")));
    assertMatch(
      lines.at(-2)!,
      new RegExp(`^✓ ${name}: all \\d+ checks held(; \\d+ could not be seen)?$`),
    );
    for (const line of lines) assertLess(line.length, 81, line);
  });

  needs(
    { ...STARTING, write: true },
    `${name} --quiet prints its verdict and nothing else, beside the files that are wanted`,
    async () => {
      await using folder = await temporaryFolder();
      const files = ["--svg", folder.at("x.svg"), "--pcapng", folder.at("x.pcapng")];
      const flags = [...await firstLineFlags(`cmd/scenarios/${name}.ts`), ...folder.grants];
      await using script = await start(`scenarios/${name}`, ["--quiet", ...files], { flags });
      assertMatch(
        await script.output(),
        new RegExp(`^✓ ${name}: all \\d+ checks held(; \\d+ could not be seen)?\n$`),
      );
      assertMatch(await Deno.readTextFile(folder.at("x.svg")), /^<svg .*>✓<.*<\/svg>\n$/s);
      const { packets } = readPcapng(await Deno.readFile(folder.at("x.pcapng")));
      assert(packets.length > 0);
    },
  );

  needs(
    { ...STARTING, write: true, run: ["deno", "tshark"] },
    `${name} writes packets of which tshark has nothing bad to say`,
    async () => {
      await using folder = await temporaryFolder();
      const file = folder.at("x.pcapng");
      // Nothing may be captured: what a kernel sends again is no mistake of ours.
      const flags = [...await firstLineFlags(`cmd/scenarios/${name}.ts`), ...folder.grants]
        .filter((flag) => !OPTIONAL.test(flag));
      await using script = await start(`scenarios/${name}`, ["--quiet", "--pcapng", file], {
        flags,
      });
      await script.output();
      const args = ["-r", file, "-o", "tcp.check_checksum:TRUE", "-Y", COMPLAINTS];
      await using tshark = startProgram("tshark", args);
      assertEquals(await tshark.output(), "");
    },
  );
}

/** A folder that a script may write to. */
async function temporaryFolder() {
  const path = await Deno.makeTempDir({ prefix: "tcplab-" });
  return {
    at: (name: string) => `${path}/${name}`,
    grants: [`--allow-write=${path}`],
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Programs that a lesson goes on without. */
const OPTIONAL = /^--allow-run=(?!deno$)/;

/** What must not be said of a conversation that was made up: a window that is full is no mistake. */
const COMPLAINTS =
  "(tcp.analysis.flags and not tcp.analysis.window_full) or tcp.checksum.status==0";

/** What each lesson that goes wrong says in the end. */
const WRONG: Record<string, RegExp> = {
  fails: /^✗ fails: 1 of 2 checks did not hold$/,
  proves_nothing: /^✗ proves_nothing: nothing was checked, so nothing is proven$/,
  throws: /^✗ throws: 127\.0\.0\.1:\d+ refused: .*ECONNREFUSED.*; try: /,
  handler_throws: /^✗ handler_throws: Error: in the handler /,
  hangs: /^✗ hangs: not done within 200 ms$/,
};

for (const [name, verdict] of Object.entries(WRONG)) {
  needs(STARTING, `scenario() ends with 1 when a lesson ${name.replace("_", " ")}`, async () => {
    for (const args of [[], ["--quiet"], ["--json"]]) {
      await using script = await start(`../tests/cmd/_lessons/${name}`, args);
      const { code, stdout } = await script.ended();
      const last = new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!;
      assertEquals(code, 1);
      if (args[0] !== "--json") assertMatch(last, verdict);
      else assertEquals([JSON.parse(last).kind, JSON.parse(last).ok], ["verdict", false]);
    }
  });
}

needs(
  { read: true },
  "scenario() says what was expected of a check that did not hold",
  async () => {
    const { code, printed } = await play(async (lab) => {
      await Promise.resolve();
      lab.check("holds", true);
      lab.check("does not", { a: 1 }, { a: 2 });
    });
    assertEquals(code, 1);
    assertStringIncludes(printed, "  ✓ holds\n  ✗ does not: expected { a: 2 }, got { a: 1 }\n");
  },
);

needs({ read: true }, "scenario() succeeds with one check that holds", async () => {
  const { code, printed } = await play(async (lab) => {
    await Promise.resolve();
    lab.check("holds", 1, 1);
  });
  assertEquals(code, 0);
  assertMatch(printed, /\n✓ passes: the check held\n$/);
});

needs(
  { read: true },
  "scenario() prints checks below the picture that they are about",
  async () => {
    const { printed } = await play(async (lab) => {
      await using server = lab.serve(async () => {});
      using client = await lab.dial(server.addr);
      lab.check("made before the picture", true);
      await client.read(new Uint8Array(1));
      await server.idle();
      lab.draw();
      lab.check("made after it", true);
    });
    const at = ["═ FIN ═", "made before", "made after", "✓ passes"].map((it) =>
      printed.indexOf(it)
    );
    assertEquals(at.toSorted((a, b) => a - b), at);
    assert(at[0]! > 0);
    assertEquals(printed.match(/listen :/g)?.length, 1, "drawn twice");
  },
);

needs(
  { read: true },
  "scenario() draws what was not drawn, also of a lesson that failed",
  async () => {
    const { code, printed } = await play(async (lab) => {
      await using server = lab.serve(async () => {});
      using _client = await lab.dial(server.addr);
      throw new TypeError("in the lesson");
    });
    assertEquals(code, 1);
    assertStringIncludes(printed, "SYN · SYN-ACK · ACK");
  },
);

needs(
  { read: true },
  "scenario() ends a lesson that takes too long, and shows what it waited for",
  async () => {
    const world = seededWorld(1);
    const waiting = Promise.withResolvers<void>();
    const playing = play((lab) => {
      lab.check("holds", true);
      lab.trace.begin({ kind: "read", who: "client", size: 10 });
      waiting.resolve();
      return new Promise(() => {});
    }, { args: ["--json"], options: { world } });
    await waiting.promise;
    await world.advance(30_000);
    const { code, printed } = await playing;
    const events = jsonLines(printed);
    const [read, verdict] = events.slice(-2);
    assertEquals(code, 1);
    assert(read?.kind === "read" && read.end === undefined);
    assert(verdict?.kind === "verdict" && !verdict.ok);
    assertEquals(verdict.text, "passes: not done within 30000 ms");
    assertEquals(world.sleeps, [30_000]);
  },
);

needs({ read: true }, "scenario() prints its pictures as one Mermaid diagram", async () => {
  const { code, printed } = await play(async (lab) => {
    await using server = lab.serve(async () => {});
    using client = await lab.dial(server.addr);
    await client.read(new Uint8Array(1));
    await server.idle();
    lab.check("holds", true);
  }, { args: ["--mermaid"] });
  assertEquals(code, 0);
  assertMatch(printed, /^sequenceDiagram\n {4}participant L0 as client\n(.*\n)+%% ✓ passes: the/);
});

needs({ read: true }, "scenario() refuses to print in two ways at once", async () => {
  const both = play(() => Promise.resolve(), { args: ["--json", "--mermaid"] });
  await assertRejects(() => both, UsageError, "only one of --json and --mermaid can be printed");
});

needs({ read: true }, "scenario() refuses to write two things into one file", async () => {
  const both = play(() => Promise.resolve(), { args: ["--svg=same", "--pcapng=same"] });
  await assertRejects(() => both, UsageError, "--svg and --pcapng must be two files");
});

needs(STARTING, "scenario() says which permission a file needs before it begins", async () => {
  for (const flag of ["--svg", "--pcapng"]) {
    await using script = await start("scenarios/half_close", [flag, "/nowhere/x"]);
    const { code, stdout, stderr } = await script.ended();
    assertEquals([code, stdout.length, stderr], [
      1,
      0,
      "half_close: a permission is missing: add --allow-write=/nowhere/x\n",
    ]);
  }
});

needs(
  { ...STARTING, write: true },
  "scenario() says in one line that it cannot write",
  async () => {
    await using folder = await temporaryFolder();
    for (const flag of ["--svg", "--pcapng"]) {
      const file = folder.at("nowhere/x");
      const flags = [...await firstLineFlags("cmd/scenarios/half_close.ts"), ...folder.grants];
      await using script = await start("scenarios/half_close", ["--quiet", flag, file], { flags });
      const { code, stderr } = await script.ended();
      assertEquals([code, stderr], [
        1,
        `half_close: ${file}: there is no such file or folder (kernel, ENOENT); try: ` +
        "check the spelling of the path, and that its folder is there\n",
      ]);
    }
  },
);

needs(
  { read: true },
  "scenario() tells what it is about in as many columns as there are",
  async () => {
    const { printed } = await play((lab) => Promise.resolve(lab.check("holds", true)), {
      columns: 30,
      lesson: "cmd/scenarios/half_close.ts",
    });
    const [, , , ...about] = printed.split("\n");
    const lines = about.slice(0, about.indexOf("  ✓ holds"));
    assert(lines.length > 10);
    for (const line of lines) assertLess(line.length, 31, line);
  },
);

needs(
  { read: true },
  "scenario() tells a lesson how wide a drawing may be, and cuts none",
  async () => {
    for (const [columns, wide] of [[60, 58], [500, 78], [undefined, 78]] as const) {
      const told: number[] = [];
      const { printed } = await play(async (lab) => {
        told.push(lab.columns);
        await using server = lab.serve(async () => {}); // a picture is of what happens
        using _client = await lab.dial(server.addr);
        lab.say(`A drawing:\n${"━".repeat(lab.columns - 1)}┄`);
        lab.check("holds", true);
      }, columns === undefined ? {} : { columns });
      assertEquals(told, [wide]);
      assertStringIncludes(printed, `\n  ${"━".repeat(wide - 1)}┄\n`);
    }
  },
);

needs(
  { ...STARTING, write: true, run: ["deno", "tshark", "ss", "tcpdump"] },
  "scenario() writes what was captured, packet by packet",
  async () => {
    if (!await seesAll()) return;
    await using folder = await temporaryFolder();
    const file = folder.at("x.pcapng");
    const flags = [...await firstLineFlags("cmd/scenarios/handshake.ts"), ...folder.grants];
    await using script = await start("scenarios/handshake", ["--quiet", "--pcapng", file], {
      flags,
    });
    const { stderr } = await script.ended();
    assertMatch(stderr, /x\.pcapng: \d+ packets captured\n$/);
    const fields = ["-T", "fields", "-e", "tcp.flags.str", "-e", "tcp.payload", "-e", "frame.len"];
    await using tshark = startProgram("tshark", ["-r", file, ...fields]);
    const lines = (await tshark.output()).replace(/\n$/, "").split("\n").map((it) =>
      it.split("\t")
    );
    const flagged = lines.map(([it]) => it!.replaceAll("·", ""));
    assertEquals(flagged.slice(0, 3), ["S", "AS", "A"]);
    assertEquals(flagged.filter((it) => it.includes("F")).length, 2);
    assertEquals(lines.map(([, payload]) => payload).join(""), "68656c6c6f"); // hello
  },
);

needs(
  { read: true },
  "scenario() says what could not be seen, and holds all the same",
  async () => {
    const steps = async (lab: Lab) => {
      await Promise.resolve();
      lab.check("holds", 1, 1);
      lab.unseen("not there", "no eyes");
    };
    const { code, printed } = await play(steps);
    assertEquals(code, 0);
    assertStringIncludes(printed, "  – not seen: not there\n      (no eyes)\n");
    assertMatch(printed, /\n✓ passes: the check held; 1 could not be seen\n$/);
    const verdict = jsonLines((await play(steps, { args: ["--json"] })).printed).at(-1);
    assert(verdict?.kind === "verdict" && verdict.unseen === 1 && verdict.checks === 1);
    const nothing = await play(async (lab) => {
      await Promise.resolve();
      lab.unseen("not there", "no eyes");
    });
    assertEquals(nothing.code, 1);
  },
);

needs({ read: true }, "scenario() ends when it is interrupted, without a verdict", async () => {
  for (const rest of [new Promise<void>(() => {}), Promise.resolve()]) {
    const controller = new AbortController();
    const { signal: interrupted } = controller;
    let printed = "";
    const steps = (lab: Lab) => {
      lab.check("holds", true);
      controller.abort(new Error("interrupted"));
      return rest;
    };
    const print = (text: string) => printed += text;
    await assertRejects(() => play(steps, { interrupted, print }), Error, "interrupted");
    assert(!printed.includes("passes"));
  }
});

needs({ read: true }, "scenario() has said its last word with the verdict", async () => {
  const left = Promise.withResolvers<number>();
  let printed = "";
  let calling: Promise<number> | undefined;
  await play(async (lab) => {
    await Promise.resolve();
    lab.check("holds", true);
    calling = lab.trace.call({ kind: "read", who: "client", size: 1 }, () => left.promise);
  }, { args: ["--json"], print: (text) => printed += text });
  left.resolve(1);
  await calling;
  assertEquals(jsonLines(printed).map(({ kind }) => kind), ["check", "read", "verdict"]);
});

needs({ read: true }, "scenario() colours only where that is wanted", async () => {
  const steps = async (lab: Lab) => {
    await using server = lab.serve(async () => {});
    using _client = await lab.dial(server.addr);
  };
  assert(!(await play(steps)).printed.includes("\x1b"));
  assert((await play(steps, { color: true })).printed.includes("\x1b[31m✗\x1b[0m passes"));
});

Deno.test("Lab.draw() draws a call that waited for the last picture again, once it returned", async () => {
  const trace = new Trace();
  const pictures: string[] = [];
  const lab = new Lab(trace, {
    signal: new AbortController().signal,
    show: (events, drawn) => {
      const shown = events.filter((event) => !drawn.has(event));
      pictures.push(shown.map(({ who, kind }) => `${who} ${kind}`).join(", "));
    },
    fail: () => {},
  });
  const returned = trace.begin({ kind: "read", who: "client", size: 10 });
  lab.draw();
  await trace.call({ kind: "write", who: "server", size: 1 }, () => Promise.resolve());
  lab.draw();
  returned({ bytes: 1 });
  lab.draw();
  lab.draw();
  assertEquals(pictures, ["client read", "server write", "client read", ""]);
});

Deno.test("Lab.serve() puts both ends of each connection on the record, under one name", async () => {
  const trace = new Trace();
  const lab = new Lab(trace, {
    signal: new AbortController().signal,
    show: () => {},
    fail: (error) => {
      throw error;
    },
  });
  await using server = lab.serve((conn) => writeAll(conn, new Uint8Array(3)));
  using client = await lab.dial(server.addr);
  assertEquals(await client.read(new Uint8Array(3)), 3);
  await server.idle();
  const told = trace.events.map(({ who, kind }) => `${who} ${kind}`).sort();
  assertEquals(told, [
    ...["client connect", "client read", "server accept"],
    ...["server close", "server listen", "server write"],
  ]);
  const [{ conn } = {}] = lab.calls("client", "connect");
  assert(conn);
  assertEquals(lab.calls("server", "accept").map((call) => call.conn), [conn]);
  assertEquals(lab.calls("server", "write").map((call) => call.bytes), [3]);
});

Deno.test("Lab.serve() puts it on the record when a server cannot listen", async () => {
  const trace = new Trace();
  const lab = new Lab(trace, {
    signal: new AbortController().signal,
    show: () => {},
    fail: () => {},
  });
  await using server = lab.serve(async () => {});
  const { port } = server.addr;
  assertThrows(() => lab.serve(async () => {}, "another", { port }), Deno.errors.AddrInUse);
  assertEquals(lab.calls("another", "listen")[0]?.error?.code, "EADDRINUSE");
});

Deno.test("lesson() reads title, place and subject from a module doc", () => {
  const doc =
    "A title\nin two lines\n\nChapter §5.1: shutdown()\n\nFirst.\n\nSecond,\nlong.\n\n    use\n\nFlags";
  assertEquals(lesson(doc), {
    title: "A title in two lines",
    order: [5, 1],
    section: "shutdown()",
    about: ["First.", "Second,\nlong."],
  });
});

Deno.test("lesson() wants to know where the chapter treats it", () => {
  for (const doc of ["", "Title", "Title\n\nAbout.", "Title\n\nChapter 5: no sign"]) {
    assertThrows(() => lesson(doc), LessonError, "Chapter §5.1");
  }
});

Deno.test("byOrder() counts sections, it does not spell them", () => {
  const sorted = [[2, 10], [10], [2], [2, 9], [2, 1, 1]].sort(byOrder);
  assertEquals(sorted, [[2], [2, 1, 1], [2, 9], [2, 10], [10]]);
});

Deno.test("permissions() reads the first line, and refuses more than it names", () => {
  const read = (flags: string) => permissions(`#!/usr/bin/env -S deno run${flags}\ncode`);
  assertEquals(read(""), []);
  assertEquals(read(" --allow-net=127.0.0.1 --allow-run=ss,tcpdump"), [
    "--allow-net=127.0.0.1",
    "--allow-run=ss,tcpdump",
  ]);
  for (
    const flag of ["-A", "--allow-all", "--allow-net", "--allow-net=", "--allow-ffi=x", "x.ts"]
  ) {
    assertThrows(() => read(` ${flag}`), LessonError, `got ${flag}`);
  }
  for (const first of ["", "/** doc */", "#!/usr/bin/env deno"]) {
    assertThrows(() => permissions(`${first}\ncode`), LessonError, "must begin with");
  }
});

Deno.test("grants() names each permission by itself", () => {
  assertEquals(grants("#!/usr/bin/env -S deno run --allow-run=ss,tcpdump --unstable-net\n"), [
    { kind: "run", to: "ss" },
    { kind: "run", to: "tcpdump" },
  ]);
});

/** How to play a lesson. */
interface Play {
  args?: string[];
  options?: ScenarioOptions;
  interrupted?: AbortSignal;
  color?: boolean;
  columns?: number;
  /** Whose name and text it has. */
  lesson?: string;
  print?: (text: string) => void;
}

/** Plays a lesson in this process, under the name of one that passes if no other is named. */
async function play(
  steps: (lab: Lab) => Promise<void>,
  { args = [], options = {}, print = () => {}, color = false, ...more }: Play = {},
): Promise<{ code: number | void; printed: string }> {
  const { interrupted = new AbortController().signal, columns } = more;
  const { lesson = "tests/cmd/_lessons/passes.ts" } = more;
  let printed = "";
  const quiet = () => {};
  const io: Io = {
    stdin: { read: () => Promise.resolve(null), isTerminal: () => false },
    print: (data) => {
      assert(typeof data === "string");
      printed += data;
      print(data);
      return Promise.resolve();
    },
    log: { info: quiet, warn: quiet, error: quiet },
    color,
    ...columns !== undefined && { columns },
    interrupted,
  };
  const url = new URL(lesson, ROOT).href;
  const code = await scenario({ url } as ImportMeta, steps, options)(args, io);
  return { code, printed };
}

function jsonLines(text: string): TraceEvent[] {
  const lines = text.split("\n");
  assertEquals(lines.pop(), "");
  return lines.map((line) => JSON.parse(line));
}

/** The scenarios, if they may be looked up. */
function scenarios(): string[] {
  if (firstMissing({ read: true }) !== undefined) return [];
  return [...Deno.readDirSync(new URL("cmd/scenarios/", ROOT))]
    .map(({ name }) => name).filter((name) => /^[^_].*\.ts$/.test(name))
    .map((name) => name.slice(0, -3)).sort();
}
