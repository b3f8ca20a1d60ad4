import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { needs } from "../_needs.ts";
import { type Started, startProgram } from "../_script.ts";

const STARTING = { run: ["deno"], read: true };

/** The same, started by Python: on a terminal, or with an output that is closed early. */
const WITH_PYTHON = { run: ["deno", "python3"], read: true };

const COMMAND = [Deno.execPath(), "run", "--quiet", "--no-prompt", "tests/cmd/_endings.ts"];

function ending(how: string): Started {
  const [program, ...args] = COMMAND;
  return startProgram(program!, [...args, how]);
}

async function endOf(how: string) {
  await using script = ending(how);
  const { code, stdout, stderr } = await script.ended();
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

needs(STARTING, "run() ends with the exit code that main() resolves with", async () => {
  assertEquals(await endOf("seven"), { code: 7, stdout: "", stderr: "" });
});

needs(STARTING, "run() says in one line what did not work", async () => {
  assertEquals(await endOf("failure"), {
    code: 1,
    stdout: "",
    stderr: "_endings: it did not work\n",
  });
});

needs(STARTING, "run() explains the system's errors in one line", async () => {
  const { code, stderr } = await endOf("system");
  assertEquals(code, 1);
  assertMatch(stderr, /^_endings: [^\n]*ECONNRESET[^\n]*\n$|^_endings: [^\n]*reset[^\n]*\n$/);
});

needs(STARTING, "run() keeps the stack of a mistake", async () => {
  const { code, stderr } = await endOf("bug");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "_endings: TypeError: nobody foresaw this\n    at main (");
});

needs(STARTING, "run() names the flag that is missing, be it asked for or run into", async () => {
  assertEquals(await endOf("net"), {
    code: 1,
    stdout: "",
    stderr: "_endings: a permission is missing: add --allow-net=127.0.0.1:9\n",
  });
  const { code, stderr } = await endOf("dial");
  assertEquals(code, 1);
  assertMatch(stderr, /^_endings: [^\n]*--allow-net=127\.0\.0\.1:9[^\n]*\n$/);
});

needs(STARTING, "run() says in one line what is wrong with the command line", async () => {
  const { code, stderr } = await endOf("badly");
  assertEquals(code, 2);
  assertMatch(stderr, /^_endings: HOW must be failure, [^\n]* or interrupt: got "badly"\n$/);
});

needs(
  STARTING,
  "run() logs to standard error, one line each, and data goes to output",
  async () => {
    const { stdout, stderr } = await endOf("log");
    assertEquals(stdout, "data\n");
    assertMatch(stderr, /^\d\d:\d\d:\d\d\.\d{3} inf a fact: \\x1b\[31mred\\nnew line\n$/);
  },
);

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  needs(STARTING, `run() ends with ${code} when ${signal} is all that went wrong`, async () => {
    await using script = ending("interrupt");
    await script.printed(/waiting/);
    script.kill(signal);
    const { code: ended, stderr } = await script.ended();
    assertEquals([ended, stderr], [code, ""]);
  });
}

needs(WITH_PYTHON, "run() ends quietly when nobody reads its output any more", async () => {
  await using python = startProgram("python3", ["-c", READ_ONE_LINE, ...COMMAND, "much"]);
  assertEquals(await python.output(), "b'line 0\\n' 141 b''\n");
});

const READ_ONE_LINE = `
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
line = child.stdout.readline()
child.stdout.close()
print(line, child.wait(), child.stderr.read())
`;

needs(WITH_PYTHON, "run() colours its log on a terminal, but not with NO_COLOR", async () => {
  const [plain, colored] = await Promise.all(["1", ""].map(async (noColor) => {
    await using python = startProgram(
      "python3",
      ["-c", ON_A_TERMINAL, noColor, ...COMMAND, "log"],
      "",
    );
    return await python.output();
  }));
  assertEquals([plain!.includes("\x1b"), plain!.includes("a fact: ")], [false, true]);
  assertEquals([colored!.includes("\x1b["), colored!.includes("a fact: ")], [true, true]);
});

const ON_A_TERMINAL = `
import os, pty, sys
os.environ.pop("NO_COLOR", None)
if sys.argv[1]: os.environ["NO_COLOR"] = sys.argv[1]
pty.spawn(sys.argv[2:])
`;
